#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/base/yaml_scalar.h"
#include "server/config.h"
#include "yaml-cpp/yaml.h"

namespace gist {
namespace {

// One key of a map and the field that it sets.
struct Key {
  std::string name;
  const char* wanted;                           // in words, for errors
  std::function<bool(const YAML::Node&)> read;  // false: of another type
  std::function<void(YAML::Emitter&)> write;
};

template <typename T>
Key MakeKey(const char* name, const char* wanted, T& field) {
  return {name, wanted,
          [&field](const YAML::Node& node) {
            return node.IsScalar() && YAML::convert<T>::decode(node, field);
          },
          [&field](YAML::Emitter& out) { WriteScalar(out, field); }};
}

std::vector<Key> LimitKeys(Config::Limits& limits) {
  return {
      MakeKey("max_document_bytes", "an integer", limits.max_document_bytes),
      MakeKey("max_document_tokens", "an integer", limits.max_document_tokens),
      MakeKey("max_cached_kv_bytes", "an integer", limits.max_cached_kv_bytes),
      MakeKey("max_index_bytes", "an integer", limits.max_index_bytes),
      MakeKey("max_kv_bytes", "an integer", limits.max_kv_bytes),
      MakeKey("max_store_bytes", "an integer", limits.max_store_bytes),
      MakeKey("max_contexts", "an integer", limits.max_contexts),
      MakeKey("max_backups", "an integer", limits.max_backups),
      MakeKey("max_queue", "an integer", limits.max_queue),
      MakeKey("max_queued_tokens", "an integer", limits.max_queued_tokens),
      MakeKey("max_step_seconds", "a number", limits.max_step_seconds),
      MakeKey("max_running_asks", "an integer", limits.max_running_asks),
      MakeKey("max_running_compressions", "an integer",
              limits.max_running_compressions),
      MakeKey("max_queued_trainings", "an integer",
              limits.max_queued_trainings),
      MakeKey("max_dataset_bytes", "an integer", limits.max_dataset_bytes)};
}

// The one list of keys, for both directions.
std::vector<Key> Keys(Config& config) {
  return {MakeKey("listen", "a string", config.listen),
          MakeKey("admin", "a string", config.admin),
          MakeKey("insecure_listen", "true or false", config.insecure_listen),
          MakeKey("tls_cert", "a string", config.tls_cert),
          MakeKey("tls_key", "a string", config.tls_key),
          MakeKey("tls_client_ca", "a string", config.tls_client_ca),
          MakeKey("auth_file", "a string", config.auth_file),
          MakeKey("open_health", "true or false", config.open_health),
          MakeKey("open_reflection", "true or false", config.open_reflection),
          MakeKey("channelz", "true or false", config.channelz),
          MakeKey("data_dir", "a string", config.data_dir),
          MakeKey("backup_dir", "a string", config.backup_dir),
          MakeKey("model", "a string", config.model),
          MakeKey("adapter", "a string", config.adapter),
          MakeKey("reader", "a string", config.reader),
          MakeKey("embedder", "a string", config.embedder),
          MakeKey("promoted_adapter", "true or false", config.promoted_adapter),
          MakeKey("presets", "a string", config.presets),
          MakeKey("device", "a string", config.device),
          MakeKey("weights", "a string", config.weights),
          MakeKey("threads", "an integer", config.threads),
          MakeKey("log_format", "a string", config.log_format),
          MakeKey("drain_seconds", "a number", config.drain_seconds),
          MakeKey("shutdown_grace_seconds", "a number",
                  config.shutdown_grace_seconds)};
}

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  absl::Status ReadMap(const YAML::Node& map, std::vector<Key> keys,
                       Config::Limits* limits) {
    if (!map.IsMap()) return Error(map, "want a map of keys");
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string name = entry.first.Scalar();
      if (!seen.insert(name).second) {
        return Error(entry.first,
                     fmt::format("the key \"{}\" comes twice", name));
      }
      if (limits != nullptr && name == "limits") {
        GIST_RETURN_IF_ERROR(
            ReadMap(entry.second, LimitKeys(*limits), nullptr));
        continue;
      }
      GIST_RETURN_IF_ERROR(
          ReadKey(entry.first, entry.second, keys, limits != nullptr));
    }
    return absl::OkStatus();
  }

  absl::Status Error(const YAML::Node& node, std::string_view problem) const {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: {}", file_, node.Mark().line + 1, problem));
  }

 private:
  absl::Status ReadKey(const YAML::Node& name, const YAML::Node& value,
                       const std::vector<Key>& keys, bool has_limits) const {
    std::string known = has_limits ? "limits" : "";
    for (const Key& key : keys) {
      if (key.name != name.Scalar()) {
        known += (known.empty() ? "" : ", ") + key.name;
        continue;
      }
      if (key.read(value)) return absl::OkStatus();
      return Error(value, fmt::format("{} is not {}", key.name, key.wanted));
    }
    return Error(name, fmt::format("unknown key \"{}\"; known are {}",
                                   name.Scalar(), known));
  }

  std::string file_;
};

}  // namespace

absl::Status ApplyYaml(std::string_view yaml, std::string_view name,
                       Config& config) {
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (root.IsNull()) return absl::OkStatus();  // an empty file
    return Reader(name).ReadMap(root, Keys(config), &config.limits);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(fmt::format(
        "{}:{}: not YAML: {}", name, error.mark.line + 1, error.msg));
  }
}

std::string ToYaml(const Config& config) {
  Config copy = config;
  YAML::Emitter out;
  const auto write = [&out](const std::vector<Key>& keys) {
    for (const Key& key : keys) {
      out << YAML::Key << key.name << YAML::Value;
      key.write(out);
    }
  };
  out << YAML::BeginMap;
  write(Keys(copy));
  out << YAML::Key << "limits" << YAML::Value << YAML::BeginMap;
  write(LimitKeys(copy.limits));
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace gist
