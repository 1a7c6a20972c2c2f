#include "server/config.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "core/base/host_port.h"
#include "core/base/installation.h"
#include "core/base/status.h"
#include "core/base/yaml_scalar.h"
#include "server/settings.h"
#include "server/support/file_io.h"
#include "yaml-cpp/yaml.h"

namespace gist {
namespace {

constexpr char kExample[] =
    "Each flag is also an environment variable (GISTD_MAX_QUEUE) and a key of\n"
    "the YAML file: docs/settings.md\n\n"
    "Example:\n"
    "  gistd --data-dir /var/lib/gistd --listen 127.0.0.1:50051\n"
    "  gist compress report.txt    # in another terminal";
constexpr std::string_view kPrefix = "GISTD_";

// Combinations that do not work, or that let other machines in unencrypted or
// without authentication.
absl::Status CheckSecurity(const Config& config) {
  const auto listen = ParseHostPort(config.listen);
  const bool is_exposed =
      !config.insecure_listen && !IsLoopbackHost(listen->host);
  const bool has_tls = !config.tls_cert.empty();
  const bool knows_callers =
      !config.auth_file.empty() || !config.tls_client_ca.empty();
  const std::pair<bool, std::string> faults[] = {
      {has_tls == config.tls_key.empty(),
       "tls_cert and tls_key: one is missing; give both or none"},
      {!config.tls_client_ca.empty() && !has_tls,
       "tls_client_ca needs TLS; give tls_cert and tls_key too"},
      {config.channelz && !config.auth_file.empty(),
       "channelz shows connections without a token; remove it, or auth_file"},
      {is_exposed && !has_tls,
       fmt::format("listen is {:?}: other machines could reach it unencrypted; "
                   "give --tls-cert and --tls-key, listen on 127.0.0.1, or "
                   "accept it with --insecure-listen",
                   config.listen)},
      {is_exposed && !knows_callers,
       fmt::format("listen is {:?} with TLS, but every caller may do "
                   "everything; give --auth-file or --tls-client-ca, or accept "
                   "it with --insecure-listen",
                   config.listen)}};
  for (const auto& [is_wrong, error] : faults) {
    if (is_wrong) return absl::InvalidArgumentError(error);
  }
  return absl::OkStatus();
}

std::string InYaml(std::string_view name) {
  const Setting* const setting = FindSetting(name);
  const bool is_limit = setting != nullptr && IsLimit(*setting);
  return fmt::format("\"{}\"{}", name, is_limit ? " below \"limits\"" : "");
}

// A map of the file: all of it, or its map "limits".
absl::Status ReadMap(const YAML::Node& map, bool is_limits,
                     std::string_view file, Config& config) {
  const auto error = [file](const YAML::Node& node, std::string_view problem) {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: {}", file, node.Mark().line + 1, problem));
  };
  if (!map.IsMap()) return error(map, "want a map of keys and values");
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const YAML::Node &key = entry.first, &value = entry.second;
    const std::string name = key.Scalar();
    if (!seen.insert(name).second) {
      return error(key, fmt::format("the key \"{}\" comes twice", name));
    }
    if (name == "limits" && !is_limits) {
      GIST_RETURN_IF_ERROR(ReadMap(value, true, file, config));
      continue;
    }
    const Setting* const setting = FindSetting(name);
    if (setting == nullptr || setting->flag_only ||
        IsLimit(*setting) != is_limits) {
      return error(key, fmt::format("unknown key {:?}{}", name,
                                    SettingHint(name, InYaml)));
    }
    if (!value.IsScalar()) {
      return error(value, fmt::format("{} is not a single value, want {}", name,
                                      setting->kind.wanted));
    }
    GIST_RETURN_IF_ERROR(SetValue(
        *setting, value.Scalar(),
        fmt::format("{}:{}: {}", file, value.Mark().line + 1, name), config));
  }
  return absl::OkStatus();
}

void WriteMap(const Config& config, bool is_limits, YAML::Emitter& out) {
  for (const Setting* const setting : AllSettings()) {
    if (setting->flag_only || IsLimit(*setting) != is_limits) continue;
    out << YAML::Key << setting->name << YAML::Value;
    WriteScalar(out, ValueOf(*setting, config));
  }
}

// Kubernetes and Docker set these for a service called gistd.
bool IsServiceLink(std::string_view name, std::string_view value) {
  return name.find("_SERVICE_") != name.npos ||
         name.find("_PORT_") != name.npos ||
         (name.ends_with("_PORT") && value.find("://") != value.npos);
}

void AddFlags(const Config& defaults, CLI::App& app) {
  for (const SettingGroup& group : SettingGroups()) {
    for (const Setting& setting : group.settings) {
      const std::string value = ValueOf(setting, defaults);
      const std::string help =
          value.empty() ? std::string(setting.help)
                        : fmt::format("{} [{}]", setting.help, value);
      for (const std::string name : {setting.name, setting.old_name}) {
        if (name.empty()) continue;
        CLI::Option* const flag =
            std::holds_alternative<bool Config::*>(setting.field)
                ? app.add_flag(FlagOf(name), help)
                : app.add_option(FlagOf(name), help)
                      ->type_name(setting.kind.value);
        flag->group(name == setting.name ? group.title : "");  // "": hidden
      }
    }
  }
}

absl::Status ApplyFlags(const CLI::App& app, Config& config) {
  if (app.count("--adapter") > 0) config.promoted_adapter = false;
  for (const Setting* const setting : AllSettings()) {
    for (const std::string name : {setting->name, setting->old_name}) {
      if (name.empty() || app.count(FlagOf(name)) == 0) continue;
      GIST_RETURN_IF_ERROR(
          SetValue(*setting, app.get_option(FlagOf(name))->as<std::string>(),
                   FlagOf(name), config));
    }
  }
  return absl::OkStatus();
}

// "--lissten=x" to "lissten".
absl::Status UnknownFlag(const std::string& flag) {
  std::string name =
      flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
  name = name.substr(0, name.find('='));
  std::ranges::replace(name, '-', '_');
  return absl::InvalidArgumentError(
      fmt::format("unknown argument {:?}{}", flag, SettingHint(name, FlagOf)));
}

// GISTD_CONFIG; empty: not set.
std::string ConfigFileIn(const char* const* environment) {
  const std::string variable = VariableOf("config") + "=";
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    if (entry.starts_with(variable)) {
      return std::string(entry.substr(variable.size()));
    }
  }
  return "";
}

absl::Status ApplyFile(const std::string& path, Config& config) {
  if (path.empty()) return absl::OkStatus();
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::NotFoundError(
        fmt::format("--config {} is a folder, want a YAML file", path));
  }
  const auto yaml = ReadStateFile(path);
  if (!yaml.ok()) return Within("--config", yaml.status());
  return ApplyYaml(*yaml, path, config);
}

}  // namespace

absl::Status ApplyYaml(std::string_view yaml, std::string_view file,
                       Config& config) {
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (root.IsNull()) return absl::OkStatus();  // an empty file
    return ReadMap(root, false, file, config);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(fmt::format(
        "{}:{}: not YAML: {}", file, error.mark.line + 1, error.msg));
  }
}

std::string ToYaml(const Config& config) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  WriteMap(config, false, out);
  out << YAML::Key << "limits" << YAML::Value << YAML::BeginMap;
  WriteMap(config, true, out);
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

absl::Status ApplyEnvironment(const char* const* environment, Config& config) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    if (!entry.starts_with(kPrefix) || entry.find('=') == entry.npos) continue;
    const std::string_view variable = entry.substr(0, entry.find('='));
    const std::string_view value = entry.substr(variable.size() + 1);
    const std::string name =
        absl::AsciiStrToLower(std::string(variable.substr(kPrefix.size())));
    if (name == "config" || IsServiceLink(variable, value)) continue;
    const Setting* const setting = FindSetting(name);
    if (setting == nullptr || setting->flag_only) {
      return absl::InvalidArgumentError(
          fmt::format("unknown environment variable {}{}", variable,
                      SettingHint(name, VariableOf)));
    }
    GIST_RETURN_IF_ERROR(SetValue(*setting, value, variable, config));
  }
  return absl::OkStatus();
}

absl::Status CheckConfig(const Config& config) {
  Config copy = config;
  for (const Setting* const setting : AllSettings()) {
    GIST_RETURN_IF_ERROR(
        SetValue(*setting, ValueOf(*setting, config), setting->name, copy));
  }
  return CheckSecurity(config);
}

absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                             const char* const* environment) {
  Config config = DefaultConfig(InstallationFolder());
  std::string file = ConfigFileIn(environment);
  bool check_config = false, settings_markdown = false;
  CLI::App app("gistd keeps documents as gist tokens and answers from them.",
               "gistd");
  app.set_version_flag("--version", "gistd " GIST_VERSION);
  app.footer(kExample);
  app.allow_extras();  // UnknownFlag reports them
  AddFlags(config, app);
  app.add_option("--config", file, "YAML file of settings; also GISTD_CONFIG")
      ->type_name("FILE");
  app.add_flag("--check-config", check_config,
               "prints the settings in effect as YAML and ends");
  app.add_flag("--settings-markdown", settings_markdown)->group("");
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
  const auto unknown = app.remaining();
  if (!unknown.empty()) return UnknownFlag(unknown[0]);
  if (settings_markdown) return SettingsMarkdown();
  GIST_RETURN_IF_ERROR(ApplyFile(file, config));
  GIST_RETURN_IF_ERROR(ApplyEnvironment(environment, config));
  GIST_RETURN_IF_ERROR(ApplyFlags(app, config));
  config.embedder = EmbedderFolder(config.embedder, InstallationFolder());
  GIST_RETURN_IF_ERROR(CheckConfig(config));
  if (check_config) return ToYaml(config);
  return config;
}

}  // namespace gist
