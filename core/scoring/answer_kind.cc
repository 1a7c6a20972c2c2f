#include "core/scoring/answer_kind.h"

#include <algorithm>
#include <cctype>

#include "core/data/template.h"
#include "core/scoring/metrics.h"

namespace gist {
namespace {

constexpr size_t kLeastValueBytes = 3;

// As NormalizeAnswer leaves them: no apostrophes, no articles.
constexpr std::string_view kRefusals[] = {
    "not mentioned", "not mention", "no mention", "not stated", "not specified",
    "not provided", "not given", "not say", "not tell", "not contain",
    "not include", "not found", "not known", "not available", "not possible",
    "not appear", "cannot find", "cannot be", "cannot determine",
    "cannot answer", "cant find", "cant answer", "do not know", "dont know",
    "doesnt mention", "doesnt say", "doesnt contain", "isnt mentioned",
    "wasnt mentioned", "no information", "no such", "there is no",
    "there are no", "unknown", "unable to",
    // Korean
    "언급되지 않", "언급되어 있지 않", "언급되어있지 않", "언급하지 않",
    "언급이 없", "언급은 없", "나와 있지 않", "나와있지 않", "나오지 않",
    "명시되지 않", "명시되어 있지 않", "제공되지 않", "포함되어 있지 않",
    "포함되지 않", "알 수 없", "찾을 수 없", "확인할 수 없", "답할 수 없",
    "정보가 없", "정보는 없", "내용이 없", "없습니다", "모릅니다", "모르겠"};

bool IsAsciiWord(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  const auto byte = static_cast<unsigned char>(text[at]);
  return byte < 0x80 && std::isalnum(byte) != 0;
}

// Where `value` stands alone in `text`; npos: nowhere. Both are normalized.
size_t FindAlone(std::string_view text, std::string_view value) {
  if (value.empty()) return text.npos;
  for (size_t at = text.find(value); at != text.npos;
       at = text.find(value, at + 1)) {
    const bool joined_before =
        at > 0 && IsAsciiWord(text, at - 1) && IsAsciiWord(value, 0);
    const bool joined_after = IsAsciiWord(text, at + value.size()) &&
                              IsAsciiWord(value, value.size() - 1);
    if (!joined_before && !joined_after) return at;
  }
  return text.npos;
}

bool NamesAny(std::string_view answer, std::span<const std::string> values) {
  return std::any_of(
      values.begin(), values.end(),
      [&](const std::string& value) { return Names(answer, value); });
}

bool IsTelling(const std::string& value, const AskedFact& fact) {
  return value.size() >= kLeastValueBytes && !IsRefusal(value) &&
         !Names(fact.question, value) &&
         std::none_of(
             fact.truths.begin(), fact.truths.end(),
             [&](const std::string& truth) { return Names(truth, value); });
}

}  // namespace

bool IsRefusal(std::string_view answer) {
  const std::string normalized = NormalizeAnswer(answer);
  return std::any_of(std::begin(kRefusals), std::end(kRefusals),
                     [&](std::string_view phrase) {
                       return normalized.find(phrase) != std::string::npos;
                     });
}

bool Names(std::string_view answer, std::string_view value) {
  const std::string text = NormalizeAnswer(answer);
  return FindAlone(text, NormalizeAnswer(value)) != std::string::npos;
}

AnswerKind KindOf(std::string_view answer, const AskedFact& fact) {
  if (NormalizeAnswer(answer).empty()) return AnswerKind::kEmpty;
  if (!fact.absent && NamesAny(answer, fact.truths)) return AnswerKind::kRight;
  // Before refusals: "there is no doubt that it is ABC123" names a value.
  for (const std::string& value : fact.here) {
    if (Names(answer, value) && IsTelling(value, fact)) {
      return AnswerKind::kOtherValue;
    }
  }
  for (const std::string& value : fact.elsewhere) {
    if (Names(answer, value) && IsTelling(value, fact) &&
        !Names(fact.document, value)) {
      return AnswerKind::kOtherDocument;
    }
  }
  if (!IsRefusal(answer)) return AnswerKind::kOther;
  return fact.absent ? AnswerKind::kRight : AnswerKind::kRefusal;
}

std::optional<ChoiceQuestion> ReadChoiceQuestion(std::string_view language,
                                                 std::string_view question) {
  for (const FrameSet set : {FrameSet::kTrain, FrameSet::kHeldOut}) {
    for (const OverviewFrame& frame : OverviewFrames(language, set)) {
      for (const std::string_view wording : frame.questions) {
        if (wording.empty()) continue;
        const auto slots = Unfill(wording, question);
        if (!slots) continue;
        return ChoiceQuestion{
            frame.kind,
            {std::string(slots->key), std::string(slots->other),
             std::string(slots->third)}};
      }
    }
  }
  return std::nullopt;
}

double ChoiceScore(std::string_view prediction, std::string_view truth,
                   std::span<const std::string> options) {
  std::string left = NormalizeAnswer(prediction);
  const std::string wanted = NormalizeAnswer(truth);
  if (FindAlone(left, wanted) == std::string::npos) return 0;
  for (const std::string& option : options) {
    const std::string name = NormalizeAnswer(option);
    // One that holds the truth's name, before that is taken away.
    if (name != wanted && FindAlone(name, wanted) != std::string::npos &&
        FindAlone(left, name) != std::string::npos) {
      return 0;
    }
  }
  for (size_t at = FindAlone(left, wanted); at != std::string::npos;
       at = FindAlone(left, wanted)) {
    left.replace(at, wanted.size(), "\n");
  }
  const bool another =
      std::any_of(options.begin(), options.end(), [&](const auto& option) {
        return FindAlone(left, NormalizeAnswer(option)) != std::string::npos;
      });
  return another ? 0 : 1;
}

}  // namespace gist
