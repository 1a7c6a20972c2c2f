// BPE, of bytes or of characters: text <-> token ids.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/words/normalizer.h"
#include "core/text/words/pre_tokenizer.h"

namespace gist {

// What the letters of a token stand for.
enum class TokenizerKind : uint8_t {
  kByteLevel,      // bytes, in GPT-2's printable alphabet
  kSentencePiece,  // themselves; U+2581 for a space, <0x0A> for a lone byte
};

// Whether a special token of a template takes the white space beside it.
struct SpaceAround {
  bool strip_left = false, strip_right = false;
};

// What a model file says about its tokenizer.
struct TokenizerSpec {
  // GGUF's tokenizer.ggml.pre, such as "smollm" (FindPreTokenizer). It sets
  // `normalizer`, `words` and `ignore_merges`; empty: those below hold.
  std::string pre_tokenizer;
  std::vector<std::string> tokens;  // by id, as `kind` says
  std::vector<std::string> merges;  // "left right", best first
  // GGUF's, one for each token: 1 normal, 2 unknown, 3 control (special), 4
  // user-defined (written as it is), 5 unused, 6 byte.
  std::vector<int64_t> token_types;
  TokenizerKind kind = TokenizerKind::kByteLevel;
  // By id, of a SentencePiece model: its merges, if `merges` is empty.
  std::vector<double> scores;
  std::vector<NormalizerStep> normalizer;
  std::vector<SplitStep> words;
  bool ignore_merges = false;  // a word that is a token is that token
  // Neighbouring characters that no token covers: one unknown token together,
  // else one each.
  bool fuse_unknown = true;
  // Empty: the token of type 2. If there is none, characters (or bytes) that no
  // token covers are dropped.
  std::optional<int32_t> unknown_id;
  std::map<int32_t, SpaceAround> space_around;
  // User-defined tokens that are found in the normalized text.
  std::vector<int32_t> normalized_ids;

  std::optional<int32_t> bos_id;
  std::optional<bool> add_bos;   // does a prompt begin with bos_id?
  std::vector<int32_t> end_ids;  // each ends an answer: eos, eot, eom
};

// What stands before a text.
enum class TextBegin : uint8_t {
  kNothing,      // it gets a space in front where the tokenizer puts one
  kBehindToken,  // the same, but for tokenizers that do it once a prompt
  kBehindText,   // it goes on from other text and gets none
};

struct EncodeOptions {
  TextBegin begin = TextBegin::kNothing;
  // Special tokens stand for themselves: the text is a template's, not a
  // user's.
  bool special = false;
};

// Immutable, thread-safe. Equal to the `tokenizers` package's BPE with the same
// vocabulary, but for the tokens in a text that mark turns.
class Tokenizer {
 public:
  // kUnimplemented: a pre-tokenizer that is not supported, named with those
  // that are. kDataLoss: tokens, merges and types that contradict each other.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(TokenizerSpec spec);
  ~Tokenizer();

  // `text`: valid UTF-8 (kInvalidArgument says at which byte it is not).
  // "<|im_end|>" in `text` is encoded as characters, never as the special one,
  // whether its type is control or user-defined. Other user-defined tokens are
  // found in a text. Like the reference it drops a byte that the vocabulary
  // lacks (SmolLM2: some control characters, and what begins with F1 to F3:
  // tags, rare planes). kResourceExhausted: the patterns of the file took
  // more steps than a text of this size is allowed (RegexBudget).
  absl::StatusOr<std::vector<int32_t>> Encode(
      std::string_view text, const EncodeOptions& options = {}) const;
  // The raw bytes of one token; empty for control tokens and ids out of range.
  std::string_view Bytes(int32_t id) const;
  // The same of a token of an answer: `is_first` drops the space that such a
  // tokenizer puts in front of a text.
  std::string_view AnswerBytes(int32_t id, bool is_first) const;
  // Id of a special token such as "<|im_end|>"; kNotFound names it.
  absl::StatusOr<int32_t> SpecialId(std::string_view token) const;
  int vocab_size() const;
  // Each id that Encode can give for a text that is no template's, in no order,
  // some twice. Control tokens and unused ones are none of them.
  std::vector<int32_t> TextIds() const;

  // TokenizerSpec's.
  std::optional<int32_t> bos_id() const;
  bool add_bos() const;
  const std::vector<int32_t>& end_ids() const;
  // Does Encode put a space in front of a text? Then decoded text begins with
  // one too.
  bool adds_space_prefix() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist
