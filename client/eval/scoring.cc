#include "client/eval/scoring.h"

#include <algorithm>

#include "core/base/utf8.h"
#include "core/scoring/answer_kind.h"
#include "core/scoring/metrics.h"

namespace gist::client {
namespace {

template <typename Metric>
double Best(const Sample& sample, std::string_view answer, Metric metric) {
  double best = 0;
  for (const std::string& truth : sample.answers) {
    best = std::max(best, double(metric(answer, truth)));
  }
  return best;
}

double MainScore(const Sample& sample, std::string_view answer,
                 const Scores& scores, AnswerKind kind) {
  // A dataset that cannot be scored was refused when it was read.
  if (sample.longbench) {
    return LongBenchScore(*sample.longbench, answer).value_or(0);
  }
  if (sample.metric == "refusal") return kind == AnswerKind::kRight;
  if (sample.metric == "choice") {
    return Best(sample, answer, [&](auto given, auto truth) {
      return ChoiceScore(given, truth, sample.options);
    });
  }
  return sample.metric == "f1" ? scores.f1 : scores.containment;
}

}  // namespace

Scorer::Scorer(std::span<const Sample> samples) {
  for (const Sample& sample : samples) {
    auto& values = values_[sample.document];  // empty for one without facts
    if (!sample.IsFact() || sample.family == "overview") continue;
    values.insert(values.end(), sample.answers.begin(), sample.answers.end());
  }
  for (const auto& [document, own] : values_) {
    std::set<std::string> others;
    for (const auto& [other, values] : values_) {
      if (other != document) others.insert(values.begin(), values.end());
    }
    elsewhere_[document].assign(others.begin(), others.end());
  }
}

void Scorer::Score(const Sample& sample, std::string_view answer,
                   Trial* trial) const {
  Scores& scores = trial->scores;
  scores.exact = Best(sample, answer, ExactScore);
  scores.containment = Best(sample, answer, ContainmentScore);
  scores.f1 = Best(sample, answer, F1Score);
  scores.rouge_l = Best(sample, answer, RougeLScore);
  const bool has_values = sample.IsFact() || sample.IsAbsent();
  AnswerKind kind = KindOf(
      answer, {.question = sample.question,
               .document = sample.context,
               .truths = sample.answers,
               .absent = sample.IsAbsent(),
               .here = has_values ? std::span<const std::string>(
                                        values_.at(sample.document))
                                  : std::span<const std::string>(),
               .elsewhere = has_values ? std::span<const std::string>(
                                             elsewhere_.at(sample.document))
                                       : std::span<const std::string>()});
  scores.score = MainScore(sample, answer, scores, kind);
  // Who names every option has not chosen.
  const bool chose = sample.metric != "choice" || scores.score == 1;
  if (kind == AnswerKind::kRight && !chose) kind = AnswerKind::kOther;
  trial->answer_kind = Name(kind);
}

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t good = FirstInvalidUtf8(text);
    valid += text.substr(0, good);
    if (good == text.size()) break;
    valid += "\xef\xbf\xbd";
    text.remove_prefix(good + 1);
  }
  return valid;
}

}  // namespace gist::client
