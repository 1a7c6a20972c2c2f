#include "core/embed/encoder_config.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

std::string Shown(const Json& value) {
  return Quoted(value.dump(-1, ' ', true, Json::error_handler_t::replace));
}

// The fields of one file.
class Fields {
 public:
  Fields(std::string path, Json json)
      : path_(std::move(path)), json_(std::move(json)) {}

  const std::string& path() const { return path_; }
  Json Value(const char* name) const { return json_.value(name, Json()); }
  bool Has(const char* name) const { return !Value(name).is_null(); }

  absl::Status ReadSize(const char* name, int* size) const {
    constexpr uint64_t kMost = 10'000'000;
    const Json value = json_.value(name, Json());
    if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 ||
        value.get<uint64_t>() > kMost) {
      return absl::DataLossError(fmt::format("{}: {} is {}, want 1 to {}",
                                             path_, name, Shown(value), kMost));
    }
    *size = value.get<int>();
    return absl::OkStatus();
  }

  absl::Status ReadEpsilon(const char* name, double* epsilon) const {
    const Json value = json_.value(name, Json());
    if (!value.is_number() || !(value.get<double>() > 0) ||
        value.get<double>() > 1) {
      return absl::DataLossError(
          fmt::format("{}: {} is {}, want a number over 0, up to 1", path_,
                      name, Shown(value)));
    }
    *epsilon = value.get<double>();
    return absl::OkStatus();
  }

  bool Is(const char* name, const Json& value) const {
    return json_.value(name, Json()) == value;
  }

  // A field that is missing has the default of the library that wrote it.
  absl::Status Want(const char* name, const Json& wanted,
                    const Json& if_missing) const {
    const Json value = json_.value(name, if_missing);
    if (value == wanted) return absl::OkStatus();
    return absl::UnimplementedError(fmt::format("{}: {} is {}, supported is {}",
                                                path_, name, Shown(value),
                                                wanted.dump()));
  }

 private:
  std::string path_;
  Json json_;
};

// Empty fields where the file is not there.
absl::StatusOr<Fields> ReadFields(const std::string& path, bool is_optional) {
  auto json = ReadJsonFile(path);
  if (json.ok()) return Fields(path, *std::move(json));
  if (is_optional && absl::IsNotFound(json.status())) {
    return Fields(path, Json::object());
  }
  return json.status();
}

absl::Status ReadModel(const Fields& fields, EncoderConfig* config) {
  if (fields.Is("model_type", "xlm-roberta")) {
    // It counts positions from behind the padding's id (RoBERTa, fairseq).
    config->first_position = 2;
    GIST_RETURN_IF_ERROR(fields.Want("pad_token_id", 1, 1));
  } else {
    GIST_RETURN_IF_ERROR(fields.Want("model_type", "bert", nullptr));
  }
  GIST_RETURN_IF_ERROR(fields.Want("hidden_act", "gelu", "gelu"));
  GIST_RETURN_IF_ERROR(
      fields.Want("position_embedding_type", "absolute", "absolute"));
  GIST_RETURN_IF_ERROR(fields.Want("is_decoder", false, false));
  GIST_RETURN_IF_ERROR(fields.ReadSize("num_hidden_layers", &config->layers));
  GIST_RETURN_IF_ERROR(fields.ReadSize("hidden_size", &config->hidden_size));
  GIST_RETURN_IF_ERROR(fields.ReadSize("num_attention_heads", &config->heads));
  GIST_RETURN_IF_ERROR(
      fields.ReadSize("intermediate_size", &config->intermediate_size));
  GIST_RETURN_IF_ERROR(fields.ReadSize("vocab_size", &config->vocab_size));
  GIST_RETURN_IF_ERROR(
      fields.ReadSize("max_position_embeddings", &config->positions));
  GIST_RETURN_IF_ERROR(
      fields.ReadSize("type_vocab_size", &config->token_types));
  return fields.ReadEpsilon("layer_norm_eps", &config->layer_norm_epsilon);
}

absl::Status ReadPooling(const Fields& pooling, EncoderConfig* config) {
  config->pools_first = pooling.Is("pooling_mode_cls_token", true);
  // sentence-transformers pools by the mean where nothing is said.
  GIST_RETURN_IF_ERROR(pooling.Want(
      "pooling_mode_mean_tokens", !config->pools_first, !config->pools_first));
  for (const char* other :
       {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"}) {
    GIST_RETURN_IF_ERROR(pooling.Want(other, false, false));
  }
  return absl::OkStatus();
}

// The first of `names` that has a prompt, else the default one.
absl::Status ReadPrompt(const Fields& fields,
                        std::initializer_list<const char*> names,
                        std::string* prompt) {
  const Json prompts = fields.Value("prompts");
  if (prompts.is_null()) return absl::OkStatus();
  Json found;
  for (const char* name : names) {
    if (found.is_null()) found = FieldOf(prompts, name);
  }
  const Json fallback = fields.Value("default_prompt_name");
  if (found.is_null() && fallback.is_string()) {
    found = FieldOf(prompts, fallback.get<std::string>().c_str());
  }
  if (found.is_null() && prompts.is_object()) return absl::OkStatus();
  if (!found.is_string()) {
    return absl::DataLossError(
        fmt::format("{}: prompts is {}, want a text for each name",
                    fields.path(), Shown(prompts)));
  }
  *prompt = found.get<std::string>();
  return absl::OkStatus();
}

// What sentence-transformers runs, one after the other.
absl::Status CheckModules(const std::string& path) {
  const auto modules = ReadJsonFile(path, Json::value_t::array);
  if (absl::IsNotFound(modules.status())) return absl::OkStatus();
  GIST_RETURN_IF_ERROR(modules.status());
  for (const Json& module : *modules) {
    const Json& type = FieldOf(module, "type");
    const std::string name = type.is_string() ? type : "";
    const std::string kind = name.substr(name.rfind('.') + 1);
    if (kind != "Transformer" && kind != "Pooling" && kind != "Normalize") {
      return absl::UnimplementedError(
          fmt::format("{}: a module is {}, supported are Transformer, Pooling "
                      "and Normalize",
                      path, Quoted(name)));
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const std::string& folder, const EncoderConfig& config) {
  if (config.hidden_size % config.heads != 0) {
    return absl::DataLossError(
        fmt::format("{}: hidden_size {} is no multiple of {} heads", folder,
                    config.hidden_size, config.heads));
  }
  const int most = config.positions - config.first_position;
  if (config.max_sequence_tokens < 3 || config.max_sequence_tokens > most) {
    return absl::DataLossError(
        fmt::format("{}: max_seq_length is {}, want 3 to {}, as many as there "
                    "are positions",
                    folder, config.max_sequence_tokens, most));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EncoderConfig> ReadEncoderConfig(const std::string& folder) {
  EncoderConfig config;
  GIST_ASSIGN_OR_RETURN(const Fields model,
                        ReadFields(folder + "/config.json", false));
  GIST_RETURN_IF_ERROR(ReadModel(model, &config));
  GIST_ASSIGN_OR_RETURN(const Fields pooling,
                        ReadFields(folder + "/1_Pooling/config.json", true));
  GIST_RETURN_IF_ERROR(ReadPooling(pooling, &config));
  GIST_RETURN_IF_ERROR(CheckModules(folder + "/modules.json"));
  config.max_sequence_tokens = config.positions - config.first_position;
  GIST_ASSIGN_OR_RETURN(
      const Fields prompts,
      ReadFields(folder + "/config_sentence_transformers.json", true));
  GIST_RETURN_IF_ERROR(ReadPrompt(prompts, {"query"}, &config.query_prompt));
  GIST_RETURN_IF_ERROR(ReadPrompt(prompts, {"document", "passage", "corpus"},
                                  &config.passage_prompt));
  if (!config.query_prompt.empty() || !config.passage_prompt.empty()) {
    GIST_RETURN_IF_ERROR(pooling.Want("include_prompt", true, true));
  }
  const std::string sentence_path = folder + "/sentence_bert_config.json";
  GIST_ASSIGN_OR_RETURN(const Fields sentence, ReadFields(sentence_path, true));
  if (sentence.Has("max_seq_length")) {
    GIST_RETURN_IF_ERROR(
        sentence.ReadSize("max_seq_length", &config.max_sequence_tokens));
  }
  GIST_RETURN_IF_ERROR(Check(folder, config));
  return config;
}

}  // namespace gist
