// WordPiece, the tokenizer of uncased BERT models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/sentence_tokenizer.h"

namespace gist {

struct WordPieceSpec {
  std::vector<std::string> tokens;  // by id; "##" in front: goes on in a word
  int max_word_chars = 100;         // a longer word is one [UNK]
};

// A Hangul syllable is read letter by letter, so tokens may share it.
// Source: arXiv:1609.08144, section 4.1; github.com/google-research/bert.
class WordPiece final : public SentenceTokenizer {
 public:
  // kDataLoss: no tokens, one twice, or no [PAD], [UNK], [CLS] or [SEP].
  static absl::StatusOr<std::unique_ptr<WordPiece>> Create(WordPieceSpec spec);
  ~WordPiece() override;

  int32_t pad_id() const override;
  int32_t unknown_id() const override;
  int32_t first_id() const override;  // [CLS]
  int32_t last_id() const override;   // [SEP]
  int vocab_size() const override;
  int max_word_chars() const override;

 private:
  struct Impl;
  explicit WordPiece(std::unique_ptr<const Impl> impl);
  void Append(std::string_view text, size_t max_tokens,
              std::vector<SentenceToken>* tokens) const override;

  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
