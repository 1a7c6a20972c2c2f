#include "core/hf/hf_tokenizer.h"

#include <algorithm>
#include <optional>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/hf/config_reader.h"
#include "core/text/tokenizer_files.h"

namespace gist {
namespace {

using Json = nlohmann::json;

absl::StatusOr<Json> ParseOptional(const HfText& file) {
  if (file.text.empty()) return Json::object();
  return ParseJson(file.text, file.path);
}

// The id of a token of tokenizer_config.json, which is its text or an object
// that holds it. No value: null.
absl::StatusOr<std::optional<int32_t>> TokenId(const Json& config,
                                               const char* name,
                                               const TokenizerSpec& spec) {
  const Json& token = FieldOf(config, name);
  const Json& text = token.is_object() ? FieldOf(token, "content") : token;
  if (text.is_null()) return std::nullopt;
  const std::string wanted = text.is_string() ? text : "";
  const auto at = std::ranges::find(spec.tokens, wanted);
  if (at != spec.tokens.end()) return int32_t(at - spec.tokens.begin());
  return absl::DataLossError(fmt::format(
      "{} is {}, which tokenizer.json does not have", name, ShownJson(token)));
}

absl::Status ReadConfigTokens(const Json& config, TokenizerSpec* spec) {
  GIST_ASSIGN_OR_RETURN(const auto bos, TokenId(config, "bos_token", *spec));
  if (!spec->bos_id.has_value()) spec->bos_id = bos;
  GIST_ASSIGN_OR_RETURN(const auto eos, TokenId(config, "eos_token", *spec));
  if (eos.has_value()) spec->end_ids = {*eos};
  return absl::OkStatus();
}

absl::Status SetEndIds(const std::vector<int64_t>& ids, TokenizerSpec* spec) {
  if (ids.empty()) return absl::OkStatus();
  spec->end_ids.clear();
  for (const int64_t id : ids) {
    if (id >= int64_t(spec->tokens.size())) {
      return absl::DataLossError(
          fmt::format("eos_token_id is {}, want ids below {}, the number of "
                      "tokens",
                      id, spec->tokens.size()));
    }
    spec->end_ids.push_back(int32_t(id));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TemplateOf(const Json& config) {
  const Json& found = FieldOf(config, "chat_template");
  if (found.is_null()) return "";
  if (found.is_string()) return found.get<std::string>();
  for (const Json& each : found.is_array() ? found : Json::array()) {
    const Json& text = FieldOf(each, "template");
    if (FieldOf(each, "name") == "default" && text.is_string())
      return text.get<std::string>();
  }
  return absl::DataLossError(
      "chat_template: want a text, or a list with one named \"default\"");
}

}  // namespace

absl::StatusOr<HfTokenizer> ReadHfTokenizer(const HfTokenizerFiles& files) {
  HfTokenizer result;
  auto spec = FromTokenizerJson(files.tokenizer.text);
  if (!spec.ok()) return Within(files.tokenizer.path, spec.status());
  result.spec = *std::move(spec);
  GIST_ASSIGN_OR_RETURN(const Json config,
                        ParseOptional(files.tokenizer_config));
  const std::string& config_path = files.tokenizer_config.path;
  GIST_RETURN_IF_ERROR(
      Within(config_path, ReadConfigTokens(config, &result.spec)));
  GIST_ASSIGN_OR_RETURN(const Json generation,
                        ParseOptional(files.generation_config));
  const std::string& path = files.generation_config.path;
  const auto ids = JsonIds(FieldOf(generation, "eos_token_id"), "eos_token_id");
  if (!ids.ok()) return Within(path, ids.status());
  GIST_RETURN_IF_ERROR(Within(
      path, SetEndIds(ids->empty() ? files.eos_ids : *ids, &result.spec)));
  if (!files.chat_template.text.empty()) {
    result.chat_template = files.chat_template.text;
    return result;
  }
  auto jinja = TemplateOf(config);
  if (!jinja.ok()) return Within(config_path, jinja.status());
  result.chat_template = *std::move(jinja);
  return result;
}

}  // namespace gist
