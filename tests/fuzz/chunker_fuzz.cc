// Any bytes: the tokens and chunks of valid UTF-8 lie in order within it, and
// chunks are as long as they say and have a score; all else is
// kInvalidArgument. The first byte chooses the options.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/utf8.h"
#include "core/retrieval/bm25.h"
#include "core/retrieval/chunker.h"
#include "core/text/wordpiece.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

std::unique_ptr<WordPiece> Create() {
  auto made = WordPiece::Create(
      {.tokens = {"[PAD]",    "[UNK]",  "[CLS]", "[SEP]", "the",    "t",
                  "##t",      "e",      "##e",   "##he",  "a",      "##a",
                  ".",        ",",      "1",     "##1",   "\u1112", "##\u1161",
                  "##\u11AB", "\u6F22", "\"",    "[",     "]"}});
  FuzzCheck(made.ok(), "the vocabulary is sound");
  return *std::move(made);
}

void CheckTokens(const std::vector<SentenceToken>& tokens, size_t size) {
  uint32_t begin = 0;
  for (const SentenceToken& token : tokens) {
    FuzzCheck(token.begin < token.end && token.end <= size,
              "tokens lie in the text");
    FuzzCheck(begin <= token.begin, "tokens rise");
    begin = token.begin;
  }
}

void CheckChunks(std::string_view text, const WordPiece& tokenizer,
                 const ChunkOptions& options) {
  const auto chunks = ChunkText(text, tokenizer, options);
  FuzzCheck(chunks.ok(), "all UTF-8 is cut");
  size_t begin = 0, end = 0;
  std::vector<std::string_view> pieces;
  for (const Chunk& chunk : *chunks) {
    FuzzCheck(chunk.begin < chunk.end && chunk.end <= text.size(),
              "chunks lie in the text");
    FuzzCheck(end == 0 || (begin < chunk.begin && end < chunk.end),
              "chunks rise");
    FuzzCheck(chunk.tokens <= options.max_tokens &&
                  chunk.end - chunk.begin <= options.max_bytes,
              "chunks fit");
    pieces.push_back(chunk.TextIn(text));
    const auto alone = tokenizer.Encode(pieces.back());
    FuzzCheck(alone.ok() && int(alone->size()) == chunk.tokens,
              "a chunk alone has the same tokens");
    begin = chunk.begin;
    end = chunk.end;
  }
  if (pieces.empty()) return;
  for (const double score : Bm25Scores(pieces.front(), pieces)) {
    FuzzCheck(std::isfinite(score) && score >= 0, "a score is a number");
  }
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizer = gist::Create();
  const int choice = size > 0 ? data[0] : 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string_view text = bytes.substr(std::min<size_t>(1, size));
  const auto tokens = tokenizer->Encode(text);
  if (gist::FirstInvalidUtf8(text) != text.size()) {
    gist::FuzzCheck(absl::IsInvalidArgument(tokens.status()),
                    "only UTF-8 is read");
    return 0;
  }
  gist::FuzzCheck(tokens.ok(), "all UTF-8 is read");
  gist::CheckTokens(*tokens, text.size());
  gist::CheckChunks(text, *tokenizer,
                    {.max_tokens = 8 + choice % 16,
                     .overlap_tokens = choice / 16 % 5,
                     .max_bytes = size_t(64 + choice)});
  return 0;
}
