// What an answer is beside right or wrong: a refusal, another value of the
// text, another text's value. What is counted of these: docs/evaluation.md.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/data/overview_frames.h"

namespace gist {

enum class AnswerKind {
  kRight,          // names the truth; of an absent fact: refuses
  kRefusal,        // says that the text does not tell, though it does
  kEmpty,          // not a word
  kOtherValue,     // names the answer of another question about the same text
  kOtherDocument,  // names the answer about another text
  kOther,          // wrong in another way
};
// At its enumerator's place, as results name it.
inline constexpr std::string_view kAnswerKinds[] = {
    "right", "refusal", "empty", "other_value", "other_document", "other"};
constexpr std::string_view Name(AnswerKind kind) {
  return kAnswerKinds[size_t(kind)];
}

// Does `answer` say that a text does not tell? By a list of wordings, English
// and Korean, in answer_kind.cc: "not mentioned", "언급되지 않".
bool IsRefusal(std::string_view answer);

// Does `value` stand in `answer`, both normalized (NormalizeAnswer), with no
// ASCII letter or digit right beside it? False for a value that is empty then.
bool Names(std::string_view answer, std::string_view value);

struct AskedFact {
  std::string_view question;
  std::string_view document;
  std::span<const std::string> truths;  // each is right
  bool absent = false;                  // the text does not tell: refuse!
  // Right answers of other questions, about this text and about others. Those
  // that the question or a truth names, or of fewer than three bytes, are
  // passed over; of `elsewhere`, those that the document names too.
  std::span<const std::string> here;
  std::span<const std::string> elsewhere;
};

AnswerKind KindOf(std::string_view answer, const AskedFact& fact);

// A question whose options stand in it: "mainly about salt, ships or bees?"
struct ChoiceQuestion {
  OverviewKind kind = OverviewKind::kTopic;
  std::array<std::string, 3> options;  // in the question's order
};
// Reads a question of OverviewFrames back; nothing if it is none.
std::optional<ChoiceQuestion> ReadChoiceQuestion(std::string_view language,
                                                 std::string_view question);

// 1 if the prediction names the truth and no other option, else 0; chance is
// one over the number of options. An option's name inside the truth's is no
// other option.
double ChoiceScore(std::string_view prediction, std::string_view truth,
                   std::span<const std::string> options);

}  // namespace gist
