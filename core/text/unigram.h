// Unigram, the tokenizer of multilingual encoders (XLM-RoBERTa's vocabulary).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/charsmap.h"
#include "core/text/sentence_tokenizer.h"

namespace gist {

// How normalized text falls into words, each with U+2581 in front.
enum class UnigramWords : uint8_t {
  kWhitespace,    // at white space
  kSpaces,        // at U+0020, however many; also after the last word
  kSpacesInside,  // at U+0020, however many; white space at the end is dropped
};

struct UnigramSpec {
  std::vector<std::pair<std::string, double>> pieces;  // by id, log probability
  std::vector<bool> is_special;  // by id: never found in a text
  int32_t unknown_id = 0;
  Charsmap charsmap;
  UnigramWords words = UnigramWords::kWhitespace;
};

// A word's most probable pieces. Source: arXiv:1804.10959, section 3.2;
// characters that no piece covers are one token together, as in SentencePiece.
class Unigram final : public SentenceTokenizer {
 public:
  // kDataLoss: no pieces, one that is empty, no UTF-8 or without a finite log
  // probability, no <s>, </s> or <pad>, or `unknown_id` out of range.
  static absl::StatusOr<std::unique_ptr<Unigram>> Create(UnigramSpec spec);
  ~Unigram() override;

  int32_t pad_id() const override;
  int32_t unknown_id() const override;
  int32_t first_id() const override;
  int32_t last_id() const override;
  int vocab_size() const override;

 private:
  struct Impl;
  explicit Unigram(std::unique_ptr<const Impl> impl);
  void Append(std::string_view text, size_t max_tokens,
              std::vector<SentenceToken>* tokens) const override;

  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
