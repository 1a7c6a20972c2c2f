#include "core/retrieval/text_units.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/base/status.h"
#include "core/retrieval/text_cuts.h"
#include "core/text/bert_words.h"
#include "core/text/words/code_points.h"

namespace gist {
namespace {

// What of a gap between two words belongs to them: [begin, left) to the one
// before, [right, end) to the one after. Between is white space alone.
struct Gap {
  size_t left, right;
};

Gap ReadGap(std::string_view text, size_t begin, size_t end) {
  Gap gap{end, end};  // no white space: all to the left
  size_t ink = begin;
  for (size_t at = begin; at < end;) {
    const bool is_space = IsWhiteSpace(CodePointAt(text, at));
    at = CharEnd(text, at);
    if (is_space) {
      gap = {ink, at};
    } else {
      ink = at;
    }
  }
  return gap;
}

// [begin, end) without white space at its ends; empty if it is nothing else.
TextUnit Trimmed(std::string_view text, size_t begin, size_t end) {
  TextUnit unit{.begin = end, .end = end};
  for (size_t at = begin; at < end;) {
    const size_t next = CharEnd(text, at);
    if (!IsWhiteSpace(CodePointAt(text, at))) {
      if (unit.begin == end) unit.begin = at;
      unit.end = next;
    }
    at = next;
  }
  return unit;
}

// Joins tokens to words, and gives each the dropped characters around it.
class UnitReader {
 public:
  UnitReader(std::string_view text, std::span<const SentenceToken> tokens)
      : text_(text), tokens_(tokens) {}

  std::vector<TextUnit> Read() {
    const TextUnit all = Trimmed(text_, 0, text_.size());
    if (all.begin == all.end) return {};
    if (tokens_.empty()) return {all};  // dropped characters alone
    for (const SentenceToken& token : tokens_) {
      if (token.starts_word) StartWord(token.begin);
      units_.back().end = std::max<size_t>(units_.back().end, token.end);
      ++units_.back().tokens;
    }
    units_.front().begin = all.begin;
    units_.back().end = all.end;
    return std::move(units_);
  }

 private:
  void StartWord(size_t begin) {
    if (units_.empty()) return units_.push_back({.begin = begin, .end = begin});
    const size_t end = units_.back().end;
    const Gap gap = ReadGap(text_, end, std::max(begin, end));
    units_.back().end = gap.left;
    units_.push_back({.begin = gap.right, .end = gap.right});
  }

  std::string_view text_;
  std::span<const SentenceToken> tokens_;
  std::vector<TextUnit> units_;
};

// Cuts units that do not fit a chunk or, as words, the tokenizer.
class UnitSplitter {
 public:
  UnitSplitter(std::string_view text, const SentenceTokenizer& tokenizer,
               const ChunkOptions& options)
      : text_(text),
        tokenizer_(tokenizer),
        options_(options),
        max_chars_(
            size_t(std::min(options.max_tokens, tokenizer.max_word_chars()))) {}

  absl::Status Append(const TextUnit& unit, std::vector<TextUnit>* out) {
    ReadChars(unit);
    if (unit.end - unit.begin <= options_.max_bytes &&
        unit.tokens <= options_.max_tokens &&
        chars_.size() <= size_t(tokenizer_.max_word_chars())) {
      out->push_back(unit);
      return absl::OkStatus();
    }
    const size_t before = out->size();
    for (size_t begin = unit.begin; begin < unit.end;) {
      size_t end = PieceEnd(begin, unit.end);
      GIST_ASSIGN_OR_RETURN(TextUnit piece, PieceOf(begin, end));
      // A character may be many tokens where the tokenizer is not BERT's.
      while (piece.tokens > options_.max_tokens &&
             CharEnd(text_, begin) < end) {
        end = std::max(CharStart(text_, begin + (end - begin) / 2),
                       CharEnd(text_, begin));
        GIST_ASSIGN_OR_RETURN(piece, PieceOf(begin, end));
      }
      while (next_ > 0 && chars_[next_ - 1].begin >= end) --next_;
      begin = end;
      if (piece.begin == piece.end) continue;
      if (out->size() > before) out->back().must_end = true;
      out->push_back(piece);
    }
    return absl::OkStatus();
  }

 private:
  // [begin, end), and its tokens.
  absl::StatusOr<TextUnit> PieceOf(size_t begin, size_t end) const {
    TextUnit piece = Trimmed(text_, begin, end);
    GIST_ASSIGN_OR_RETURN(
        const auto tokens,
        tokenizer_.Encode(text_.substr(piece.begin, piece.end - piece.begin)));
    piece.tokens = int(tokens.size());
    return piece;
  }

  // The unit's normalized characters, in the text's order. A character in the
  // text is up to four of them, so only long units can have too many.
  void ReadChars(const TextUnit& unit) {
    chars_.clear();
    next_ = 0;
    if ((unit.end - unit.begin) * 4 <= max_chars_) return;
    BertWordReader words(text_.substr(unit.begin, unit.end - unit.begin));
    while (words.Next()) {
      for (BertChar c : words.word()) {
        chars_.push_back({c.begin + unit.begin, c.end + unit.begin});
      }
    }
    std::ranges::stable_sort(chars_, {}, &Char::begin);
  }

  // Behind as many characters as fit and what was dropped after them.
  size_t PieceEnd(size_t begin, size_t unit_end) {
    const size_t most = std::min(unit_end, begin + options_.max_bytes);
    const size_t first = next_;
    while (next_ < chars_.size() && chars_[next_].end <= most) {
      size_t after = next_ + 1;  // of what shares one character of the text
      while (after < chars_.size() &&
             chars_[after].begin == chars_[next_].begin) {
        ++after;
      }
      if (after - first > max_chars_ && next_ > first) break;
      next_ = after;
    }
    const size_t end = next_ < chars_.size() ? chars_[next_].begin : unit_end;
    return end > begin && end <= most
               ? end
               : CharStart(text_.substr(0, unit_end), most);
  }

  struct Char {
    size_t begin, end;
  };

  std::string_view text_;
  const SentenceTokenizer& tokenizer_;
  const ChunkOptions& options_;
  const size_t max_chars_;
  std::vector<Char> chars_;
  size_t next_ = 0;  // of chars_, the first not in a piece yet
};

}  // namespace

absl::StatusOr<std::vector<TextUnit>> SplitUnits(
    std::string_view text, const SentenceTokenizer& tokenizer,
    const ChunkOptions& options) {
  GIST_ASSIGN_OR_RETURN(const auto tokens, tokenizer.Encode(text));
  UnitSplitter splitter(text, tokenizer, options);
  std::vector<TextUnit> units;
  for (const TextUnit& unit : UnitReader(text, tokens).Read()) {
    GIST_RETURN_IF_ERROR(splitter.Append(unit, &units));
  }
  RateCuts(text, &units);
  return units;
}

}  // namespace gist
