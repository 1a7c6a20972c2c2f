#include "core/compress/compressed_kv.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/base/float16.h"
#include "fmt/format.h"

namespace gist {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::array<std::string_view, 5> kStorageNames = {"f32", "f16", "bf16",
                                                           "i8", "i4"};

// Rows [begin, end) of `bytes` as floats.
void ReadRows(const CompressedKv& kv, const std::string& bytes,
              const std::vector<uint16_t>& scales, size_t begin, size_t end,
              float* out) {
  const size_t dim = size_t(kv.head_dim);
  const size_t count = (end - begin) * dim;
  const char* const in =
      bytes.data() + begin * dim * size_t(KvStorageBytes(kv.storage));
  switch (kv.storage) {
    case KvStorage::kF32:
      if (count > 0) std::memcpy(out, in, count * sizeof(float));
      return;
    case KvStorage::kF16:
      return HalvesToFloats(in, count, out);
    case KvStorage::kBf16:
      return Bfloat16sToFloats(in, count, out);
    case KvStorage::kI8:
      for (size_t i = 0; i < count; ++i) {
        const float scale = Bfloat16ToFloat(scales[begin + i / dim]);
        out[i] = float(static_cast<signed char>(in[i])) * scale;
      }
      return;
    case KvStorage::kI4:
      return;
  }
}

bool HasRightSizes(const CompressedKv& kv) {
  const size_t slots = kv.TotalSlots();
  size_t bytes = size_t(KvStorageBytes(kv.storage));
  if (__builtin_mul_overflow(bytes, slots, &bytes) ||
      __builtin_mul_overflow(bytes, size_t(kv.head_dim), &bytes)) {
    return false;
  }
  const size_t scales = kv.storage == KvStorage::kI8 ? slots : 0;
  return kv.keys.size() == bytes && kv.values.size() == bytes &&
         kv.key_scales.size() == scales && kv.value_scales.size() == scales &&
         (kv.positions.empty() || kv.positions.size() == slots) &&
         (kv.bias.empty() || kv.bias.size() == slots);
}

std::string ShapeProblem(const CompressedKv& kv) {
  if (kv.storage == KvStorage::kI4) return "storage i4, which is not read yet";
  if (kv.layers < 1 || kv.kv_heads < 1 || kv.head_dim < 1 ||
      kv.first_slot.size() != kv.Heads() + 1 || kv.first_slot.front() != 0) {
    return fmt::format("slot counts of {} heads, want {} layers of {} heads",
                       kv.first_slot.size() - size_t(!kv.first_slot.empty()),
                       kv.layers, kv.kv_heads);
  }
  if (std::ranges::adjacent_find(kv.first_slot, std::greater_equal()) !=
      kv.first_slot.end()) {
    return "a head without slots, want 1 or more";
  }
  if (HasRightSizes(kv)) return "";
  return fmt::format(
      "keys of {} B, values of {} B, {} and {} scales, {} positions and {} "
      "biases, want those of {} slots of {} numbers in {}",
      kv.keys.size(), kv.values.size(), kv.key_scales.size(),
      kv.value_scales.size(), kv.positions.size(), kv.bias.size(),
      kv.TotalSlots(), kv.head_dim, KvStorageName(kv.storage));
}

// Empty: all numbers are finite. Reads a slot at a time.
std::string NumberProblem(const CompressedKv& kv, const char* name,
                          const std::string& bytes,
                          const std::vector<uint16_t>& scales) {
  std::vector<float> row(size_t(kv.head_dim));
  for (size_t slot = 0; slot < kv.TotalSlots(); ++slot) {
    ReadRows(kv, bytes, scales, slot, slot + 1, row.data());
    for (size_t dim = 0; dim < row.size(); ++dim) {
      if (std::isfinite(row[dim])) continue;
      return fmt::format("{} hold {} at element {}, want finite numbers", name,
                         row[dim], slot * row.size() + dim);
    }
  }
  return "";
}

constexpr float kMaxHalf = 65504.0f;
constexpr float kMaxBfloat16 = 0x1.fep127f;

float LargestMagnitude(const std::string& float_bytes) {
  float largest = 0;
  for (size_t at = 0; at < float_bytes.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, float_bytes.data() + at, sizeof(value));
    largest = std::max(largest, std::fabs(value));
  }
  return largest;
}

// The narrowest type of F16, BF16 and F32 whose range holds every number.
KvStorage FloatStorage(const CompressedKv& kv) {
  const float largest =
      std::max(LargestMagnitude(kv.keys), LargestMagnitude(kv.values));
  if (largest <= kMaxHalf) return KvStorage::kF16;
  return largest <= kMaxBfloat16 ? KvStorage::kBf16 : KvStorage::kF32;
}

std::string Narrow(const std::string& float_bytes, KvStorage storage) {
  const auto narrow =
      storage == KvStorage::kF16 ? &FloatToHalf : &FloatToBfloat16;
  std::string bytes(float_bytes.size() / 2, '\0');
  for (size_t at = 0; at < float_bytes.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, float_bytes.data() + at, sizeof(value));
    const uint16_t bits = narrow(value);
    std::memcpy(bytes.data() + at / 2, &bits, sizeof(bits));
  }
  return bytes;
}

// The largest magnitude over 127 as bfloat16, rounded up so that no integer
// leaves [-127, 127].
uint16_t ScaleOf(std::span<const float> row) {
  float largest = 0;
  for (float value : row) largest = std::max(largest, std::fabs(value));
  const float wanted = largest / 127;
  const uint16_t bits = FloatToBfloat16(wanted);
  return Bfloat16ToFloat(bits) < wanted ? uint16_t(bits + 1) : bits;
}

void Quantize(const std::string& float_bytes, size_t dim, std::string& bytes,
              std::vector<uint16_t>& scales) {
  std::vector<float> row(dim);
  bytes.resize(float_bytes.size() / sizeof(float));
  scales.reserve(bytes.size() / dim);
  for (size_t first = 0; first < bytes.size(); first += dim) {
    std::memcpy(row.data(), float_bytes.data() + first * sizeof(float),
                dim * sizeof(float));
    scales.push_back(ScaleOf(row));
    const float scale = Bfloat16ToFloat(scales.back());
    for (size_t i = 0; i < dim; ++i) {
      const float number = scale > 0 ? std::nearbyint(row[i] / scale) : 0;
      bytes[first + i] =
          char(static_cast<signed char>(std::clamp(number, -127.0f, 127.0f)));
    }
  }
}

}  // namespace

std::string_view KvStorageName(KvStorage storage) {
  return kStorageNames[size_t(storage)];
}

std::optional<KvStorage> ParseKvStorage(std::string_view name) {
  const auto found = std::ranges::find(kStorageNames, name);
  if (found == kStorageNames.end()) return std::nullopt;
  return static_cast<KvStorage>(found - kStorageNames.begin());
}

int KvStorageBytes(KvStorage storage) {
  switch (storage) {
    case KvStorage::kF32:
      return 4;
    case KvStorage::kF16:
    case KvStorage::kBf16:
      return 2;
    case KvStorage::kI8:
    case KvStorage::kI4:
      return 1;
  }
  return 0;
}

bool CompressedKv::IsUniform() const {
  return TotalSlots() == MostSlots() * Heads();
}

size_t CompressedKv::MostSlots() const {
  uint32_t most = 0;
  for (size_t head = 0; head + 1 < first_slot.size(); ++head) {
    most = std::max(most, first_slot[head + 1] - first_slot[head]);
  }
  return most;
}

int64_t CompressedKv::MeanSlots() const {
  const size_t heads = std::max<size_t>(1, Heads());
  return int64_t((TotalSlots() + heads - 1) / heads);
}

int64_t CompressedKv::Bytes() const {
  return int64_t(keys.size() + values.size() +
                 (key_scales.size() + value_scales.size()) * sizeof(uint16_t) +
                 positions.size() * sizeof(uint32_t) +
                 bias.size() * sizeof(float));
}

void CompressedKv::ReadKeys(int layer, int head, float* out) const {
  ReadRows(*this, keys, key_scales, Begin(layer, head), End(layer, head), out);
}

void CompressedKv::ReadValues(int layer, int head, float* out) const {
  ReadRows(*this, values, value_scales, Begin(layer, head), End(layer, head),
           out);
}

std::string CompressedKvProblem(const CompressedKv& kv) {
  std::string problem = ShapeProblem(kv);
  if (problem.empty())
    problem = NumberProblem(kv, "keys", kv.keys, kv.key_scales);
  if (problem.empty())
    problem = NumberProblem(kv, "values", kv.values, kv.value_scales);
  for (size_t i = 0; problem.empty() && i < kv.bias.size(); ++i) {
    if (std::isfinite(kv.bias[i])) continue;
    problem =
        fmt::format("bias {} at slot {}, want finite numbers", kv.bias[i], i);
  }
  return problem;
}

absl::StatusOr<CompressedKv> InStorage(CompressedKv kv, KvStorage storage) {
  const std::string problem = CompressedKvProblem(kv);
  if (!problem.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("keys and values: {}", problem));
  }
  if (kv.storage == storage) return kv;
  if (kv.storage != KvStorage::kF32 || storage == KvStorage::kI4) {
    return absl::InvalidArgumentError(
        fmt::format("keys and values in {} cannot become {}",
                    KvStorageName(kv.storage), KvStorageName(storage)));
  }
  if (storage == KvStorage::kI8) {
    std::string keys, values;
    Quantize(kv.keys, size_t(kv.head_dim), keys, kv.key_scales);
    Quantize(kv.values, size_t(kv.head_dim), values, kv.value_scales);
    kv.keys = std::move(keys);
    kv.values = std::move(values);
    kv.storage = storage;
    return kv;
  }
  if (storage == KvStorage::kF16) storage = FloatStorage(kv);
  if (storage == KvStorage::kF32) return kv;
  kv.keys = Narrow(kv.keys, storage);
  kv.values = Narrow(kv.values, storage);
  kv.storage = storage;
  return kv;
}

absl::Status CheckDense(const CompressedKv& kv) {
  const std::string problem = CompressedKvProblem(kv);
  if (!problem.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("keys and values: {}", problem));
  }
  bool dense = kv.IsUniform() && kv.bias.empty();
  for (size_t slot = 0; dense && slot < kv.positions.size(); ++slot)
    dense = kv.positions[slot] == slot % kv.MostSlots();
  if (dense) return absl::OkStatus();
  return absl::UnimplementedError(
      "keys and values with ragged lists, biases or scattered positions cannot "
      "be loaded yet");
}

CompressedKv FromDense(const GistKv& dense) {
  CompressedKv kv{.layers = dense.layers,
                  .kv_heads = dense.kv_heads,
                  .head_dim = dense.head_dim,
                  .storage = KvStorage::kF32};
  for (size_t head = 0; head <= kv.Heads(); ++head) {
    kv.first_slot.push_back(uint32_t(head * size_t(dense.gist_tokens)));
  }
  const auto bytes = [](const std::vector<float>& numbers) {
    return std::string(reinterpret_cast<const char*>(numbers.data()),
                       numbers.size() * sizeof(float));
  };
  kv.keys = bytes(dense.keys);
  kv.values = bytes(dense.values);
  return kv;
}

GistKv ToDense(const CompressedKv& kv) {
  GistKv dense{.layers = kv.layers,
               .kv_heads = kv.kv_heads,
               .gist_tokens = int(kv.MostSlots()),
               .head_dim = kv.head_dim,
               .keys = {},
               .values = {}};
  dense.keys.resize(dense.Elements());
  dense.values.resize(dense.Elements());
  ReadRows(kv, kv.keys, kv.key_scales, 0, kv.TotalSlots(), dense.keys.data());
  ReadRows(kv, kv.values, kv.value_scales, 0, kv.TotalSlots(),
           dense.values.data());
  return dense;
}

namespace {

bool CanJoin(const CompressedKv& a, const CompressedKv& b) {
  return a.layers == b.layers && a.kv_heads == b.kv_heads &&
         a.head_dim == b.head_dim && a.storage == b.storage &&
         a.positions.empty() == b.positions.empty() &&
         a.bias.empty() == b.bias.empty();
}

// Appends items [begin, end) of `size` elements each, if there are any at all.
template <typename List>
void AppendSlots(const List& from, size_t begin, size_t end, size_t size,
                 List& out) {
  if (from.empty()) return;
  out.insert(out.end(), from.begin() + std::ptrdiff_t(begin * size),
             from.begin() + std::ptrdiff_t(end * size));
}

}  // namespace

absl::StatusOr<CompressedKv> JoinKv(std::span<const CompressedKv> parts) {
  const CompressedKv& first = parts.front();
  CompressedKv joined{.layers = first.layers,
                      .kv_heads = first.kv_heads,
                      .head_dim = first.head_dim,
                      .storage = first.storage};
  for (const CompressedKv& part : parts) {
    if (CanJoin(first, part)) continue;
    return absl::InternalError(
        "keys and values of several shapes cannot be joined");
  }
  const size_t row =
      size_t(first.head_dim) * size_t(KvStorageBytes(first.storage));
  joined.first_slot.push_back(0);
  for (size_t head = 0; head < first.Heads(); ++head) {
    for (const CompressedKv& part : parts) {
      const size_t begin = part.first_slot[head];
      const size_t end = part.first_slot[head + 1];
      AppendSlots(part.keys, begin, end, row, joined.keys);
      AppendSlots(part.values, begin, end, row, joined.values);
      AppendSlots(part.key_scales, begin, end, 1, joined.key_scales);
      AppendSlots(part.value_scales, begin, end, 1, joined.value_scales);
      AppendSlots(part.positions, begin, end, 1, joined.positions);
      AppendSlots(part.bias, begin, end, 1, joined.bias);
    }
    joined.first_slot.push_back(uint32_t(joined.keys.size() / row));
  }
  return joined;
}

}  // namespace gist
