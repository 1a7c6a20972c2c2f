#include "core/text/unigram_words.h"

#include <utf8proc.h>

#include "core/text/words/code_points.h"

namespace gist {
UnigramWordReader::UnigramWordReader(std::string_view text,
                                     const Charsmap& charsmap,
                                     UnigramWords words)
    : text_(text), charsmap_(charsmap), words_(words) {
  if (words == UnigramWords::kSpacesInside) DropSpaceAtEnd();
}

void UnigramWordReader::DropSpaceAtEnd() {
  const auto is_space = [this](std::string_view character) {
    const auto mapped = charsmap_.Find(character).value_or(character);
    for (size_t i = 0; i < mapped.size(); i = CharEnd(mapped, i)) {
      if (!IsWhiteSpace(CodePointAt(mapped, i))) return false;
    }
    return true;
  };
  while (!text_.empty()) {
    const size_t last = CharStart(text_, text_.size() - 1);
    if (!is_space(text_.substr(last))) return;
    text_ = text_.substr(0, last);
  }
}

bool UnigramWordReader::Next() {
  word_.clear();
  chars_.clear();
  Char space;  // the last one in front of the word
  for (; Peek() && IsSeparator(queue_[queue_at_]); ++queue_at_) {
    space = queue_[queue_at_];
  }
  const bool any = Peek();
  const bool spaced = words_ != UnigramWords::kWhitespace && space.end > 0;
  if (!any && (!spaced || words_ == UnigramWords::kSpacesInside)) return false;
  if (!any || (spaced && queue_[queue_at_].bytes == kWordMark)) {
    Push({kWordMark, space.begin, space.end});  // nothing else in this word
    return true;
  }
  const Char& first = queue_[queue_at_];
  if (first.bytes != kWordMark) Push({kWordMark, first.begin, first.end});
  do Push(queue_[queue_at_++]);
  while (Peek() && !IsSeparator(queue_[queue_at_]) &&
         queue_[queue_at_].bytes != kWordMark);
  return true;
}

void UnigramWordReader::Push(const Char& c) {
  word_ += c.bytes;
  chars_.push_back({uint32_t(word_.size()), c.begin, c.end});
}

bool UnigramWordReader::Peek() {
  while (queue_at_ == queue_.size()) {
    if (at_ == text_.size()) return false;
    ReadGrapheme();
  }
  return true;
}

void UnigramWordReader::ReadGrapheme() {
  queue_.clear();
  queue_at_ = 0;
  const size_t begin = at_;
  utf8proc_int32_t state = 0;
  at_ = CharEnd(text_, begin);
  for (size_t last = begin; at_ < text_.size();) {
    if (utf8proc_grapheme_break_stateful(
            utf8proc_int32_t(CodePointAt(text_, last)),
            utf8proc_int32_t(CodePointAt(text_, at_)), &state)) {
      break;
    }
    last = at_;
    at_ = CharEnd(text_, at_);
  }
  const std::string_view cluster = text_.substr(begin, at_ - begin);
  constexpr size_t kMaxMappedBytes = 5;  // longer ones only by characters
  if (cluster.size() <= kMaxMappedBytes) {
    if (const auto mapped = charsmap_.Find(cluster)) {
      return AppendChars(*mapped, begin, at_);
    }
  }
  for (size_t i = begin, end = i; i < at_; i = end) {
    end = CharEnd(text_, i);
    const std::string_view character = text_.substr(i, end - i);
    AppendChars(charsmap_.Find(character).value_or(character), i, end);
  }
}

// What bytes [begin, end) of the text were mapped to.
void UnigramWordReader::AppendChars(std::string_view mapped, size_t begin,
                                    size_t end) {
  for (size_t i = 0, next = i; i < mapped.size(); i = next) {
    next = CharEnd(mapped, i);
    queue_.push_back(
        {mapped.substr(i, next - i), uint32_t(begin), uint32_t(end)});
  }
}

bool UnigramWordReader::IsSeparator(const Char& c) const {
  return words_ == UnigramWords::kWhitespace
             ? IsWhiteSpace(CodePointAt(c.bytes, 0))
             : c.bytes == " ";
}

}  // namespace gist
