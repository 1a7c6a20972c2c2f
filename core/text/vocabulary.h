// A tokenizer's tokens and merges: one word to token ids.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/text/merge_table.h"
#include "core/text/tokenizer.h"

namespace gist {

// GGUF's token types, as in TokenizerSpec.
inline constexpr int64_t kNormalToken = 1;
inline constexpr int64_t kUnknownToken = 2;
inline constexpr int64_t kControlToken = 3;
inline constexpr int64_t kUserDefinedToken = 4;
inline constexpr int64_t kUnusedToken = 5;
inline constexpr int64_t kByteToken = 6;

// Immutable, thread-safe.
class Vocabulary {
 public:
  // kDataLoss: tokens, merges, scores, types and ids that contradict each
  // other.
  static absl::StatusOr<Vocabulary> Create(const TokenizerSpec& spec);

  // Appends the ids of `word`, normalized bytes between two borders of words.
  void AppendWord(std::string_view word, std::vector<int32_t>* ids) const;

  // Appends each id that AppendWord can give, in no order, some twice.
  void AppendMadeIds(std::vector<int32_t>* ids) const;

  std::string_view Bytes(int32_t id) const { return bytes_[id]; }
  int size() const { return static_cast<int>(bytes_.size()); }
  // -1: no control or user-defined token.
  int32_t SpecialId(std::string_view token) const;

 private:
  class Builder;
  Vocabulary() { byte_ids_.fill(-1); }

  void AppendCharacters(std::string_view word, std::vector<int32_t>* ids) const;
  bool AppendByteTokens(std::string_view character,
                        std::vector<int32_t>* ids) const;
  int32_t Find(std::string_view word) const;

  TokenizerKind kind_ = TokenizerKind::kByteLevel;
  bool ignore_merges_ = false, fuse_unknown_ = false;
  int32_t unknown_id_ = -1;
  MergeTable merges_;
  std::vector<std::string> bytes_;     // by id
  std::array<int32_t, 256> byte_ids_;  // -1: the vocabulary lacks the byte
  // Words as AppendWord takes them, where they are looked up whole.
  absl::flat_hash_map<std::string, int32_t> words_;
  absl::flat_hash_map<std::string, int32_t> special_;
};

}  // namespace gist
