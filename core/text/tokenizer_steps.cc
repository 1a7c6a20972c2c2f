#include "core/text/tokenizer_steps.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/format/json_file.h"
#include "core/text/words/named_pre_tokenizers.h"
#include "core/text/words/regex_syntax.h"
#include "fmt/format.h"

namespace gist {
namespace {

using Json = nlohmann::json;
using StepKind = NormalizerStep::Kind;

std::string Dumped(const Json& value) {
  return Quoted(value.dump(-1, ' ', true, Json::error_handler_t::replace));
}

// The steps of a "Sequence" under `list`, of sequences within it too.
void AppendSteps(const Json& step, const char* list, std::vector<Json>* steps) {
  if (step.is_null()) return;
  if (FieldOf(step, "type") != "Sequence") {
    steps->push_back(step);
    return;
  }
  for (const Json& inner : FieldOf(step, list)) AppendSteps(inner, list, steps);
}

absl::StatusOr<std::string> ReadPattern(const Json& step) {
  const Json& pattern = FieldOf(step, "pattern");
  if (const Json& regex = FieldOf(pattern, "Regex"); regex.is_string()) {
    return regex.get<std::string>();
  }
  if (const Json& text = FieldOf(pattern, "String"); text.is_string()) {
    return LiteralPattern(text.get<std::string>());
  }
  return WrongType("pattern", pattern, "{\"Regex\": ...} or {\"String\": ...}");
}

absl::StatusOr<SplitBehavior> ReadBehavior(const Json& step) {
  static constexpr std::pair<const char*, SplitBehavior> kBehaviors[] = {
      {"Isolated", SplitBehavior::kIsolated},
      {"Removed", SplitBehavior::kRemoved},
      {"Contiguous", SplitBehavior::kContiguous},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext}};
  const Json& found = FieldOf(step, "behavior");
  for (const auto& [name, behavior] : kBehaviors) {
    if (found == name) return behavior;
  }
  return NotSupported("behavior", found,
                      "Isolated, Removed, Contiguous, "
                      "MergedWithPrevious, MergedWithNext");
}

// Steps of a pre-tokenizer, one after the other.
class PreTokenizerReader {
 public:
  explicit PreTokenizerReader(TokenizerSpec* spec) : spec_(*spec) {}

  absl::Status Read(const Json& step) {
    const Json& type = FieldOf(step, "type");
    if (type == "ByteLevel") return ReadByteLevel(step);
    if (type == "Metaspace") return ReadMetaspace(step);
    if (type == "Digits") {
      return Add(DigitSteps(IsOn(step, "individual_digits")).front());
    }
    if (type == "Whitespace") {
      return Add({R"(\w+|[^\w\s]+)", SplitBehavior::kRemoved, true});
    }
    if (type == "WhitespaceSplit") {
      return Add({R"(\s)", SplitBehavior::kRemoved});
    }
    SplitStep made;
    if (type == "Split") {
      GIST_ASSIGN_OR_RETURN(made.pattern, ReadPattern(step));
      made.invert = IsOn(step, "invert");
    } else if (type == "Punctuation") {
      made.pattern = R"(\p{Punctuation})";
    } else {
      return NotSupported("pre_tokenizer", type,
                          "ByteLevel, Digits, Metaspace, Punctuation, Split, "
                          "Whitespace, WhitespaceSplit");
    }
    GIST_ASSIGN_OR_RETURN(made.behavior, ReadBehavior(step));
    return Add(std::move(made));
  }

 private:
  absl::Status Add(SplitStep step) {
    step.on_bytes = spec_.kind == TokenizerKind::kByteLevel;
    spec_.words.push_back(std::move(step));
    return absl::OkStatus();
  }

  // What changes characters has to come before what cuts them.
  absl::Status WantFirst(const Json& step) const {
    if (spec_.words.empty()) return absl::OkStatus();
    return NotSupported("pre_tokenizer behind other steps", step,
                        "this one in front of them");
  }

  absl::Status ReadByteLevel(const Json& step) {
    if (spec_.kind == TokenizerKind::kByteLevel) {
      return NotSupported("a second ByteLevel", step, "one");
    }
    if (IsOn(step, "add_prefix_space", true)) {
      GIST_RETURN_IF_ERROR(WantFirst(step));
      spec_.normalizer.push_back({StepKind::kPrependUnlessThere, "", " "});
    }
    if (IsOn(step, "use_regex", true)) {
      GIST_RETURN_IF_ERROR(Add(Gpt2Steps().front()));
    }
    spec_.kind = TokenizerKind::kByteLevel;
    return absl::OkStatus();
  }

  absl::Status ReadMetaspace(const Json& step) {
    GIST_RETURN_IF_ERROR(WantFirst(step));
    GIST_ASSIGN_OR_RETURN(const std::string mark, TextOf(step, "replacement"));
    const Json& scheme = FieldOf(step, "prepend_scheme");
    const bool prepends = scheme.is_null()
                              ? IsOn(step, "add_prefix_space", true)
                              : scheme != "never";
    if (!scheme.is_null() && scheme != "always" && scheme != "first" &&
        scheme != "never") {
      return NotSupported("prepend_scheme", scheme, "always, first, never");
    }
    spec_.normalizer.push_back({StepKind::kReplace, " ", mark});
    if (prepends) {
      spec_.normalizer.push_back(
          {StepKind::kPrependUnlessThere, "", mark, scheme == "first"});
    }
    if (!IsOn(step, "split", true)) return absl::OkStatus();
    return Add({LiteralPattern(mark), SplitBehavior::kMergedWithNext});
  }

  TokenizerSpec& spec_;
};

}  // namespace

absl::Status NotSupported(std::string_view what, const Json& found,
                          std::string_view supported) {
  return absl::UnimplementedError(
      fmt::format("tokenizer.json: {} is {}, supported: {}", what,
                  Dumped(found), supported));
}

absl::Status WrongType(std::string_view what, const Json& found,
                       std::string_view wanted) {
  return absl::DataLossError(fmt::format("tokenizer.json: {} is {}, want {}",
                                         what, Dumped(found), wanted));
}

absl::StatusOr<std::string> TextOf(const Json& object, const char* field) {
  const Json& text = FieldOf(object, field);
  if (!text.is_string()) return WrongType(field, text, "a text");
  return text.get<std::string>();
}

bool IsOn(const Json& object, const char* field, bool otherwise) {
  const Json& value = FieldOf(object, field);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

std::vector<Json> StepsIn(const Json& step, const char* list) {
  std::vector<Json> steps;
  AppendSteps(step, list, &steps);
  return steps;
}

absl::Status ReadNormalizerSteps(const Json& normalizer, TokenizerSpec* spec) {
  static constexpr std::pair<const char*, StepKind> kForms[] = {
      {"NFC", StepKind::kNfc},
      {"NFD", StepKind::kNfd},
      {"NFKC", StepKind::kNfkc},
      {"NFKD", StepKind::kNfkd}};
  for (const Json& step : StepsIn(normalizer, "normalizers")) {
    const Json& type = FieldOf(step, "type");
    const auto* const form = std::ranges::find_if(
        kForms, [&](const auto& known) { return type == known.first; });
    NormalizerStep made;
    if (form != std::end(kForms)) {
      made.kind = form->second;
    } else if (type == "Prepend") {
      made.kind = StepKind::kPrepend;
      GIST_ASSIGN_OR_RETURN(made.content, TextOf(step, "prepend"));
    } else if (type == "Replace") {
      made.kind = StepKind::kReplace;
      GIST_ASSIGN_OR_RETURN(made.pattern, ReadPattern(step));
      GIST_ASSIGN_OR_RETURN(made.content, TextOf(step, "content"));
    } else {
      return NotSupported("normalizer", type,
                          "NFC, NFD, NFKC, NFKD, Prepend, Replace");
    }
    spec->normalizer.push_back(std::move(made));
  }
  return absl::OkStatus();
}

absl::Status ReadPreTokenizerSteps(const Json& pre_tokenizer,
                                   TokenizerSpec* spec) {
  PreTokenizerReader reader(spec);
  for (const Json& step : StepsIn(pre_tokenizer, "pretokenizers")) {
    GIST_RETURN_IF_ERROR(reader.Read(step));
  }
  return absl::OkStatus();
}

}  // namespace gist
