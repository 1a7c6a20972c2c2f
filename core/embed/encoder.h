// Sentence encoder: a text -> one unit vector, near to those of like meaning.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/embed/embedder.h"
#include "core/text/sentence_tokenizer.h"

namespace gist {

// A BERT or XLM-RoBERTa that pools by the mean or takes its first token, such
// as all-MiniLM-L6-v2 or paraphrase-multilingual-MiniLM-L12-v2. Sources:
// arXiv:1810.04805 (BERT), arXiv:1911.02116 (XLM-RoBERTa), arXiv:1908.10084
// (pooling). Equal to sentence-transformers, its prompts included, but that
// special tokens in a text are text. Weights are constant; calls do not change
// the encoder, but should come from one thread (LibTorch keeps a thread pool
// for each caller).
class SentenceEncoder {
 public:
  // `folder`: a model as sentence-transformers keeps it: config.json,
  // model.safetensors, tokenizer.json or vocab.txt. `device`: made ready by
  // PrepareDevice. kNotFound: a file is not there. kDataLoss: files that are
  // broken or contradict each other. kUnimplemented: another architecture,
  // activation, pooling or tokenizer, named with what is supported. kInternal:
  // LibTorch threw.
  static absl::StatusOr<std::unique_ptr<SentenceEncoder>> Load(
      const std::string& folder, const std::string& device = "cpu");
  ~SentenceEncoder();

  // Row-major [texts, dimensions]; each row has length 1, so that a product of
  // two is their cosine. The model reads the prompt of `kind` in front of each.
  // Of a text longer than max_text_tokens() the beginning is read; an empty one
  // has a vector too. Texts go through the model in batches of like length;
  // which others are there changes a row by rounding alone. kInvalidArgument: a
  // text is not UTF-8, with its index. kInternal: LibTorch threw.
  absl::StatusOr<std::vector<float>> Encode(
      std::span<const std::string_view> texts,
      TextKind kind = TextKind::kPassage) const;

  const SentenceTokenizer& tokenizer() const;
  int dimensions() const;
  // Without the first and the last id and the longer prompt.
  int max_text_tokens() const;
  int64_t weight_bytes() const;
  // Hex SHA-256 over weights, configuration, vocabulary and prompts: vectors of
  // two encoders compare only if these are equal.
  const std::string& fingerprint() const;

 private:
  struct Impl;
  explicit SentenceEncoder(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
