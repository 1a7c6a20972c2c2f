// Any bytes as a normalizer and a text: what is no charsmap is kDataLoss; by
// any other, tokens and chunks of valid UTF-8 lie in order within the text. The
// first byte counts the charsmap's bytes by sixteens; 0: none.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/utf8.h"
#include "core/retrieval/chunker.h"
#include "core/text/unigram.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

std::unique_ptr<Unigram> Create(Charsmap charsmap, UnigramWords words) {
  UnigramSpec spec{.pieces = {{"<s>", 0},
                              {"<pad>", 0},
                              {"</s>", 0},
                              {"<unk>", 0},
                              {"\u2581", -2},
                              {"\u2581the", -4},
                              {"t", -3},
                              {"he", -3.5},
                              {"e", -3},
                              {"a", -3},
                              {".", -3},
                              {"\uD55C", -5},
                              {"\u6F22", -5}},
                   .is_special = std::vector<bool>(13),
                   .unknown_id = 3,
                   .charsmap = std::move(charsmap),
                   .words = words};
  auto made = Unigram::Create(std::move(spec));
  FuzzCheck(made.ok(), "the vocabulary is sound");
  return *std::move(made);
}

void CheckTokens(const std::vector<SentenceToken>& tokens, size_t size) {
  uint32_t begin = 0, end = 0;
  for (const SentenceToken& token : tokens) {
    FuzzCheck(token.begin < token.end && token.end <= size,
              "tokens lie in the text");
    FuzzCheck(begin <= token.begin && end <= token.end, "tokens rise");
    begin = token.begin;
    end = token.end;
  }
}

void CheckChunks(std::string_view text, const Unigram& tokenizer) {
  const ChunkOptions options{.max_tokens = 8, .overlap_tokens = 2};
  const auto chunks = ChunkText(text, tokenizer, options);
  FuzzCheck(chunks.ok(), "all UTF-8 is cut");
  size_t begin = 0, end = 0;
  for (const Chunk& chunk : *chunks) {
    FuzzCheck(chunk.begin < chunk.end && chunk.end <= text.size(),
              "chunks lie in the text");
    FuzzCheck(end == 0 || (begin < chunk.begin && end < chunk.end),
              "chunks rise");
    begin = chunk.begin;
    end = chunk.end;
  }
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t begin = std::min<size_t>(1, size);
  const size_t end = std::min(size, begin + (size > 0 ? data[0] * 16 : 0));
  gist::Charsmap charsmap;
  if (end > begin) {
    auto created = gist::Charsmap::Create(bytes.substr(begin, end - begin));
    if (!created.ok()) {
      gist::FuzzCheck(absl::IsDataLoss(created.status()), "it says so");
      return 0;
    }
    charsmap = *std::move(created);
  }
  const std::string_view text = bytes.substr(end);
  if (gist::FirstInvalidUtf8(text) != text.size()) return 0;
  for (const auto words :
       {gist::UnigramWords::kWhitespace, gist::UnigramWords::kSpaces,
        gist::UnigramWords::kSpacesInside}) {
    const auto tokenizer = gist::Create(charsmap, words);
    const auto tokens = tokenizer->Encode(text);
    gist::FuzzCheck(tokens.ok(), "all UTF-8 is read");
    gist::CheckTokens(*tokens, text.size());
    gist::CheckChunks(text, *tokenizer);
  }
  return 0;
}
