#include "core/hf/tokenizer_files.h"

#include <algorithm>
#include <optional>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/hf/config_reader.h"

namespace gist {
namespace {

using Json = nlohmann::json;
using Values = std::map<std::string, GgufValue>;

constexpr char kKind[] = "byte-level BPE";
constexpr int64_t kMostTokens = 1 << 22;
// GGUF's token types.
constexpr int64_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

absl::StatusOr<Json> ParseOptional(const HfText& file) {
  if (file.text.empty()) return Json::object();
  return ParseJson(file.text, file.path);
}

// "smollm" splits digits before the words of GPT-2.
absl::StatusOr<std::string> PreTokenizerOf(const Json& file) {
  GIST_RETURN_IF_ERROR(
      WantSetting(FieldOf(file, "normalizer"), nullptr, "normalizer", kKind));
  const Json& outer = FieldOf(file, "pre_tokenizer");
  Json steps = FieldOf(outer, "pretokenizers");
  if (!steps.is_array()) steps = Json::array({outer});
  std::string name = "gpt2";
  if (steps.size() == 2 && FieldOf(steps[0], "type") == "Digits") {
    GIST_RETURN_IF_ERROR(WantSetting(FieldOf(steps[0], "individual_digits"),
                                     true, "Digits.individual_digits", kKind));
    name = "smollm";
    steps.erase(0);
  }
  if (steps.size() != 1)
    return WantSetting(outer, "ByteLevel", "pre_tokenizer", kKind);
  for (const auto& [field, wanted] :
       {std::pair<const char*, Json>("type", "ByteLevel"),
        {"add_prefix_space", false},
        {"use_regex", true}}) {
    GIST_RETURN_IF_ERROR(
        WantSetting(FieldOf(steps[0], field), wanted, field, kKind));
  }
  return name;
}

class TokenList {
 public:
  absl::Status Add(const std::string& token, const Json& id, int64_t type) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMostTokens) {
      return absl::DataLossError(
          fmt::format("token {} has the id {}", Quoted(token), ShownJson(id)));
    }
    const auto at = id.get<size_t>();
    if (at >= tokens_.size()) {
      tokens_.resize(at + 1);
      types_.resize(at + 1, kUnused);
    }
    tokens_[at] = token;
    types_[at] = type;
    return absl::OkStatus();
  }
  // No value: there is no such token.
  std::optional<int64_t> IdOf(std::string_view token) const {
    const auto at = std::ranges::find(tokens_, token);
    if (at == tokens_.end()) return std::nullopt;
    return at - tokens_.begin();
  }
  void MoveTo(Values& values) {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (types_[i] == kUnused) tokens_[i] = fmt::format("[PAD{}]", i);
    }
    values["tokenizer.ggml.tokens"] = std::move(tokens_);
    values["tokenizer.ggml.token_type"] = std::move(types_);
  }

 private:
  std::vector<std::string> tokens_;
  std::vector<int64_t> types_;
};

absl::Status AddTokens(const Json& file, TokenList* tokens) {
  const Json& vocab = FieldOf(FieldOf(file, "model"), "vocab");
  if (!vocab.is_object())
    return absl::DataLossError("model.vocab: want an object of tokens");
  for (const auto& [token, id] : vocab.items())
    GIST_RETURN_IF_ERROR(tokens->Add(token, id, kNormal));
  for (const Json& added : FieldOf(file, "added_tokens")) {
    const Json& content = FieldOf(added, "content");
    if (!content.is_string())
      return absl::DataLossError("added_tokens: want a content of each");
    GIST_RETURN_IF_ERROR(tokens->Add(
        content, FieldOf(added, "id"),
        FieldOf(added, "special") == true ? kControl : kUserDefined));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> MergesOf(const Json& model) {
  std::vector<std::string> merges;
  for (const Json& merge : FieldOf(model, "merges")) {
    if (merge.is_string()) {
      merges.push_back(merge);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merges.push_back(merge[0].get<std::string>() + " " +
                       merge[1].get<std::string>());
    } else {
      return absl::DataLossError(fmt::format(
          "model.merges holds {}, want pairs of tokens", ShownJson(merge)));
    }
  }
  return merges;
}

absl::Status AddBpe(const Json& file, TokenList* tokens, Values& values) {
  const Json& model = FieldOf(file, "model");
  for (const auto& [field, wanted] :
       {std::pair<const char*, Json>("type", "BPE"),
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr}}) {
    const Json& found = FieldOf(model, field);
    if (found.is_null() || found == "") continue;
    GIST_RETURN_IF_ERROR(WantSetting(found, wanted, field, kKind));
  }
  GIST_ASSIGN_OR_RETURN(values["tokenizer.ggml.pre"], PreTokenizerOf(file));
  GIST_ASSIGN_OR_RETURN(values["tokenizer.ggml.merges"], MergesOf(model));
  values["tokenizer.ggml.model"] = std::string("gpt2");
  return AddTokens(file, tokens);
}

// A token of tokenizer_config.json: its text, or an object that holds it.
std::string TokenText(const Json& config, const char* name) {
  const Json& token = FieldOf(config, name);
  const Json& text = token.is_object() ? FieldOf(token, "content") : token;
  return text.is_string() ? text : "";
}

absl::Status AddSpecials(const Json& config, const TokenList& tokens,
                         Values& values) {
  for (const auto& [name, key] :
       {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"},
        {"eos_token", "tokenizer.ggml.eos_token_id"},
        {"unk_token", "tokenizer.ggml.unknown_token_id"},
        {"pad_token", "tokenizer.ggml.padding_token_id"}}) {
    const std::string token = TokenText(config, name);
    if (token.empty()) continue;
    const auto id = tokens.IdOf(token);
    if (!id.has_value()) {
      return absl::DataLossError(fmt::format(
          "{} is {}, which tokenizer.json does not have", name, Quoted(token)));
    }
    values[key] = *id;
  }
  if (const Json& adds = FieldOf(config, "add_bos_token"); adds.is_boolean())
    values["tokenizer.ggml.add_bos_token"] = adds.get<bool>();
  return absl::OkStatus();
}

// The template of its own file, else of tokenizer_config.json: a text, or a
// list of names and templates.
absl::Status AddTemplate(const HfText& own, const Json& config,
                         Values& values) {
  constexpr char kKey[] = "tokenizer.chat_template";
  if (!own.text.empty()) {
    values[kKey] = std::string(own.text);
    return absl::OkStatus();
  }
  const Json& found = FieldOf(config, "chat_template");
  if (found.is_string()) values[kKey] = found.get<std::string>();
  for (const Json& each : found.is_array() ? found : Json::array()) {
    const Json& text = FieldOf(each, "template");
    if (FieldOf(each, "name") == "default" && text.is_string())
      values[kKey] = text.get<std::string>();
  }
  if (found.is_null() || values.contains(kKey)) return absl::OkStatus();
  return absl::DataLossError(
      "chat_template: want a text, or a list with one named \"default\"");
}

}  // namespace

absl::Status AddHfTokenizer(const HfTokenizerFiles& files, Values* values) {
  GIST_ASSIGN_OR_RETURN(const Json tokenizer,
                        ParseJson(files.tokenizer.text, files.tokenizer.path));
  GIST_ASSIGN_OR_RETURN(const Json config,
                        ParseOptional(files.tokenizer_config));
  GIST_ASSIGN_OR_RETURN(const Json generation,
                        ParseOptional(files.generation_config));
  TokenList tokens;
  GIST_RETURN_IF_ERROR(
      Within(files.tokenizer.path, AddBpe(tokenizer, &tokens, *values)));
  const std::string& path = files.tokenizer_config.path;
  GIST_RETURN_IF_ERROR(Within(path, AddSpecials(config, tokens, *values)));
  GIST_RETURN_IF_ERROR(
      Within(path, AddTemplate(files.chat_template, config, *values)));
  tokens.MoveTo(*values);
  auto ids = JsonIds(FieldOf(generation, "eos_token_id"), "eos_token_id");
  if (!ids.ok()) return Within(files.generation_config.path, ids.status());
  if (ids->empty()) *ids = files.eos_ids;
  if (!ids->empty()) {
    values->insert_or_assign("tokenizer.ggml.eos_token_id", ids->front());
    values->insert_or_assign("tokenizer.ggml.eos_token_ids", *std::move(ids));
  }
  return absl::OkStatus();
}

}  // namespace gist
