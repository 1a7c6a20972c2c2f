#include "core/text/unigram_files.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/text/unigram_words.h"
#include "fmt/format.h"

namespace gist {
namespace {

using Json = nlohmann::json;

absl::Status WantXlmRoberta(const Json& found, const Json& wanted,
                            const char* name) {
  return WantSetting(found, wanted, name, "XLM-RoBERTa");
}

// One step, or the steps of a "Sequence" under `list`.
std::vector<Json> StepsOf(const Json& step, const char* list) {
  if (step.is_null()) return {};
  if (FieldOf(step, "type") != "Sequence") return {step};
  const Json& steps = FieldOf(step, list);
  return {steps.begin(), steps.end()};
}

absl::StatusOr<Charsmap> ReadCharsmap(const Json& step) {
  const Json& base64 = FieldOf(step, "precompiled_charsmap");
  std::string blob;
  if (!base64.is_string() ||
      !absl::Base64Unescape(base64.get_ref<const std::string&>(), &blob)) {
    return absl::DataLossError("precompiled_charsmap: want base64");
  }
  return Charsmap::Create(blob);
}

// Runs of spaces become one mark.
absl::Status CheckReplace(const Json& step) {
  GIST_RETURN_IF_ERROR(WantXlmRoberta(FieldOf(step, "pattern"),
                                      {{"Regex", " {2,}"}},
                                      "normalizer Replace.pattern"));
  const Json& content = FieldOf(step, "content");
  if (content == " ") return absl::OkStatus();
  return WantXlmRoberta(content, kWordMark, "normalizer Replace.content");
}

// White space at the text's end goes.
absl::Status CheckStrip(const Json& step) {
  GIST_RETURN_IF_ERROR(WantXlmRoberta(FieldOf(step, "strip_left"), false,
                                      "normalizer Strip.strip_left"));
  return WantXlmRoberta(FieldOf(step, "strip_right"), true,
                        "normalizer Strip.strip_right");
}

absl::Status ReadNormalizer(const Json& normalizer, UnigramSpec* spec) {
  bool joins_spaces = false, strips = false;
  for (const Json& step : StepsOf(normalizer, "normalizers")) {
    const Json& type = FieldOf(step, "type");
    if (type == "Replace") {
      GIST_RETURN_IF_ERROR(CheckReplace(step));
      joins_spaces = true;
    } else if (type == "Strip") {
      GIST_RETURN_IF_ERROR(CheckStrip(step));
      strips = true;
    } else {
      GIST_RETURN_IF_ERROR(WantXlmRoberta(type, "Precompiled", "normalizer"));
      GIST_ASSIGN_OR_RETURN(spec->charsmap, ReadCharsmap(step));
    }
  }
  if (spec->words == UnigramWords::kWhitespace) return absl::OkStatus();
  if (strips) spec->words = UnigramWords::kSpacesInside;
  return WantXlmRoberta(joins_spaces, true, "normalizer Replace of spaces");
}

absl::Status CheckMetaspace(const Json& step) {
  GIST_RETURN_IF_ERROR(
      WantXlmRoberta(FieldOf(step, "type"), "Metaspace", "pre_tokenizer"));
  GIST_RETURN_IF_ERROR(WantXlmRoberta(FieldOf(step, "replacement"), kWordMark,
                                      "pre_tokenizer.replacement"));
  for (const auto& [field, wanted] :
       {std::pair<const char*, Json>("prepend_scheme", "always"),
        {"add_prefix_space", true},
        {"split", true}}) {
    const Json& found = FieldOf(step, field);
    if (found.is_null()) continue;  // files of before 2024 lack some
    GIST_RETURN_IF_ERROR(WantXlmRoberta(found, wanted, field));
  }
  return absl::OkStatus();
}

absl::Status ReadPreTokenizer(const Json& pre_tokenizer, UnigramSpec* spec) {
  const std::vector<Json> steps = StepsOf(pre_tokenizer, "pretokenizers");
  if (steps.size() == 1) {
    spec->words = UnigramWords::kSpaces;
    return CheckMetaspace(steps[0]);
  }
  GIST_RETURN_IF_ERROR(
      WantXlmRoberta(steps.size(), 2, "steps of pre_tokenizer"));
  GIST_RETURN_IF_ERROR(WantXlmRoberta(FieldOf(steps[0], "type"),
                                      "WhitespaceSplit", "pre_tokenizer"));
  return CheckMetaspace(steps[1]);
}

absl::Status ReadPieces(const Json& model, UnigramSpec* spec) {
  const Json& pieces = FieldOf(model, "vocab");
  if (!pieces.is_array()) {
    return absl::DataLossError("model.vocab: want a list of pieces");
  }
  for (const Json& piece : pieces) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() ||
        !piece[1].is_number()) {
      return absl::DataLossError(fmt::format(
          "model.vocab {} is {}, want [piece, log probability]",
          spec->pieces.size(),
          Quoted(piece.dump(-1, ' ', true, Json::error_handler_t::replace))));
    }
    spec->pieces.emplace_back(piece[0].get<std::string>(),
                              piece[1].get<double>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnigramSpec> ReadUnigramSpec(const Json& file) {
  UnigramSpec spec;
  GIST_RETURN_IF_ERROR(ReadPreTokenizer(FieldOf(file, "pre_tokenizer"), &spec));
  GIST_RETURN_IF_ERROR(ReadNormalizer(FieldOf(file, "normalizer"), &spec));
  const Json& model = FieldOf(file, "model");
  if (const Json& bytes = FieldOf(model, "byte_fallback"); !bytes.is_null()) {
    GIST_RETURN_IF_ERROR(WantXlmRoberta(bytes, false, "byte_fallback"));
  }
  GIST_RETURN_IF_ERROR(ReadPieces(model, &spec));
  const Json& unknown = FieldOf(model, "unk_id");
  if (!unknown.is_number_unsigned() ||
      unknown.get<uint64_t>() >= spec.pieces.size()) {
    return absl::DataLossError(fmt::format("unk_id is {}, want one of {} ids",
                                           Quoted(unknown.dump()),
                                           spec.pieces.size()));
  }
  spec.unknown_id = unknown.get<int32_t>();
  spec.is_special.resize(spec.pieces.size());
  for (const Json& token : FieldOf(file, "added_tokens")) {
    const Json& id = FieldOf(token, "id");
    if (FieldOf(token, "special") == true && id.is_number_unsigned() &&
        id.get<uint64_t>() < spec.pieces.size()) {
      spec.is_special[id.get<size_t>()] = true;
    }
  }
  return spec;
}

}  // namespace gist
