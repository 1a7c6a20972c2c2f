// gistd's settings, in one table. Flags, YAML keys, environment variables,
// bounds, --help, --check-config and docs/settings.md are made from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace gist {

// settings.cc says what each member means.
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
  std::string adapter = "auto";         // or "off": none
  bool promoted_adapter = true;         // the flag --adapter sets it false
  std::string answer_adapter = "auto";  // likewise
  std::string embedder;                 // "off": none
  std::string presets;
  std::string device = "cpu";
  std::string chat_template;     // empty: the model file's own
  std::string weights = "auto";  // core/base/weight_storage.h
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

// The defaults; model, embedder and presets are below `home`, the folder of the
// installation.
Config DefaultConfig(std::string_view home);
// Where the encoder of that name is, "e5" or "minilm"; of another text that
// text.
std::string EmbedderFolder(std::string_view embedder, std::string_view home);

// The member that keeps the value. Those of Limits are keys of the map
// "limits" in YAML.
using SettingField =
    std::variant<std::string Config::*, bool Config::*, int Config::*,
                 double Config::*, int Config::Limits::*,
                 int64_t Config::Limits::*, double Config::Limits::*>;

// The values that a setting takes.
struct SettingKind {
  const char* value;   // their placeholder in help: "HOST:PORT"
  const char* wanted;  // in words, for errors
  double least = 0;    // of numbers
  double most = 0;     // likewise; 0: the largest of the field's type
  bool (*accepts)(std::string_view text) = nullptr;  // of texts; null: any
};

struct Setting {
  const char* name;  // "max_queue": also --max-queue and GISTD_MAX_QUEUE
  SettingField field;
  SettingKind kind;
  const char* help;
  const char* old_name = "";  // read likewise until 0.1.0, and not shown
  bool flag_only = false;     // neither in YAML nor in the environment
};

struct SettingGroup {
  const char* title;
  std::span<const Setting> settings;
};
std::span<const SettingGroup> SettingGroups();
std::vector<const Setting*> AllSettings();

bool IsLimit(const Setting& setting);
std::string FlagOf(std::string_view name);      // "--max-queue"
std::string VariableOf(std::string_view name);  // "GISTD_MAX_QUEUE"

// By its name or old name; null: there is none.
const Setting* FindSetting(std::string_view name);
// "; did you mean X?" with the nearest name as `shown` writes it, or a pointer
// to the list of all.
std::string SettingHint(std::string_view name,
                        std::string (*shown)(std::string_view));

// As it is written in YAML and on the command line.
std::string ValueOf(const Setting& setting, const Config& config);
// Numbers are decimal, booleans true, false, 1 or 0 (also yes, no, on, off).
// kInvalidArgument: a value that the setting does not take; `source` begins
// the message ("gistd.yml:3: max_queue").
absl::Status SetValue(const Setting& setting, std::string_view text,
                      std::string_view source, Config& config);

// The tables of docs/settings.md.
std::string SettingsMarkdown();

}  // namespace gist
