#include <cstdint>
#include <cstring>

#include "core/base/float16.h"
#include "core/format/gguf.h"

namespace gist {
namespace {

// Source of the block layouts: github.com/ggml-org/ggml, src/ggml-common.h.
constexpr int kBlock = 32;
constexpr int kHalf = kBlock / 2;

float HalfAt(const char* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return HalfToFloat(bits);
}

// The low nibbles are the block's first half, the high ones its second.
void Q4_0Block(const char* in, float* out) {
  const float scale = HalfAt(in);
  const auto* quants = reinterpret_cast<const uint8_t*>(in + 2);
  for (int i = 0; i < kHalf; ++i) out[i] = float((quants[i] & 15) - 8) * scale;
  for (int i = 0; i < kHalf; ++i)
    out[kHalf + i] = float((quants[i] >> 4) - 8) * scale;
}

void Q4_1Block(const char* in, float* out) {
  const float scale = HalfAt(in);
  const float minimum = HalfAt(in + 2);
  const auto* quants = reinterpret_cast<const uint8_t*>(in + 4);
  for (int i = 0; i < kHalf; ++i)
    out[i] = float(quants[i] & 15) * scale + minimum;
  for (int i = 0; i < kHalf; ++i)
    out[kHalf + i] = float(quants[i] >> 4) * scale + minimum;
}

void Q8_0Block(const char* in, float* out) {
  const float scale = HalfAt(in);
  const auto* quants = reinterpret_cast<const int8_t*>(in + 2);
  for (int i = 0; i < kBlock; ++i) out[i] = float(quants[i]) * scale;
}

template <void (*kDecode)(const char*, float*)>
void EachBlock(const GgufTensor& tensor, float* out) {
  const int64_t block_bytes = GgmlBlockOf(tensor.type).bytes;
  const int64_t blocks = tensor.Elements() / kBlock;
  for (int64_t i = 0; i < blocks; ++i)
    kDecode(tensor.data.data() + i * block_bytes, out + i * kBlock);
}

}  // namespace

void Dequantize(const GgufTensor& tensor, float* out) {
  switch (tensor.type) {
    case GgmlType::kF32:
      std::memcpy(out, tensor.data.data(), tensor.data.size());
      return;
    case GgmlType::kF16:
      return HalvesToFloats(tensor.data.data(), size_t(tensor.Elements()), out);
    case GgmlType::kQ4_0:
      return EachBlock<Q4_0Block>(tensor, out);
    case GgmlType::kQ4_1:
      return EachBlock<Q4_1Block>(tensor, out);
    case GgmlType::kQ8_0:
      return EachBlock<Q8_0Block>(tensor, out);
  }
}

}  // namespace gist
