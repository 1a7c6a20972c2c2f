// Cuts a text into overlapping chunks of whole sentences, measured by the
// embedder's own tokens.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/sentence_tokenizer.h"

namespace gist {

struct ChunkOptions {
  int max_tokens = 200;  // of a chunk, without special ones; at least 8
  // At most so many tokens at a chunk's end are also the next one's beginning;
  // at most half of max_tokens.
  int overlap_tokens = 40;
  // Also of a chunk; at least 64. Tokens do not bound it: to the embedder,
  // white space and control characters are nothing, a word it does not know is
  // one token.
  size_t max_bytes = 4096;
};

// Bytes [begin, end) of the text; neither end is white space.
struct Chunk {
  size_t begin = 0;
  size_t end = 0;
  // As Encode counts the chunk on its own; Unigram counts a mark more where it
  // begins within a word, behind punctuation or beside an ideograph.
  int tokens = 0;

  std::string_view TextIn(std::string_view document) const {
    return document.substr(begin, end - begin);
  }
};

// Chunks in the text's order, both ends rising; none for a text of white space.
// Every other character is in a chunk. A chunk ends, where one of these is in
// its last half, after a paragraph (its last quarter), a sentence, a clause, a
// line or a Korean final ending, else between two words. Its successor begins
// with the last sentences or clauses of it that make up at least half of
// `overlap_tokens`, else at a word. Words are cut only if they alone are too
// long for a chunk or, being over max_word_chars(), for the embedder: a piece
// of such a word shares no chunk with the next piece and is not repeated.
//
// `text`: as in SentenceTokenizer::Encode. kInvalidArgument: not UTF-8; options
// out of range. Time grows linearly with the text.
absl::StatusOr<std::vector<Chunk>> ChunkText(std::string_view text,
                                             const SentenceTokenizer& tokenizer,
                                             const ChunkOptions& options = {});

}  // namespace gist
