// WordPiece, BERT's tokenizer: text -> token ids, and where each stands.
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

struct WordPieceSpec {
  std::vector<std::string> tokens;  // by id; "##" in front: goes on in a word
  int max_word_chars = 100;         // a longer word is one [UNK]
};

// A token, and the bytes of the text that it stands for, white space left out.
// Offsets rise, but two tokens may share a character: a Hangul syllable is read
// letter by letter.
struct WordPieceToken {
  int32_t id = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
  bool starts_word = false;
};

// Immutable, thread-safe. Equal to the `tokenizers` package for uncased BERT
// models, without special tokens: "[SEP]" in a text is text, three words.
// Source: arXiv:1609.08144, section 4.1; github.com/google-research/bert.
class WordPiece {
 public:
  // kDataLoss: no tokens, one twice, or no [PAD], [UNK], [CLS] or [SEP].
  static absl::StatusOr<std::unique_ptr<WordPiece>> Create(WordPieceSpec spec);
  // Reads tokenizer.json, or else vocab.txt (one token a line), of a model's
  // `folder`. kNotFound: neither is there. kDataLoss: as above, or broken JSON.
  // kUnimplemented: a tokenizer of another kind (BPE, cased), named.
  static absl::StatusOr<std::unique_ptr<WordPiece>> Load(
      const std::string& folder);
  ~WordPiece();

  // `text`: valid UTF-8 (kInvalidArgument says at which byte it is not), less
  // than 4 GiB. Reads no further than `max_tokens` tokens.
  absl::StatusOr<std::vector<WordPieceToken>> Encode(
      std::string_view text,
      size_t max_tokens = std::numeric_limits<size_t>::max()) const;

  int32_t pad_id() const;
  int32_t unknown_id() const;
  int32_t cls_id() const;  // in front of each input of the model
  int32_t sep_id() const;  // behind it
  int vocab_size() const;
  int max_word_chars() const;

 private:
  struct Impl;
  explicit WordPiece(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
