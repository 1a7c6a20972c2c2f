// What chunks are made of: words with all that clings to them. For the chunker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/retrieval/chunker.h"
#include "core/text/sentence_tokenizer.h"

namespace gist {

// How well a text may be cut between two units; better is greater.
enum class Cut : uint8_t { kPoor, kWord, kClause, kSentence, kParagraph };

// A word of BERT's (punctuation and ideographs are words), or a piece of one.
// Cut anywhere between words, a text has the same tokens.
struct TextUnit {
  size_t begin = 0;  // bytes, with the characters that the tokenizer drops
  size_t end = 0;
  int tokens = 0;
  Cut after = Cut::kPoor;  // between this unit and the next
  bool must_end = false;   // the next unit is the same word's next piece
};

// Units in order, without white space between them; each fits a chunk. All
// characters but white space are in one.
absl::StatusOr<std::vector<TextUnit>> SplitUnits(
    std::string_view text, const SentenceTokenizer& tokenizer,
    const ChunkOptions& options);

}  // namespace gist
