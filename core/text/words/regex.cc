#include "core/text/words/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/text/words/code_points.h"
#include "core/text/words/regex_syntax.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr size_t kMaxPatternBytes = 64 << 10;
// A step of a pattern of so many parts counts twice, and so on.
constexpr size_t kPartsOfAStep = 512;
constexpr uint32_t kMaxHeapKib = 64 << 10;

std::string Pcre2ErrorText(int code) {
  std::array<PCRE2_UCHAR, 256> text = {};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

absl::Status RegexBudget::Spent(std::string_view pattern) const {
  return absl::ResourceExhaustedError(fmt::format(
      "pattern {} spent the last of {} steps for a text of {} bytes; want a "
      "pattern whose steps do not grow faster than the text: take the model's "
      "own tokenizer, or cut long runs of one character from the text",
      Quoted(pattern), spent(), text_bytes_));
}

void Regex::FreeCode::operator()(pcre2_real_code_8* code) const {
  pcre2_code_free(code);
}

absl::StatusOr<Regex> Regex::Create(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return absl::UnimplementedError(
        fmt::format("pattern {}: {} bytes, want at most {}", Quoted(pattern),
                    pattern.size(), kMaxPatternBytes));
  }
  if (FirstInvalidUtf8(pattern) != pattern.size()) {
    return absl::DataLossError(
        fmt::format("pattern {}: want valid UTF-8", Quoted(pattern)));
  }
  GIST_ASSIGN_OR_RETURN(const Pcre2Pattern translated, ToPcre2(pattern));
  int error = 0;
  size_t offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.text.data()),
                          translated.text.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error,
                          &offset, nullptr));
  if (code == nullptr) {
    return absl::DataLossError(
        fmt::format("pattern {}: {}", Quoted(pattern), Pcre2ErrorText(error)));
  }
  // Without JIT (a kernel may forbid it) matching is slower, not different.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  const size_t parts = pattern.size() + translated.repeats;
  return Regex(std::move(code), pattern, 1 + parts / kPartsOfAStep);
}

absl::StatusOr<std::vector<TextRange>> Regex::FindAll(
    std::string_view text) const {
  RegexBudget budget(text.size());
  return Search(*this, &budget).FindAll(text);
}

void Regex::Search::Free::operator()(pcre2_real_match_data_8* match) const {
  pcre2_match_data_free(match);
}

void Regex::Search::Free::operator()(
    pcre2_real_match_context_8* context) const {
  pcre2_match_context_free(context);
}

Regex::Search::Search(const Regex& regex, RegexBudget* budget)
    : regex_(regex),
      budget_(*budget),
      match_(pcre2_match_data_create(1, nullptr)),
      limits_(pcre2_match_context_create(nullptr)) {
  if (limits_ == nullptr) return;
  pcre2_set_heap_limit(limits_.get(), kMaxHeapKib);
  pcre2_set_callout(limits_.get(), Count, this);
}

// Between two stops PCRE2 does no more than the pattern has parts, but for the
// characters of a repeat: those that it went over since the last stop.
int Regex::Search::Count(pcre2_callout_block_8* stop, void* search) {
  auto& self = *static_cast<Search*>(search);
  const size_t at = stop->current_position;
  const size_t way = at > self.at_ ? at - self.at_ : self.at_ - at;
  self.at_ = at;
  return self.budget_.Charge((1 + way) * self.regex_.weight_)
             ? 0
             : PCRE2_ERROR_CALLOUT;
}

// PCRE2's result.
int Regex::Search::Find(std::string_view text, size_t at) {
  const auto find = [&](uint32_t options) {
    return pcre2_match(regex_.code_.get(),
                       reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                       at, PCRE2_NO_UTF_CHECK | options, match_.get(),
                       limits_.get());
  };
  at_ = at;
  const int found = find(0);
  return found == PCRE2_ERROR_JIT_STACKLIMIT ? find(PCRE2_NO_JIT) : found;
}

absl::StatusOr<std::vector<TextRange>> Regex::Search::FindAll(
    std::string_view text) {
  if (match_ == nullptr || limits_ == nullptr) {
    return absl::ResourceExhaustedError("regex: out of memory");
  }
  const size_t* const ends = pcre2_get_ovector_pointer(match_.get());
  std::vector<TextRange> found;
  for (size_t at = 0; at <= text.size();) {
    const int result = Find(text, at);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result == PCRE2_ERROR_CALLOUT) return budget_.Spent(regex_.pattern_);
    if (result < 0) {
      return absl::ResourceExhaustedError(
          fmt::format("pattern {} at byte {}: {}", Quoted(regex_.pattern_), at,
                      Pcre2ErrorText(result)));
    }
    const TextRange range = {ends[0], ends[1]};
    if (range.begin == range.end && !found.empty() &&
        found.back().end == range.end) {
      if (at >= text.size()) break;
      at = CharEnd(text, at);
      continue;
    }
    found.push_back(range);
    at = range.end;
  }
  return found;
}

}  // namespace gist
