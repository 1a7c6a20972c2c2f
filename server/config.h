// What gistd was told: defaults, then the YAML file, then flags.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

// In a file, the keys are the fields' names; `limits` is a map.
struct Config {
  std::string listen = "127.0.0.1:50051";  // HOST:PORT; port 0: any free one
  std::string admin = "127.0.0.1:9090";    // HTTP for /metrics; "off": none
  // Allow `listen` beyond loopback without TLS, or where strangers may call.
  bool insecure_listen = false;
  // PEM files; empty: no TLS, no certificates of clients.
  std::string tls_cert, tls_key, tls_client_ca;
  std::string auth_file;     // tokens and their roles; empty: nobody is asked
  bool open_health = false;  // grpc.health.v1 needs no token
  bool open_reflection = false;  // with auth_file: reflection, without a token
  bool channelz = false;         // gRPC's own view of its connections
  std::string data_dir = "./gistd-data";
  std::string model;             // a GGUF file
  std::string adapter;           // a PEFT-style folder
  bool promoted_adapter = true;  // in place of `adapter`, if one was promoted;
                                 // the flag --adapter sets it false
  std::string reader;            // a trained reader's folder; "off": none
  std::string embedder;          // a sentence encoder's folder; "off": none
  std::string presets;           // a folder of training recipes, NAME.yaml
  std::string device = "cpu";    // "cpu", "cuda:0"
  // "float32", "bfloat16" or "quantized": core/base/weight_storage.h.
  std::string weights = "float32";
  int threads = 0;                  // of the CPU engine; 0: one for each core
  std::string log_format = "text";  // of the lines on stderr: "text", "json"
  std::string backup_dir;  // where CreateBackup writes; empty: it refuses
  std::string restore;     // a backup's folder, by the flag --restore alone:
                           // make data_dir of it and leave
  // After SIGTERM: not ready, and still serving, so that balancers look away.
  double drain_seconds = 5;
  double shutdown_grace_seconds = 10;  // then, for requests that still run
  struct Limits {
    int64_t max_document_bytes = int64_t{64} << 20;
    int64_t max_document_tokens = 262144;
    // Keys and values of texts read lately, kept in memory: asking again, or
    // compressing to another number of gists, then skips reading. 0: none.
    int64_t max_cached_kv_bytes = int64_t{512} << 20;
    // Of indexes over all documents of a tenant, in memory.
    int64_t max_index_bytes = int64_t{256} << 20;
    // Of the store, as RetentionManager counts and evicts. 0: no bound.
    int64_t max_store_bytes = 0;
    int64_t max_contexts = 0;
    int max_backups = 3;  // older ones are deleted when one is made
    // SchedulerOptions says more about these.
    int64_t max_kv_bytes = int64_t{4} << 30;  // of requests that run; 0: any
    int max_queue = 64;  // requests waiting for the engine or using it
    int64_t max_queued_tokens = 1 << 20;  // that these have still to read
    double max_step_seconds = 0.1;
    int max_running_asks = 8;
    int max_running_compressions = 2;
    int max_queued_trainings = 8;
    int64_t max_dataset_bytes = int64_t{64} << 20;  // of an upload
  } limits;
};

// The defaults, `model`, `adapter` and `presets` below `home`, the folder of
// the installation.
Config DefaultConfig(std::string_view home);

// Reads `yaml` over `config`. kInvalidArgument: not YAML, an unknown key (the
// message lists the known ones) or a key twice, a wrong type, all with `name`
// and the line.
absl::Status ApplyYaml(std::string_view yaml, std::string_view name,
                       Config& config);
// ApplyYaml reads it back to the same config.
std::string ToYaml(const Config& config);

// kInvalidArgument: a value out of range, or a `listen` that would let others
// in unencrypted.
absl::Status CheckConfig(const Config& config);

// What the command line asks for: a server, or a text to print before leaving
// (--help, --version, --check-config).
using CommandLine = std::variant<Config, std::string>;

// kInvalidArgument: what CheckConfig, ApplyYaml or the flags' parser found.
// kNotFound: no such file.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv);

}  // namespace gist
