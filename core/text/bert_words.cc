#include "core/text/bert_words.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <iterator>

#include "core/text/bert_classes.h"

namespace gist {
namespace {

int CombiningClass(const BertChar& c) {
  return utf8proc_get_property(utf8proc_int32_t(c.code_point))->combining_class;
}

// Marks of one run, by their combining class; as in `tokenizers`, the bytes
// stay in the text's order.
void OrderRun(std::span<BertChar> run) {
  std::vector<BertChar> places;
  std::ranges::copy_if(run, std::back_inserter(places),
                       [](const BertChar& c) { return !c.shares; });
  std::ranges::stable_sort(run, {}, CombiningClass);
  auto place = places.begin();
  for (size_t i = 0; i < run.size(); ++i) {
    if (run[i].shares && i == 0) continue;  // the base character's
    const BertChar& from = run[i].shares ? run[i - 1] : *place++;
    run[i].begin = from.begin;
    run[i].end = from.end;
  }
}

// Does canonical order leave it where it is? The reference does not move marks
// that are younger than its tables.
bool IsStarter(const BertChar& c) {
  const BertClass kind = BertClassOf(c.code_point);
  return (kind != BertClass::kMark && kind != BertClass::kOrdered) ||
         CombiningClass(c) == 0;
}

// Canonical order (UAX #15). Marks that BERT knows are dropped, so this matters
// for those it takes as letters.
void OrderMarks(std::vector<BertChar>* chars) {
  for (auto run = chars->begin(); run != chars->end();) {
    run = std::find_if_not(run, chars->end(), IsStarter);
    const auto end = std::find_if(run, chars->end(), IsStarter);
    if (end - run > 1) OrderRun({run, end});
    run = end;
  }
}

}  // namespace

bool BertWordReader::Next() {
  while (stretch_at_ == stretch_.size()) {
    if (at_ == text_.size()) return false;
    ReadStretch();
  }
  const auto is_punctuation = [](const BertChar& c) {
    return BertClassOf(c.code_point) == BertClass::kPunctuation;
  };
  const auto begin = stretch_.begin() + ptrdiff_t(stretch_at_);
  auto end = std::find_if(begin, stretch_.end(), is_punctuation);
  if (end == begin) ++end;
  word_ = {begin, end};
  stretch_at_ += word_.size();
  return true;
}

// Up to the next space, or one ideograph.
void BertWordReader::ReadStretch() {
  stretch_.clear();
  stretch_at_ = 0;
  while (at_ < text_.size()) {
    utf8proc_int32_t code_point = 0;
    const auto length = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(text_.data()) + at_,
        utf8proc_ssize_t(text_.size() - at_), &code_point);
    assert(length > 0);
    const BertClass kind = BertClassOf(char32_t(code_point));
    const bool is_ideograph = kind == BertClass::kIdeograph;
    if (is_ideograph && !stretch_.empty()) break;
    const auto begin = uint32_t(at_);
    at_ += size_t(length);
    if (kind == BertClass::kSpace) break;
    if (kind == BertClass::kDropped) continue;
    AppendDecomposed(char32_t(code_point), begin, uint32_t(at_));
    if (is_ideograph) break;
  }
  FinishStretch();
}

void BertWordReader::AppendDecomposed(char32_t code_point, uint32_t begin,
                                      uint32_t end) {
  if (code_point < 0x80)
    return stretch_.push_back({code_point, begin, end, false});
  std::array<utf8proc_int32_t, 8> parts = {};  // at most 4 (UAX #15)
  const auto count =
      utf8proc_decompose_char(utf8proc_int32_t(code_point), parts.data(),
                              parts.size(), UTF8PROC_DECOMPOSE, nullptr);
  assert(count > 0 && size_t(count) <= parts.size());
  for (ptrdiff_t i = 0; i < count; ++i) {
    stretch_.push_back({char32_t(parts[size_t(i)]), begin, end, i > 0});
  }
}

// As the reference does it: order, then marks go, then lower case.
void BertWordReader::FinishStretch() {
  OrderMarks(&stretch_);
  std::erase_if(stretch_, [](const BertChar& c) {
    return BertClassOf(c.code_point) == BertClass::kMark;
  });
  for (BertChar& c : stretch_) {
    c.code_point = char32_t(utf8proc_tolower(utf8proc_int32_t(c.code_point)));
  }
}

}  // namespace gist
