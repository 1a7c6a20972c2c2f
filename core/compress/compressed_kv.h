// The keys and values that stand for a document, as a compression method made
// them and as a blob stores them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/gist_kv.h"

namespace gist {

// How one number of a key or value is held. kI4 is a reserved name: nothing
// reads or writes it yet.
enum class KvStorage { kF32, kF16, kBf16, kI8, kI4 };

// "f32", "f16", "bf16", "i8", "i4".
std::string_view KvStorageName(KvStorage storage);
std::optional<KvStorage> ParseKvStorage(std::string_view name);

// Each pair of layer and KV head has a number of slots of its own (a ragged
// list). A slot is one key and one value. Slots are ordered by layer, KV head
// and place.
//
// Keys are before RoPE, dimensions in the Hugging Face order (first half,
// second half). A slot with a position is rotated to that position when it is
// loaded; slots without positions come one after the other behind what the
// prompt holds.
//
// kI8 is symmetric: one scale for each slot's key and one for each slot's
// value, the largest magnitude over 127. A number is the integer times the
// scale.
struct CompressedKv {
  int layers = 0;
  int kv_heads = 0;
  int head_dim = 0;
  KvStorage storage = KvStorage::kF32;
  // [layers * kv_heads + 1]: head h (layer-major) has the slots from
  // first_slot[h] to below first_slot[h + 1].
  std::vector<uint32_t> first_slot = {};
  // Row-major [slots, head_dim] in `storage`, little-endian.
  std::string keys = {};
  std::string values = {};
  // [slots], bfloat16 bits; kI8 only.
  std::vector<uint16_t> key_scales = {};
  std::vector<uint16_t> value_scales = {};
  // [slots], or empty. Tokens of the document in front of the slot's own.
  std::vector<uint32_t> positions = {};
  // [slots], or empty. Added to the slot's attention score, before softmax.
  std::vector<float> bias = {};

  size_t Heads() const { return size_t(layers) * size_t(kv_heads); }
  size_t TotalSlots() const {
    return first_slot.empty() ? 0 : first_slot.back();
  }
  size_t Slots(int layer, int head) const {
    return End(layer, head) - Begin(layer, head);
  }
  // The slot counts are equal for all layers and heads.
  bool IsUniform() const;
  // The largest slot count of any layer and head: positions that a prompt
  // needs.
  size_t MostSlots() const;
  // Mean over layers and heads, rounded up.
  int64_t MeanSlots() const;
  // Bytes of keys, values, scales, positions and biases.
  int64_t Bytes() const;

  // Writes Slots(layer, head) * head_dim floats.
  void ReadKeys(int layer, int head, float* out) const;
  void ReadValues(int layer, int head, float* out) const;

  friend bool operator==(const CompressedKv&, const CompressedKv&) = default;

 private:
  size_t Begin(int layer, int head) const {
    return first_slot[size_t(layer) * size_t(kv_heads) + size_t(head)];
  }
  size_t End(int layer, int head) const {
    return first_slot[size_t(layer) * size_t(kv_heads) + size_t(head) + 1];
  }
};

int KvStorageBytes(KvStorage storage);

// What contradicts itself in `kv`; empty: nothing. Checks sizes against each
// other, that every head has a slot or more, and that every number is finite.
// Allocates nothing of the size that `kv` claims.
std::string CompressedKvProblem(const CompressedKv& kv);

// The same slots in `storage`. kF16 becomes kBf16 or kF32 if a number leaves
// the narrower range (over 65,504; beyond bfloat16's). `kv` is kF32, or has the
// storage already. kInvalidArgument: a number is not finite; a storage type
// that nothing writes yet; another source type.
absl::StatusOr<CompressedKv> InStorage(CompressedKv kv, KvStorage storage);

// OK: the slots can stand one after the other behind what a prompt holds. That
// takes one slot count for all heads, no biases, and no positions or those from
// 0 on in order. kUnimplemented otherwise; kInvalidArgument:
// CompressedKvProblem.
absl::Status CheckDense(const CompressedKv& kv);

// Dense keys and values, without positions, as kF32.
CompressedKv FromDense(const GistKv& dense);
// `kv` is uniform. Positions and biases are left out.
GistKv ToDense(const CompressedKv& kv);

// The slots of each head of parts[0], then of parts[1] ... `parts` are not
// empty, of one shape and one storage type; all have positions and biases or
// none. kInternal otherwise.
absl::StatusOr<CompressedKv> JoinKv(std::span<const CompressedKv> parts);

}  // namespace gist
