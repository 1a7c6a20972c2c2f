#include "core/text/wordpiece.h"

#include <algorithm>
#include <functional>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/text/bert_words.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr std::string_view kContinues = "##";

void AppendUtf8(char32_t c, std::string* out) {
  const auto put = [out](char32_t byte) { out->push_back(char(byte)); };
  const auto put_rest = [&](int shift) { put(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put_rest(6);
  } else {
    put(0xF0 | c >> 18);
    put_rest(12);
    put_rest(6);
  }
  put_rest(0);
}

// Characters of UTF-8.
size_t CharsOf(std::string_view text) {
  return size_t(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

struct WordPiece::Impl {
  // Looks up a std::string_view without making a std::string of it.
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using TokenIds =
      std::unordered_map<std::string, int32_t, Hash, std::equal_to<>>;

  // Appends the tokens of one word.
  void AppendWord(std::span<const BertChar> word,
                  std::vector<SentenceToken>* tokens) const;
  void AppendPieces(std::span<const BertChar> word,
                    std::vector<SentenceToken>* tokens) const;
  absl::Status AddToken(std::string token, int32_t id);
  absl::StatusOr<int32_t> Special(std::string_view token) const;

  TokenIds first;      // tokens that begin a word
  TokenIds next;       // tokens that go on in one, without "##"
  size_t longest = 0;  // characters of the longest token
  size_t max_word_chars = 0;
  int32_t pad = 0, unknown = 0, cls = 0, sep = 0;
};

absl::Status WordPiece::Impl::AddToken(std::string token, int32_t id) {
  const bool continues =
      token.starts_with(kContinues) && token.size() > kContinues.size();
  std::string text = continues ? token.substr(kContinues.size()) : token;
  longest = std::max(longest, CharsOf(text));
  const auto [at, is_new] =
      (continues ? next : first).try_emplace(std::move(text), id);
  if (is_new) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("wordpiece: tokens {} and {} are "
                  "both {}",
                  at->second, id, Quoted(token)));
}

absl::StatusOr<int32_t> WordPiece::Impl::Special(std::string_view token) const {
  if (const auto found = first.find(token); found != first.end()) {
    return found->second;
  }
  return absl::DataLossError(fmt::format(
      "wordpiece: no {} among the {} tokens, want a BERT vocabulary", token,
      first.size() + next.size()));
}

void WordPiece::Impl::AppendWord(std::span<const BertChar> word,
                                 std::vector<SentenceToken>* tokens) const {
  const size_t before = tokens->size();
  if (word.size() <= max_word_chars) AppendPieces(word, tokens);
  if (tokens->size() == before) {
    tokens->push_back({unknown, word.front().begin, word.back().end, true});
  }
}

// The longest token that fits, again and again; nothing where one is missing.
void WordPiece::Impl::AppendPieces(std::span<const BertChar> word,
                                   std::vector<SentenceToken>* tokens) const {
  std::string text;
  std::vector<uint32_t> starts;  // of each character in `text`, and its end
  for (const BertChar& c : word) {
    starts.push_back(uint32_t(text.size()));
    AppendUtf8(c.code_point, &text);
  }
  starts.push_back(uint32_t(text.size()));
  const size_t before = tokens->size();
  for (size_t begin = 0; begin < word.size();) {
    const TokenIds& known = begin == 0 ? first : next;
    size_t end = std::min(word.size(), begin + longest);
    auto found = known.end();
    for (; end > begin; --end) {
      found = known.find(std::string_view(text).substr(
          starts[begin], starts[end] - starts[begin]));
      if (found != known.end()) break;
    }
    if (found == known.end()) return tokens->resize(before);
    tokens->push_back(
        {found->second, word[begin].begin, word[end - 1].end, begin == 0});
    begin = end;
  }
}

WordPiece::WordPiece(std::unique_ptr<const Impl> impl)
    : impl_(std::move(impl)) {}
WordPiece::~WordPiece() = default;

absl::StatusOr<std::unique_ptr<WordPiece>> WordPiece::Create(
    WordPieceSpec spec) {
  if (spec.tokens.size() > std::numeric_limits<int32_t>::max()) {
    return absl::DataLossError(fmt::format(
        "wordpiece: {} tokens, want at most 2147483647", spec.tokens.size()));
  }
  if (spec.max_word_chars < 1) {
    return absl::DataLossError(
        fmt::format("wordpiece: words of {} characters at most, want 1 or more",
                    spec.max_word_chars));
  }
  auto impl = std::make_unique<Impl>();
  impl->max_word_chars = size_t(spec.max_word_chars);
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    GIST_RETURN_IF_ERROR(
        impl->AddToken(std::move(spec.tokens[id]), int32_t(id)));
  }
  GIST_ASSIGN_OR_RETURN(impl->pad, impl->Special("[PAD]"));
  GIST_ASSIGN_OR_RETURN(impl->unknown, impl->Special("[UNK]"));
  GIST_ASSIGN_OR_RETURN(impl->cls, impl->Special("[CLS]"));
  GIST_ASSIGN_OR_RETURN(impl->sep, impl->Special("[SEP]"));
  return std::unique_ptr<WordPiece>(new WordPiece(std::move(impl)));
}

void WordPiece::Append(std::string_view text, size_t max_tokens,
                       std::vector<SentenceToken>* tokens) const {
  BertWordReader words(text);
  while (tokens->size() < max_tokens && words.Next()) {
    impl_->AppendWord(words.word(), tokens);
  }
}

int32_t WordPiece::pad_id() const { return impl_->pad; }
int32_t WordPiece::unknown_id() const { return impl_->unknown; }
int32_t WordPiece::first_id() const { return impl_->cls; }
int32_t WordPiece::last_id() const { return impl_->sep; }
int WordPiece::vocab_size() const {
  return int(impl_->first.size() + impl_->next.size());
}
int WordPiece::max_word_chars() const { return int(impl_->max_word_chars); }

}  // namespace gist
