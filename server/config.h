// gistd's configuration: defaults, then a YAML file, then the environment, then
// flags. server/settings.h has the table of all settings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

// server/settings.cc says what each member means.
struct Config {
  std::string listen = "127.0.0.1:50051";
  std::string admin = "127.0.0.1:9090";
  bool insecure_listen = false;
  std::string tls_cert, tls_key, tls_client_ca;  // empty: none
  std::string auth_file;                         // empty: no authentication
  bool open_health = false;
  bool open_reflection = false;
  bool channelz = false;
  std::string data_dir = "./gistd-data";
  std::string model;
  std::string adapter;
  bool promoted_adapter = true;  // the flag --adapter sets it false
  std::string answer_adapter;    // "off": none
  std::string embedder;          // "off": none
  std::string presets;
  std::string device = "cpu";
  std::string weights = "float32";  // core/base/weight_storage.h
  int threads = 0;
  std::string log_format = "text";
  std::string backup_dir;
  std::string restore;
  double drain_seconds = 5;
  double shutdown_grace_seconds = 10;
  struct Limits {
    int64_t max_document_bytes = int64_t{64} << 20;
    int64_t max_document_tokens = 262144;
    int64_t max_cached_kv_bytes = int64_t{512} << 20;
    int64_t max_index_bytes = int64_t{256} << 20;
    int64_t max_store_bytes = 0;
    int64_t max_contexts = 0;
    int max_backups = 3;
    // SchedulerOptions says more about these.
    int64_t max_kv_bytes = int64_t{4} << 30;
    int max_queue = 64;
    int64_t max_queued_tokens = 1 << 20;
    double max_step_seconds = 0.1;
    int max_running_asks = 8;
    int max_running_compressions = 2;
    int max_queued_trainings = 8;
    int64_t max_dataset_bytes = int64_t{64} << 20;
  } limits;
};

// The defaults; model, adapters, embedder and presets are below `home`, the
// folder of the installation.
Config DefaultConfig(std::string_view home);

// Reads `yaml` over `config`. kInvalidArgument, with `file` and the line: not
// YAML, an unknown key, a key twice, or a value that its setting does not take.
absl::Status ApplyYaml(std::string_view yaml, std::string_view file,
                       Config& config);
// ApplyYaml reads it back to the same config.
std::string ToYaml(const Config& config);

// Reads the variables GISTD_* of `environment`, entries "NAME=VALUE" up to a
// null pointer. kInvalidArgument: an unknown one, or a bad value.
absl::Status ApplyEnvironment(const char* const* environment, Config& config);

// kInvalidArgument: a value out of bounds, or a combination that does not work
// or would expose the server by accident.
absl::Status CheckConfig(const Config& config);

// A server's configuration, or a text to print before leaving (--help,
// --version, --check-config).
using CommandLine = std::variant<Config, std::string>;

// All sources. kInvalidArgument: an error of CheckConfig, ApplyYaml,
// ApplyEnvironment or of the flags. kNotFound: no such YAML file.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                             const char* const* environment);

}  // namespace gist
