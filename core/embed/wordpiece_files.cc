#include "core/embed/wordpiece_files.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/base/status.h"
#include "core/embed/json_file.h"
#include "core/format/mapped_file.h"
#include "core/text/quoted.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

// What `field` of `object` says; null where there is none.
Json At(const Json& object, const char* field) {
  return object.is_object() ? object.value(field, Json()) : Json();
}

// A setting that changes the words: only the uncased models' is supported.
absl::Status Want(const Json& found, const Json& wanted, const char* name) {
  if (found == wanted) return absl::OkStatus();
  return absl::UnimplementedError(fmt::format(
      "{} is {}, supported is {} (uncased BERT)", name,
      Quoted(found.dump(-1, ' ', true, Json::error_handler_t::replace)),
      wanted.dump()));
}

absl::Status CheckKind(const Json& file) {
  const Json model = At(file, "model");
  // Files of before 2020 do not name the model's type.
  if (const Json type = At(model, "type"); !type.is_null()) {
    GIST_RETURN_IF_ERROR(Want(type, "WordPiece", "model.type"));
  }
  GIST_RETURN_IF_ERROR(Want(At(model, "unk_token"), "[UNK]", "unk_token"));
  GIST_RETURN_IF_ERROR(Want(At(model, "continuing_subword_prefix"), "##",
                            "continuing_subword_prefix"));
  const Json normalizer = At(file, "normalizer");
  GIST_RETURN_IF_ERROR(
      Want(At(normalizer, "type"), "BertNormalizer", "normalizer"));
  for (const char* field :
       {"clean_text", "handle_chinese_chars", "lowercase"}) {
    GIST_RETURN_IF_ERROR(Want(At(normalizer, field), true, field));
  }
  // Null: as lowercase.
  if (const Json strip = At(normalizer, "strip_accents"); !strip.is_null()) {
    GIST_RETURN_IF_ERROR(Want(strip, true, "strip_accents"));
  }
  return Want(At(At(file, "pre_tokenizer"), "type"), "BertPreTokenizer",
              "pre_tokenizer");
}

absl::StatusOr<WordPieceSpec> FromTokenizerJson(const Json& file) {
  GIST_RETURN_IF_ERROR(CheckKind(file));
  const Json& model = file["model"];
  const Json vocabulary = At(model, "vocab");
  const size_t count = vocabulary.is_object() ? vocabulary.size() : 0;
  WordPieceSpec spec;
  spec.tokens.resize(count);
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= count ||
        !spec.tokens[id.get<size_t>()].empty()) {
      return absl::DataLossError(
          fmt::format("the id of {} is {}, want each of 0 to {} once",
                      Quoted(token), Quoted(id.dump()), count - 1));
    }
    spec.tokens[id.get<size_t>()] = token;
  }
  const Json chars = At(model, "max_input_chars_per_word");
  if (!chars.is_number_unsigned() || chars.get<uint64_t>() > 1'000'000) {
    return absl::DataLossError(
        fmt::format("max_input_chars_per_word is {}, want 1 to 1000000",
                    Quoted(chars.dump())));
  }
  spec.max_word_chars = chars.get<int>();
  return spec;
}

absl::StatusOr<WordPieceSpec> FromVocabulary(std::string_view lines) {
  WordPieceSpec spec;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    spec.tokens.emplace_back(line);
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return spec;
}

}  // namespace

absl::StatusOr<WordPieceSpec> ReadWordPieceSpec(const std::string& folder) {
  const std::string path = folder + "/tokenizer.json";
  if (const auto json = ReadJsonFile(path); !absl::IsNotFound(json.status())) {
    if (!json.ok()) return json.status();
    auto spec = FromTokenizerJson(*json);
    if (!spec.ok()) return Within(path, spec.status());
    return spec;
  }
  // Here a file beside the vocabulary says whether it is cased.
  const auto settings = ReadJsonFile(folder + "/tokenizer_config.json");
  if (settings.ok()) {
    const Json lower = At(*settings, "do_lower_case");
    if (!lower.is_null()) {
      GIST_RETURN_IF_ERROR(Within(folder, Want(lower, true, "do_lower_case")));
    }
  } else if (!absl::IsNotFound(settings.status())) {
    return settings.status();
  }
  const auto file = MappedFile::Open(folder + "/vocab.txt");
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(
        fmt::format("{}: neither tokenizer.json nor vocab.txt is there; want "
                    "a folder of a BERT model (deploy/setup.sh fetches one)",
                    folder));
  }
  if (!file.ok()) return file.status();
  return FromVocabulary(file->bytes());
}

}  // namespace gist
