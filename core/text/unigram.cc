#include "core/text/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/text/bert_classes.h"
#include "core/text/unigram_words.h"
#include "core/text/words/code_points.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr double kUnknownPenalty = 10;  // below the least probable piece

// Is the character at `at` a word to BERT, punctuation or an ideograph?
bool StandsAlone(std::string_view text, size_t at) {
  const BertClass kind = BertClassOf(CodePointAt(text, at));
  return kind == BertClass::kPunctuation || kind == BertClass::kIdeograph;
}

absl::StatusOr<int32_t> IdOf(
    std::string_view name,
    const std::vector<std::pair<std::string, double>>& pieces) {
  const auto found =
      std::ranges::find(pieces, name, &std::pair<std::string, double>::first);
  if (found != pieces.end()) return int32_t(found - pieces.begin());
  return absl::DataLossError(
      fmt::format("unigram: no {} among the {} pieces, want XLM-RoBERTa's",
                  name, pieces.size()));
}

}  // namespace

struct Unigram::Impl {
  struct Piece {
    std::string text;
    double score = 0;  // log probability
    int32_t id = 0;
  };
  // The best way to the end of a word's first bytes.
  struct Node {
    double score = -std::numeric_limits<double>::infinity();
    uint32_t chars = 0;  // of its last piece; 0: no way
    int32_t id = 0;
  };

  bool IsSpecial(int32_t id) const {
    return id == unknown || id == pad || id == first || id == last;
  }
  std::vector<Node> BestPaths(std::string_view word,
                              std::span<const UnigramChar> chars) const;
  void AppendWord(std::string_view text, const UnigramWordReader& reader,
                  std::vector<SentenceToken>* tokens) const;

  std::vector<Piece> pieces;  // in the order of their bytes
  double unknown_score = 0;
  int32_t unknown = 0, pad = 0, first = 0, last = 0;
  int vocab_size = 0;
  Charsmap charsmap;
  UnigramWords words = UnigramWords::kWhitespace;
};

std::vector<Unigram::Impl::Node> Unigram::Impl::BestPaths(
    std::string_view word, std::span<const UnigramChar> chars) const {
  std::vector<Node> nodes(chars.size() + 1);
  nodes[0].score = 0;
  size_t start = 0;  // bytes of the first i characters
  for (size_t i = 0; i < chars.size(); ++i) {
    const auto offer = [&](size_t end, double score, int32_t id) {
      score += nodes[i].score;
      if (nodes[end].chars > 0 && score <= nodes[end].score) return;
      nodes[end] = {score, uint32_t(end - i), id};
    };
    bool is_known = false;
    std::span<const Piece> rest = pieces;  // that begin with word[i, end)
    for (size_t end = i + 1; end <= chars.size(); ++end) {
      const auto prefix = word.substr(start, chars[end - 1].word_end - start);
      const auto beginning = [&](const Piece& piece) {
        return std::string_view(piece.text).substr(0, prefix.size());
      };
      rest = {std::ranges::lower_bound(rest, prefix, {}, beginning),
              std::ranges::upper_bound(rest, prefix, {}, beginning)};
      if (rest.empty()) break;
      if (rest.front().text.size() > prefix.size()) continue;
      offer(end, rest.front().score, rest.front().id);
      is_known = is_known || end == i + 1;
    }
    if (!is_known) offer(i + 1, unknown_score, unknown);
    start = chars[i].word_end;
  }
  return nodes;
}

void Unigram::Impl::AppendWord(std::string_view text,
                               const UnigramWordReader& reader,
                               std::vector<SentenceToken>* tokens) const {
  const std::vector<UnigramChar>& chars = reader.chars();
  const std::vector<Node> nodes = BestPaths(reader.word(), chars);
  std::vector<SentenceToken> found;  // the last one first
  for (size_t end = chars.size(); end > 0; end -= nodes[end].chars) {
    const auto& [score, length, id] = nodes[end];
    const uint32_t begin = chars[end - length].begin;
    if (id == unknown && !found.empty() && found.back().id == unknown) {
      found.back().begin = begin;
    } else {
      found.push_back({id, begin, chars[end - 1].end, false});
    }
  }
  // A mark alone may be white space: nothing to begin with.
  const bool is_mark = reader.word() == kWordMark;
  for (size_t i = found.size(); i-- > 0;) {
    SentenceToken& token = found[i];
    if (tokens->empty()) {
      token.starts_word = true;
    } else if (!is_mark && token.begin >= tokens->back().end) {
      token.starts_word = i + 1 == found.size() ||
                          StandsAlone(text, token.begin) ||
                          StandsAlone(text, CharStart(text, token.begin - 1));
    }
    tokens->push_back(token);
  }
}

Unigram::Unigram(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Unigram::~Unigram() = default;

absl::StatusOr<std::unique_ptr<Unigram>> Unigram::Create(UnigramSpec spec) {
  auto impl = std::make_unique<Impl>();
  GIST_ASSIGN_OR_RETURN(impl->first, IdOf("<s>", spec.pieces));
  GIST_ASSIGN_OR_RETURN(impl->last, IdOf("</s>", spec.pieces));
  GIST_ASSIGN_OR_RETURN(impl->pad, IdOf("<pad>", spec.pieces));
  const size_t count = spec.pieces.size();
  if (count > std::numeric_limits<int32_t>::max() || spec.unknown_id < 0 ||
      size_t(spec.unknown_id) >= count || spec.is_special.size() != count) {
    return absl::DataLossError(
        fmt::format("unigram: the unknown piece is {} of {}, want one of them",
                    spec.unknown_id, count));
  }
  impl->unknown = spec.unknown_id;
  double least = std::numeric_limits<double>::infinity();
  for (size_t id = 0; id < count; ++id) {
    auto& [text, score] = spec.pieces[id];
    if (text.empty() || FirstInvalidUtf8(text) != text.size() ||
        !std::isfinite(score)) {
      return absl::DataLossError(fmt::format(
          "unigram: piece {} is {} with score {}, want UTF-8 and a number", id,
          Quoted(text), score));
    }
    least = std::min(least, score);
    if (spec.is_special[id] || impl->IsSpecial(int32_t(id))) continue;
    impl->pieces.push_back({std::move(text), score, int32_t(id)});
  }
  // Of two that are alike the later one counts, as in `tokenizers`.
  std::ranges::stable_sort(impl->pieces, {}, &Impl::Piece::text);
  const auto same = [](const Impl::Piece& a, const Impl::Piece& b) {
    return a.text == b.text;
  };
  const auto end =
      std::unique(impl->pieces.rbegin(), impl->pieces.rend(), same);
  impl->pieces.erase(impl->pieces.begin(), end.base());
  impl->unknown_score = least - kUnknownPenalty;
  impl->vocab_size = int(count);
  impl->charsmap = std::move(spec.charsmap);
  impl->words = spec.words;
  return std::unique_ptr<Unigram>(new Unigram(std::move(impl)));
}

void Unigram::Append(std::string_view text, size_t max_tokens,
                     std::vector<SentenceToken>* tokens) const {
  UnigramWordReader reader(text, impl_->charsmap, impl_->words);
  while (tokens->size() < max_tokens && reader.Next()) {
    impl_->AppendWord(text, reader, tokens);
  }
}

int32_t Unigram::pad_id() const { return impl_->pad; }
int32_t Unigram::unknown_id() const { return impl_->unknown; }
int32_t Unigram::first_id() const { return impl_->first; }
int32_t Unigram::last_id() const { return impl_->last; }
int Unigram::vocab_size() const { return impl_->vocab_size; }

}  // namespace gist
