#include "core/format/finite.h"

#include <algorithm>
#include <cstring>

namespace gist {
namespace {

constexpr int64_t kAtOnce = 4096;

// Whether `exponent` is all set in any of `count` numbers, each `stride` bytes
// behind the last: then its lowest bit, added, is carried to the sign. Without
// an early end, so that the loop vectorizes.
template <typename Bits>
inline bool AnySetEach(const char* bytes, int64_t stride, int64_t count,
                       Bits exponent) {
  const Bits lowest = Bits(exponent & -exponent);
  Bits any = 0;
  for (int64_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, bytes + i * stride, sizeof(bits));
    any |= Bits((bits & exponent) + lowest);
  }
  return (any & ~(Bits(-1) >> 1)) != 0;
}

template <typename Bits>
bool AnySet(const char* bytes, int64_t stride, int64_t count, Bits exponent) {
  if (stride == sizeof(Bits))
    return AnySetEach(bytes, sizeof(Bits), count, exponent);
  return AnySetEach(bytes, stride, count, exponent);
}

// The first of `count` blocks, each `stride` bytes behind the last, of whose
// first `numbers` numbers one is not finite.
template <typename Bits>
std::optional<int64_t> First(const char* bytes, int64_t stride, int64_t count,
                             Bits exponent, int64_t numbers = 1) {
  const auto any = [&](int64_t begin, int64_t blocks) {
    bool is_set = false;
    for (int64_t i = 0; i < numbers; ++i) {
      is_set |= AnySet(bytes + begin * stride + i * int64_t{sizeof(Bits)},
                       stride, blocks, exponent);
    }
    return is_set;
  };
  for (int64_t begin = 0; begin < count; begin += kAtOnce) {
    if (!any(begin, std::min(kAtOnce, count - begin))) continue;
    while (!any(begin, 1)) ++begin;
    return begin;
  }
  return std::nullopt;
}

constexpr uint32_t kFloatExponent = 0x7f800000;
constexpr uint16_t kHalfExponent = 0x7c00;
constexpr uint16_t kBfloat16Exponent = 0x7f80;

}  // namespace

std::optional<int64_t> FirstNonFinite(std::span<const float> values) {
  return First(reinterpret_cast<const char*>(values.data()), sizeof(float),
               int64_t(values.size()), kFloatExponent);
}

std::optional<int64_t> FirstNonFinite(const GgufTensor& tensor) {
  const char* data = tensor.data.data();
  const int64_t count = tensor.Elements();
  switch (tensor.type) {
    case GgmlType::kF32:
      return First(data, 4, count, kFloatExponent);
    case GgmlType::kF16:
      return First(data, 2, count, kHalfExponent);
    case GgmlType::kBF16:
      return First(data, 2, count, kBfloat16Exponent);
    default:
      break;
  }
  const GgmlBlock block = GgmlBlockOf(tensor.type);
  const auto first = First(data + block.halves_at, block.bytes,
                           count / block.elements, kHalfExponent, block.halves);
  if (!first) return std::nullopt;
  return *first * block.elements;
}

}  // namespace gist
