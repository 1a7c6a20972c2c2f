#include "core/text/wordpiece_files.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/format/mapped_file.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

// A setting that changes the words: only the uncased models' is supported.
absl::Status WantBert(const Json& found, const Json& wanted, const char* name) {
  return WantSetting(found, wanted, name, "uncased BERT");
}

absl::Status CheckKind(const Json& file) {
  const Json& model = FieldOf(file, "model");
  // Files of before 2020 do not name the model's type.
  if (const Json& type = FieldOf(model, "type"); !type.is_null()) {
    GIST_RETURN_IF_ERROR(WantBert(type, "WordPiece", "model.type"));
  }
  GIST_RETURN_IF_ERROR(
      WantBert(FieldOf(model, "unk_token"), "[UNK]", "unk_token"));
  GIST_RETURN_IF_ERROR(WantBert(FieldOf(model, "continuing_subword_prefix"),
                                "##", "continuing_subword_prefix"));
  const Json& normalizer = FieldOf(file, "normalizer");
  GIST_RETURN_IF_ERROR(
      WantBert(FieldOf(normalizer, "type"), "BertNormalizer", "normalizer"));
  for (const char* field :
       {"clean_text", "handle_chinese_chars", "lowercase"}) {
    GIST_RETURN_IF_ERROR(WantBert(FieldOf(normalizer, field), true, field));
  }
  // Null: as lowercase.
  if (const Json& strip = FieldOf(normalizer, "strip_accents");
      !strip.is_null()) {
    GIST_RETURN_IF_ERROR(WantBert(strip, true, "strip_accents"));
  }
  return WantBert(FieldOf(FieldOf(file, "pre_tokenizer"), "type"),
                  "BertPreTokenizer", "pre_tokenizer");
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

absl::StatusOr<WordPieceSpec> ReadWordPieceSpec(const Json& file) {
  GIST_RETURN_IF_ERROR(CheckKind(file));
  const Json& model = FieldOf(file, "model");
  const Json& vocabulary = FieldOf(model, "vocab");
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
  const Json& chars = FieldOf(model, "max_input_chars_per_word");
  if (!chars.is_number_unsigned() || chars.get<uint64_t>() > 1'000'000) {
    return absl::DataLossError(
        fmt::format("max_input_chars_per_word is {}, want 1 to 1000000",
                    Quoted(chars.dump())));
  }
  spec.max_word_chars = chars.get<int>();
  return spec;
}

absl::StatusOr<WordPieceSpec> ReadWordPieceVocabulary(
    const std::string& folder) {
  // A file beside the vocabulary says whether it is cased.
  const auto settings = ReadJsonFile(folder + "/tokenizer_config.json");
  if (settings.ok()) {
    const Json& lower = FieldOf(*settings, "do_lower_case");
    if (!lower.is_null()) {
      GIST_RETURN_IF_ERROR(
          Within(folder, WantBert(lower, true, "do_lower_case")));
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
