#include "server/config.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "CLI/CLI.hpp"
#include "core/base/installation.h"
#include "core/base/status.h"
#include "core/base/weight_storage.h"

namespace gist {
namespace {

constexpr char kExample[] =
    "Example:\n"
    "  gistd --data-dir /var/lib/gistd --listen 127.0.0.1:50051\n"
    "  gist compress report.txt    # in another terminal";

struct Address {
  std::string host;  // without the brackets of IPv6
  int port = 0;
};

std::optional<Address> ParseAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return std::nullopt;
  Address address;
  std::string_view host = text.substr(0, colon);
  const bool in_brackets = host.starts_with('[') && host.ends_with(']');
  if (in_brackets) host = host.substr(1, host.size() - 2);
  if (!in_brackets && host.find(':') != host.npos) return std::nullopt;
  address.host = host;
  const char* const end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || rest != end) return std::nullopt;
  if (address.port < 0 || address.port > 65535) return std::nullopt;
  return address;
}

// 127.0.0.0/8 as four numbers, so that "127.evil.example" is none.
bool IsLoopback(const std::string& host) {
  if (host == "localhost" || host == "::1") return true;
  int part[4];
  int used = 0;
  return std::sscanf(host.c_str(), "%3d.%3d.%3d.%3d%n", &part[0], &part[1],
                     &part[2], &part[3], &used) == 4 &&
         size_t(used) == host.size() && part[0] == 127;
}

absl::Status CheckAtLeast(std::string_view name, double value, double least) {
  if (std::isfinite(value) && value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} is {}, want {} or more", name, value, least));
}

// Who reaches `host` beyond this machine must be kept from listening in, and
// must say who they are.
absl::Status CheckExposure(const Config& config, const std::string& host) {
  if (IsLoopback(host) || config.insecure_listen) return absl::OkStatus();
  if (config.tls_cert.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "listen is \"{}\": whoever reaches this address could read every "
        "document, unencrypted; give --tls-cert and --tls-key, listen on "
        "127.0.0.1, or accept it with --insecure-listen",
        config.listen));
  }
  if (config.auth_file.empty() && config.tls_client_ca.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "listen is \"{}\" with TLS, but whoever reaches this address may do "
        "everything; give --auth-file or --tls-client-ca, or accept it with "
        "--insecure-listen",
        config.listen));
  }
  return absl::OkStatus();
}

absl::Status CheckSecurity(const Config& config) {
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return absl::InvalidArgumentError(
        "tls_cert and tls_key go together, and one of them is missing");
  }
  if (!config.tls_client_ca.empty() && config.tls_cert.empty()) {
    return absl::InvalidArgumentError(
        "tls_client_ca needs TLS: give tls_cert and tls_key too");
  }
  if (config.channelz && !config.auth_file.empty()) {
    return absl::InvalidArgumentError(
        "channelz asks nobody for a token and shows who is connected; leave "
        "it out where there is an auth_file");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    std::error_code error;
    const bool is_empty_file = file.is_open() &&
                               std::filesystem::file_size(path, error) == 0 &&
                               !error;
    if (is_empty_file) return std::string();
    return absl::NotFoundError(
        fmt::format("--config {}: cannot read the file", path));
  }
  return std::move(text).str();
}

// The flags; each is empty until it is given.
struct Flags {
  std::optional<std::string> listen, admin, data_dir, model, adapter, presets;
  std::optional<std::string> device, weights, reader, embedder, log_format;
  std::optional<std::string> tls_cert, tls_key, tls_client_ca, auth_file;
  std::optional<int> threads, max_queue;
  std::optional<double> drain_seconds;
  std::optional<int64_t> max_document_bytes, max_document_tokens;
  std::optional<int64_t> max_cached_kv_bytes, max_index_bytes, max_kv_bytes;
  std::optional<int64_t> max_queued_tokens;
  std::optional<int64_t> max_store_bytes, max_contexts;
  std::optional<std::string> backup_dir, restore;
  std::optional<int> max_backups;
  bool insecure_listen = false;
  bool open_health = false, open_reflection = false, channelz = false;
  bool check_config = false;
  std::string config_file;

  void AddTo(CLI::App& app, const Config& defaults) {
    const auto add = [&app](const char* name, auto& flag, std::string_view help,
                            const auto& value) {
      app.add_option(name, flag, fmt::format("{} [{}]", help, value));
    };
    app.add_option("--config", config_file, "YAML file; flags override it");
    add("--listen", listen, "HOST:PORT of gRPC; port 0: any", defaults.listen);
    add("--admin", admin, "HOST:PORT of /metrics, or off", defaults.admin);
    app.add_flag("--insecure-listen", insecure_listen,
                 "let --listen leave loopback, unencrypted or open to all");
    app.add_option("--tls-cert", tls_cert, "certificate chain, PEM");
    app.add_option("--tls-key", tls_key, "its private key, PEM");
    app.add_option("--tls-client-ca", tls_client_ca,
                   "CAs whose certificates clients must show, PEM");
    app.add_option("--auth-file", auth_file,
                   "tokens and roles, lines of gist tokens new");
    app.add_flag("--open-health", open_health,
                 "grpc.health.v1 answers without a token");
    app.add_flag("--open-reflection", open_reflection,
                 "with --auth-file: reflection, without a token");
    app.add_flag("--channelz", channelz, "gRPC's channelz service");
    add("--data-dir", data_dir, "folder of the database", defaults.data_dir);
    add("--model", model, "GGUF file", defaults.model);
    add("--adapter", adapter,
        "folder of the gist adapter, in place of the promoted one",
        defaults.adapter);
    add("--reader", reader,
        "folder of the trained reader of READER_TRAINED, or off",
        defaults.reader);
    add("--embedder", embedder,
        "folder of the sentence encoder that finds passages, or off",
        defaults.embedder);
    add("--presets", presets, "folder of training recipes", defaults.presets);
    add("--device", device, "cpu or cuda:N", defaults.device);
    add("--weights", weights, kWeightStorageHelp, defaults.weights);
    add("--threads", threads, "of the CPU; 0: all cores", defaults.threads);
    add("--drain-seconds", drain_seconds,
        "after SIGTERM: not ready, and still serving", defaults.drain_seconds);
    add("--max-document-bytes", max_document_bytes, "limit of a document",
        defaults.limits.max_document_bytes);
    add("--max-document-tokens", max_document_tokens, "limit of a document",
        defaults.limits.max_document_tokens);
    add("--max-cached-kv-bytes", max_cached_kv_bytes,
        "keys and values of texts read lately that stay in memory",
        defaults.limits.max_cached_kv_bytes);
    add("--max-index-bytes", max_index_bytes,
        "indexes over all documents of a tenant that stay in memory",
        defaults.limits.max_index_bytes);
    add("--max-kv-bytes", max_kv_bytes,
        "keys and values of running requests, in memory; 0: no limit",
        defaults.limits.max_kv_bytes);
    add("--max-store-bytes", max_store_bytes,
        "of the store; contexts not used lately give way; 0: no bound",
        defaults.limits.max_store_bytes);
    add("--max-contexts", max_contexts, "likewise, counted; 0: no bound",
        defaults.limits.max_contexts);
    app.add_option("--backup-dir", backup_dir,
                   "folder that gist backup writes into; none: no backups");
    add("--max-backups", max_backups, "older ones are deleted",
        defaults.limits.max_backups);
    app.add_option("--restore", restore,
                   "verify the backup in this folder, make --data-dir of it "
                   "and leave");
    add("--max-queue", max_queue, "limit of requests at a time",
        defaults.limits.max_queue);
    add("--max-queued-tokens", max_queued_tokens,
        "limit of the tokens that these have still to read",
        defaults.limits.max_queued_tokens);
    add("--log-format", log_format, "text (logfmt) or json",
        defaults.log_format);
    app.add_flag("--check-config", check_config,
                 "print the configuration in effect as YAML and leave");
  }

  void ApplyTo(Config& config) const {
    const auto apply = [](const auto& flag, auto& field) {
      if (flag) field = *flag;
    };
    apply(listen, config.listen);
    apply(admin, config.admin);
    apply(data_dir, config.data_dir);
    apply(model, config.model);
    apply(adapter, config.adapter);
    if (adapter) config.promoted_adapter = false;
    apply(reader, config.reader);
    apply(embedder, config.embedder);
    apply(presets, config.presets);
    apply(device, config.device);
    apply(weights, config.weights);
    apply(log_format, config.log_format);
    apply(threads, config.threads);
    apply(drain_seconds, config.drain_seconds);
    apply(max_document_bytes, config.limits.max_document_bytes);
    apply(max_document_tokens, config.limits.max_document_tokens);
    apply(max_cached_kv_bytes, config.limits.max_cached_kv_bytes);
    apply(max_index_bytes, config.limits.max_index_bytes);
    apply(max_kv_bytes, config.limits.max_kv_bytes);
    apply(max_store_bytes, config.limits.max_store_bytes);
    apply(max_contexts, config.limits.max_contexts);
    apply(max_backups, config.limits.max_backups);
    apply(backup_dir, config.backup_dir);
    apply(restore, config.restore);
    apply(max_queue, config.limits.max_queue);
    apply(max_queued_tokens, config.limits.max_queued_tokens);
    apply(tls_cert, config.tls_cert);
    apply(tls_key, config.tls_key);
    apply(tls_client_ca, config.tls_client_ca);
    apply(auth_file, config.auth_file);
    if (insecure_listen) config.insecure_listen = true;
    if (open_health) config.open_health = true;
    if (open_reflection) config.open_reflection = true;
    if (channelz) config.channelz = true;
  }
};

}  // namespace

Config DefaultConfig(std::string_view home) {
  Config config;
  config.model = fmt::format(
      "{}/third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf", home);
  config.adapter = fmt::format("{}/adapters/default", home);
  config.reader = fmt::format("{}/adapters/answer", home);
  config.embedder = fmt::format("{}/third_party/models/all-MiniLM-L6-v2", home);
  config.presets = fmt::format("{}/adapters/presets", home);
  return config;
}

absl::Status CheckConfig(const Config& config) {
  const auto listen = ParseAddress(config.listen);
  if (!listen) {
    return absl::InvalidArgumentError(
        fmt::format("listen is \"{}\", want HOST:PORT, say 127.0.0.1:50051",
                    config.listen));
  }
  GIST_RETURN_IF_ERROR(CheckSecurity(config));
  GIST_RETURN_IF_ERROR(CheckExposure(config, listen->host));
  if (config.admin != "off" && !ParseAddress(config.admin)) {
    return absl::InvalidArgumentError(fmt::format(
        "admin is \"{}\", want HOST:PORT, say 127.0.0.1:9090, or off",
        config.admin));
  }
  if (!ParseWeightStorage(config.weights)) {
    return absl::InvalidArgumentError(
        fmt::format("weights is \"{}\", want float32, bfloat16 or quantized",
                    config.weights));
  }
  if (config.log_format != "text" && config.log_format != "json") {
    return absl::InvalidArgumentError(fmt::format(
        "log_format is \"{}\", want text or json", config.log_format));
  }
  const Config::Limits& limits = config.limits;
  GIST_RETURN_IF_ERROR(CheckAtLeast("threads", config.threads, 0));
  GIST_RETURN_IF_ERROR(CheckAtLeast("drain_seconds", config.drain_seconds, 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("shutdown_grace_seconds", config.shutdown_grace_seconds, 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_document_bytes", double(limits.max_document_bytes), 1));
  GIST_RETURN_IF_ERROR(CheckAtLeast("max_document_tokens",
                                    double(limits.max_document_tokens), 1));
  GIST_RETURN_IF_ERROR(CheckAtLeast("max_cached_kv_bytes",
                                    double(limits.max_cached_kv_bytes), 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_index_bytes", double(limits.max_index_bytes), 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_kv_bytes", double(limits.max_kv_bytes), 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_store_bytes", double(limits.max_store_bytes), 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_contexts", double(limits.max_contexts), 0));
  GIST_RETURN_IF_ERROR(CheckAtLeast("max_backups", limits.max_backups, 1));
  GIST_RETURN_IF_ERROR(CheckAtLeast("max_queue", limits.max_queue, 1));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_queued_tokens", double(limits.max_queued_tokens), 1));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_step_seconds", limits.max_step_seconds, 0));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_running_asks", limits.max_running_asks, 1));
  GIST_RETURN_IF_ERROR(CheckAtLeast("max_running_compressions",
                                    limits.max_running_compressions, 1));
  GIST_RETURN_IF_ERROR(
      CheckAtLeast("max_queued_trainings", limits.max_queued_trainings, 1));
  return CheckAtLeast("max_dataset_bytes", double(limits.max_dataset_bytes), 1);
}

absl::StatusOr<CommandLine> ParseCommandLine(int argc,
                                             const char* const* argv) {
  Config config = DefaultConfig(InstallationFolder());
  Flags flags;
  CLI::App app("gistd keeps documents as gist tokens and answers from them.",
               "gistd");
  app.set_version_flag("--version", "gistd " GIST_VERSION);
  app.footer(kExample);
  flags.AddTo(app, config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::CallForVersion& version) {
    return std::string(version.what()) + "\n";
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(
        fmt::format("{}; see gistd --help", error.what()));
  }
  if (!flags.config_file.empty()) {
    GIST_ASSIGN_OR_RETURN(const std::string yaml, ReadFile(flags.config_file));
    GIST_RETURN_IF_ERROR(ApplyYaml(yaml, flags.config_file, config));
  }
  flags.ApplyTo(config);
  GIST_RETURN_IF_ERROR(CheckConfig(config));
  if (flags.check_config) return ToYaml(config);
  return config;
}

}  // namespace gist
