// Byte-level BPE: text <-> token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

// What a model file says about its tokenizer.
struct TokenizerSpec {
  std::string pre_tokenizer;        // "smollm" or "gpt2" (GGUF's
                                    // tokenizer.ggml.pre; "gpt-2" means gpt2)
  std::vector<std::string> tokens;  // in GPT-2's printable byte alphabet
  std::vector<std::string> merges;  // "left right", best first
  // GGUF's, one for each token: 1 normal, 3 control (special), 4 user-defined
  // (special, written as it is); the others have no bytes and no use here.
  std::vector<int64_t> token_types;
};

// Immutable, thread-safe. Equal to the `tokenizers` package's BPE with the same
// vocabulary (no normalizer, no added prefix space).
class Tokenizer {
 public:
  // kUnimplemented: a pre-tokenizer that is not supported, named with those
  // that are. kDataLoss: tokens, merges and types that contradict each other.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(TokenizerSpec spec);
  ~Tokenizer();

  // `text`: valid UTF-8 (kInvalidArgument says at which byte it is not).
  // "<|im_end|>" in `text` is encoded as characters, never as the special one.
  // Like the reference it drops a byte that the vocabulary lacks (SmolLM2: some
  // control characters, and what begins with F1 to F3: tags, rare planes).
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text) const;
  // The raw bytes of one token; empty for control tokens and ids out of range.
  std::string_view Bytes(int32_t id) const;
  // Id of a special token such as "<|im_end|>"; kNotFound names it.
  absl::StatusOr<int32_t> SpecialId(std::string_view token) const;
  int vocab_size() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
