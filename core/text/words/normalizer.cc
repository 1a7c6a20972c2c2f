#include "core/text/words/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/base/status.h"
#include "core/text/words/regex_syntax.h"
#include "fmt/format.h"

namespace gist {
namespace {

using Kind = NormalizerStep::Kind;

absl::Status AppendForm(std::string_view text, Kind form, std::string* out) {
  if (text.empty()) return absl::OkStatus();
  int options = UTF8PROC_STABLE;
  options |= form == Kind::kNfc || form == Kind::kNfkc ? UTF8PROC_COMPOSE
                                                       : UTF8PROC_DECOMPOSE;
  if (form == Kind::kNfkc || form == Kind::kNfkd) options |= UTF8PROC_COMPAT;
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      utf8proc_ssize_t(text.size()), &made, utf8proc_option_t(options));
  if (size < 0) {
    return absl::InternalError(
        fmt::format("normalizer: {}", utf8proc_errmsg(size)));
  }
  out->append(reinterpret_cast<const char*>(made), size);
  std::free(made);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ToForm(std::string_view text, Kind form) {
  // Marks that are younger than the reference's tables stay in their place.
  static const Regex* const marks =
      new Regex(*Regex::Create(R"(\p{YoungMark})"));
  GIST_ASSIGN_OR_RETURN(const auto found, marks->FindAll(text));
  std::string made;
  size_t end = 0;
  for (const TextRange& mark : found) {
    GIST_RETURN_IF_ERROR(
        AppendForm(text.substr(end, mark.begin - end), form, &made));
    made.append(text.substr(mark.begin, mark.end - mark.begin));
    end = mark.end;
  }
  GIST_RETURN_IF_ERROR(AppendForm(text.substr(end), form, &made));
  return made;
}

absl::StatusOr<std::string> Replaced(std::string_view text, const Regex& regex,
                                     std::string_view content,
                                     RegexBudget* budget) {
  GIST_ASSIGN_OR_RETURN(const auto matches,
                        Regex::Search(regex, budget).FindAll(text));
  if (!budget->Charge(matches.size() * content.size()))
    return budget->Spent(regex.pattern());
  std::string made;
  size_t end = 0;
  for (const TextRange& match : matches) {
    made.append(text.substr(end, match.begin - end)).append(content);
    end = match.end;
  }
  return made.append(text.substr(end));
}

bool IsPrepend(const NormalizerStep& step) {
  return step.kind == Kind::kPrepend || step.kind == Kind::kPrependUnlessThere;
}

}  // namespace

std::vector<NormalizerStep> SentencePieceSteps(bool add_space_prefix,
                                               bool remove_extra_spaces) {
  std::vector<NormalizerStep> steps;
  if (remove_extra_spaces) {
    steps.push_back({Kind::kReplace, R"(\A +| +\z)", ""});
    steps.push_back({Kind::kReplace, " {2,}", " "});
  }
  if (add_space_prefix) {
    steps.push_back({Kind::kPrepend, "", std::string(kSpaceMark)});
  }
  steps.push_back({Kind::kReplace, " ", std::string(kSpaceMark)});
  return steps;
}

absl::StatusOr<Normalizer> Normalizer::Create(
    std::vector<NormalizerStep> steps) {
  Normalizer made(std::move(steps));
  for (const NormalizerStep& step : made.steps_) {
    if (step.kind != Kind::kReplace) continue;
    GIST_ASSIGN_OR_RETURN(Regex regex, Regex::Create(step.pattern));
    made.patterns_.push_back(std::move(regex));
  }
  return made;
}

absl::StatusOr<std::string> Normalizer::Apply(std::string_view text,
                                              bool is_first,
                                              bool continues) const {
  RegexBudget budget(text.size());
  return Apply(text, is_first, continues, &budget);
}

absl::StatusOr<std::string> Normalizer::Apply(std::string_view text,
                                              bool is_first, bool continues,
                                              RegexBudget* budget) const {
  std::string made(text);
  size_t patterns = 0;
  for (const NormalizerStep& step : steps_) {
    if (step.kind == Kind::kReplace) {
      GIST_ASSIGN_OR_RETURN(
          made, Replaced(made, patterns_[patterns++], step.content, budget));
    } else if (IsPrepend(step)) {
      if (continues || made.empty() || (step.at_start_alone && !is_first) ||
          (step.kind == Kind::kPrependUnlessThere &&
           made.starts_with(step.content))) {
        continue;
      }
      made.insert(0, step.content);
    } else {
      GIST_ASSIGN_OR_RETURN(made, ToForm(made, step.kind));
    }
  }
  return made;
}

bool Normalizer::prepends() const {
  return std::ranges::any_of(steps_, IsPrepend);
}

}  // namespace gist
