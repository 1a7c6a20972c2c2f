#include "server/settings.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <type_traits>

#include "absl/strings/ascii.h"
#include "core/base/host_port.h"
#include "core/base/nearest_name.h"
#include "core/base/status.h"
#include "core/base/weight_storage.h"
#include "core/hub/hub.h"
#include "yaml-cpp/yaml.h"

namespace gist {
namespace {

using Limits = Config::Limits;

bool IsAddress(std::string_view text) { return bool(ParseHostPort(text)); }
bool IsAddressOrOff(std::string_view text) {
  return text == "off" || IsAddress(text);
}
bool IsWeights(std::string_view text) {
  return bool(ChooseWeightStorage(text, "cpu"));
}
bool IsModel(std::string_view text) { return CheckHubName(text).ok(); }
bool IsLogFormat(std::string_view text) {
  return text == "text" || text == "json";
}

constexpr SettingKind kFile = {"FILE", "a file's path"};
constexpr SettingKind kModelKind = {
    "MODEL",
    "a GGUF file, of shards the first, a Hugging Face folder or "
    "hf:OWNER/NAME[@REVISION][:FILE]",
    0, 0, IsModel};
constexpr SettingKind kFolder = {"DIR", "a folder's path"};
constexpr SettingKind kEncoder = {"DIR", "a folder's path, e5, minilm or off"};
constexpr SettingKind kAdapter = {"DIR", "a folder's path, auto or off"};
constexpr SettingKind kDevice = {"DEVICE", "cpu, cuda or cuda:N"};
constexpr SettingKind kSwitch = {"", "true or false"};
constexpr SettingKind kAmount = {"N", "an integer of 0 or more"};
constexpr SettingKind kCount = {"N", "an integer of 1 or more", 1};
constexpr SettingKind kSeconds = {"SECONDS", "0 to 1000000 seconds", 0, 1e6};
constexpr SettingKind kAddress = {"HOST:PORT", "HOST:PORT, say 127.0.0.1:50051",
                                  0, 0, IsAddress};
constexpr SettingKind kAddressOrOff = {
    "HOST:PORT", "HOST:PORT, say 127.0.0.1:9090, or off", 0, 0, IsAddressOrOff};
constexpr SettingKind kTemplate = {"NAME|FILE",
                                   "a family's name or a file's path"};
constexpr SettingKind kWeights = {"HOW", "auto, float32, bfloat16 or quantized",
                                  0, 0, IsWeights};
constexpr SettingKind kLogFormat = {"HOW", "text or json", 0, 0, IsLogFormat};

constexpr Setting kNetwork[] = {
    {"listen", &Config::listen, kAddress,
     "address of gRPC; port 0: any free port"},
    {"admin", &Config::admin, kAddressOrOff,
     "HTTP address of /metrics, /livez and /readyz, or off"},
    {"drain_seconds", &Config::drain_seconds, kSeconds,
     "after SIGTERM: reports not ready and still serves"},
    {"shutdown_grace_seconds", &Config::shutdown_grace_seconds, kSeconds,
     "after draining: time for running requests to finish"},
};

constexpr Setting kSecurity[] = {
    {"tls_cert", &Config::tls_cert, kFile,
     "certificate chain, PEM; read again when it changes"},
    {"tls_key", &Config::tls_key, kFile, "private key of tls_cert, PEM"},
    {"tls_client_ca", &Config::tls_client_ca, kFile,
     "clients must show a certificate of these CAs, PEM"},
    {"auth_file", &Config::auth_file, kFile,
     "tokens and roles, lines of gist tokens new; read again when it changes"},
    {"open_health", &Config::open_health, kSwitch,
     "gRPC health needs no token"},
    {"open_reflection", &Config::open_reflection, kSwitch,
     "with auth_file: gRPC reflection stays on and needs no token"},
    {"channelz", &Config::channelz, kSwitch,
     "gRPC's channelz service; not with auth_file"},
    {"insecure_listen", &Config::insecure_listen, kSwitch,
     "lets listen leave loopback without TLS or without authentication"},
};

constexpr Setting kModel[] = {
    {"model", &Config::model, kModelKind,
     "F32, F16, BF16; of GGUF also Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, "
     "IQ4_XS"},
    {"adapter", &Config::adapter, kAdapter,
     "gist adapter; auto: adapters/default if it is made for the model; the "
     "flag also turns promoted_adapter off"},
    {"promoted_adapter", &Config::promoted_adapter, kSwitch,
     "uses the adapter of this model that was promoted last in place of "
     "adapter"},
    {"answer_adapter", &Config::answer_adapter, kAdapter,
     "LoRA on question and answer; auto: adapters/answer if it is made for the "
     "model",
     "reader"},
    {"embedder", &Config::embedder, kEncoder,
     "sentence encoder that finds passages (rag, hybrid); e5: the default; "
     "minilm: the English one that deploy/setup.sh minilm fetches; off: none"},
    {"presets", &Config::presets, kFolder, "training recipes, NAME.yaml"},
    {"device", &Config::device, kDevice, "where the model runs"},
    {"chat_template", &Config::chat_template, kTemplate,
     "in place of the model file's own; contexts and adapters belong to one"},
    {"weights", &Config::weights, kWeights,
     "quantized: 4 or 8 bits, fastest on a CPU; float32: exact; bfloat16: "
     "between them; auto: quantized on a CPU, float32 on a GPU"},
    {"threads", &Config::threads, kAmount,
     "of the CPU engine; 0: from affinity and quota"},
};

constexpr Setting kData[] = {
    {"data_dir", &Config::data_dir, kFolder,
     "folder of the database; one gistd at a time"},
    {"backup_dir", &Config::backup_dir, kFolder,
     "folder that gist backup writes to; empty: no backups"},
    {"restore", &Config::restore, kFolder,
     "verifies the backup in this folder, makes data_dir of it and ends", "",
     true},
    {"max_backups", &Limits::max_backups, kCount,
     "backups to keep; the oldest is deleted"},
    {"max_store_bytes", &Limits::max_store_bytes, kAmount,
     "of the store; least recently used contexts are evicted; 0: unlimited"},
    {"max_contexts", &Limits::max_contexts, kAmount,
     "contexts in the store, likewise; 0: unlimited"},
};

constexpr Setting kRequests[] = {
    {"max_document_bytes", &Limits::max_document_bytes, kCount,
     "largest document"},
    {"max_document_tokens", &Limits::max_document_tokens, kCount,
     "longest document"},
    {"max_queue", &Limits::max_queue, kCount,
     "requests that wait for the engine or use it"},
    {"max_queued_tokens", &Limits::max_queued_tokens, kCount,
     "tokens that these requests have still to prefill"},
    {"max_kv_bytes", &Limits::max_kv_bytes, kAmount,
     "KV cache of running requests; others wait; 0: unlimited"},
    {"max_cached_kv_bytes", &Limits::max_cached_kv_bytes, kAmount,
     "KV cache of recent documents, kept for the next request; 0: none"},
    {"max_index_bytes", &Limits::max_index_bytes, kAmount,
     "indexes over all documents of a tenant, in memory"},
    {"max_step_seconds", &Limits::max_step_seconds, kSeconds,
     "target duration of one engine step"},
    {"max_running_asks", &Limits::max_running_asks, kCount,
     "answers that decode at a time"},
    {"max_running_compressions", &Limits::max_running_compressions, kCount,
     "documents that are compressed at a time"},
    {"max_queued_trainings", &Limits::max_queued_trainings, kCount,
     "trainings that wait"},
    {"max_dataset_bytes", &Limits::max_dataset_bytes, kCount,
     "largest uploaded dataset"},
};

constexpr Setting kLog[] = {
    {"log_format", &Config::log_format, kLogFormat,
     "of the lines on stderr: text (logfmt) or json"},
};

constexpr SettingGroup kGroups[] = {
    {"Network", kNetwork}, {"Security", kSecurity}, {"Model", kModel},
    {"Data", kData},       {"Requests", kRequests}, {"Log", kLog},
};

template <typename AnyConfig, typename T>
auto& At(AnyConfig& config, T Config::*member) {
  return config.*member;
}
template <typename AnyConfig, typename T>
auto& At(AnyConfig& config, T Limits::*member) {
  return config.limits.*member;
}

bool Parse(std::string_view text, const SettingKind& kind, std::string& value) {
  value = text;
  return kind.accepts == nullptr || kind.accepts(text);
}

bool Parse(std::string_view text, const SettingKind&, bool& value) {
  if (text == "1" || text == "0") return value = text == "1", true;
  return YAML::convert<bool>::decode(YAML::Node(std::string(text)), value);
}

// Decimal: "0x10" and "010" are refused, other programs read them differently.
template <typename Number>
bool Parse(std::string_view text, const SettingKind& kind, Number& value) {
  const bool is_octal =
      text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end && !is_octal &&
         double(value) >= kind.least &&
         (kind.most == 0 || double(value) <= kind.most);
}

}  // namespace

Config DefaultConfig(std::string_view home) {
  Config config;
  config.model = fmt::format(
      "{}/third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf", home);
  config.embedder = EmbedderFolder("e5", home);
  config.presets = fmt::format("{}/adapters/presets", home);
  return config;
}

std::string EmbedderFolder(std::string_view embedder, std::string_view home) {
  std::string_view name;
  if (embedder == "e5") name = "multilingual-e5-small";
  if (embedder == "minilm") name = "all-MiniLM-L6-v2";
  if (name.empty()) return std::string(embedder);
  return fmt::format("{}/third_party/models/{}", home, name);
}

std::span<const SettingGroup> SettingGroups() { return kGroups; }

std::vector<const Setting*> AllSettings() {
  std::vector<const Setting*> all;
  for (const SettingGroup& group : kGroups) {
    for (const Setting& setting : group.settings) all.push_back(&setting);
  }
  return all;
}

bool IsLimit(const Setting& setting) {
  return std::visit(
      [](auto member) {
        return std::is_invocable_v<decltype(member), Limits&>;
      },
      setting.field);
}

std::string FlagOf(std::string_view name) {
  std::string flag = fmt::format("--{}", name);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string VariableOf(std::string_view name) {
  return "GISTD_" + absl::AsciiStrToUpper(std::string(name));
}

const Setting* FindSetting(std::string_view name) {
  if (name.empty()) return nullptr;  // most have no old name
  const auto all = AllSettings();
  const auto found = std::ranges::find_if(all, [name](const Setting* setting) {
    return name == setting->name || name == setting->old_name;
  });
  return found == all.end() ? nullptr : *found;
}

std::string SettingHint(std::string_view name,
                        std::string (*shown)(std::string_view)) {
  std::vector<std::string> names = {"config"};
  for (const Setting* const setting : AllSettings()) {
    names.push_back(setting->name);
  }
  const std::string nearest = NearestName(name, names);
  if (nearest.empty()) return "; gistd --help lists all settings";
  return fmt::format("; did you mean {}? gistd --help lists all settings",
                     shown(nearest));
}

std::string ValueOf(const Setting& setting, const Config& config) {
  return std::visit(
      [&](auto member) { return fmt::format("{}", At(config, member)); },
      setting.field);
}

absl::Status SetValue(const Setting& setting, std::string_view text,
                      std::string_view source, Config& config) {
  const bool is_taken = std::visit(
      [&](auto member) {
        return Parse(text, setting.kind, At(config, member));
      },
      setting.field);
  if (is_taken) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is {:?}, want {}; docs/settings.md lists all settings",
                  source, text, setting.kind.wanted));
}

std::string SettingsMarkdown() {
  const Config defaults = DefaultConfig("$GIST_HOME");
  std::string page;
  for (const SettingGroup& group : kGroups) {
    page += fmt::format(
        "\n## {}\n\n| name | value | default | meaning |\n|---|---|---|---|\n",
        group.title);
    for (const Setting& setting : group.settings) {
      page += fmt::format("| `{}`{} | {} | {} | {}{} |\n", setting.name,
                          IsLimit(setting) ? "*" : "", setting.kind.wanted,
                          ValueOf(setting, defaults), setting.help,
                          setting.flag_only ? "; only as a flag" : "");
    }
  }
  return page;
}

}  // namespace gist
