// Tokens as a sentence encoder reads them, and where each stands in the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

// A token, and the bytes of the text that it stands for, white space left out.
// Offsets rise, but two tokens may share a character: WordPiece reads a Hangul
// syllable letter by letter.
struct SentenceToken {
  int32_t id = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
  bool starts_word = false;  // the text may be cut in front of it
};

// Immutable, thread-safe. Equal to the `tokenizers` package, without special
// tokens: "[SEP]" or "</s>" in a text is text.
class SentenceTokenizer {
 public:
  // Reads tokenizer.json, or else vocab.txt (one token a line, WordPiece), of a
  // model's `folder`. kNotFound: neither is there. kDataLoss: broken JSON, or a
  // vocabulary that WordPiece or Unigram refuses. kUnimplemented: a tokenizer
  // of another kind (BPE, cased WordPiece), named.
  static absl::StatusOr<std::unique_ptr<SentenceTokenizer>> Load(
      const std::string& folder);
  virtual ~SentenceTokenizer() = default;

  // `text`: valid UTF-8 (kInvalidArgument says at which byte it is not), less
  // than 4 GiB. Reads no further than `max_tokens` tokens.
  absl::StatusOr<std::vector<SentenceToken>> Encode(
      std::string_view text,
      size_t max_tokens = std::numeric_limits<size_t>::max()) const;

  virtual int32_t pad_id() const = 0;
  virtual int32_t unknown_id() const = 0;
  virtual int32_t first_id() const = 0;  // in front of each input of the model
  virtual int32_t last_id() const = 0;   // behind it
  virtual int vocab_size() const = 0;
  // A word of more characters is one unknown token.
  virtual int max_word_chars() const { return std::numeric_limits<int>::max(); }

 private:
  // `text` is valid. May append a word's tokens more than `max_tokens`.
  virtual void Append(std::string_view text, size_t max_tokens,
                      std::vector<SentenceToken>* tokens) const = 0;
};

}  // namespace gist
