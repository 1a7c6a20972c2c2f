#include <cstdint>
#include <cstring>
#include <utility>

#include "core/base/float16.h"
#include "core/format/gguf.h"

#define GIST_INLINE inline __attribute__((always_inline))
// A clone's resolver runs before a sanitizer is set up.
#if defined(__x86_64__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GIST_CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define GIST_CLONES
#endif

namespace gist {
namespace {

using Byte = uint8_t;

// Blocks are decoded 16 elements at a time: integers of a byte in one vector,
// which are then scaled.
constexpr int kGroup = 16;
typedef Byte Bytes __attribute__((vector_size(kGroup)));
typedef int8_t Integers __attribute__((vector_size(kGroup)));
typedef uint32_t Words __attribute__((vector_size(kGroup)));
typedef uint64_t Pair __attribute__((vector_size(kGroup)));

template <typename T>
GIST_INLINE T Load(const Byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

GIST_INLINE float HalfAt(const Byte* from) {
  return HalfToFloat(Load<uint16_t>(from));
}

// kBits bits of each byte, from bit kShift on.
template <int kShift, int kBits>
GIST_INLINE Bytes Fields(const Byte* from) {
  return Load<Bytes>(from) >> kShift & Byte((1 << kBits) - 1);
}

// The low nibbles of 16 bytes are 16 elements, the high ones the next.
template <int kHalf>
GIST_INLINE Bytes Nibbles(const Byte* from) {
  return Fields<kHalf * 4, 4>(from);
}

// 16 where bit i of the two bytes at `from` is set, else 0.
GIST_INLINE Bytes FifthBits(const Byte* from) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr Bytes kBit = {1, 2, 4, 8, 16, 32, 64, 128,
                          1, 2, 4, 8, 16, 32, 64, 128};
  const Pair both = {from[0] * kOnes, from[1] * kOnes};
  return (Bytes)(((Bytes)both & kBit) == kBit) & Byte{16};
}

// What the nibbles of the IQ4 types stand for.
GIST_INLINE Integers IQ4Values(Bytes nibbles) {
  constexpr Integers kValues = {-127, -104, -83, -65, -49, -35, -22, -10,
                                1,    13,   25,  38,  53,  69,  89,  113};
#ifdef __clang__
  Integers values;
  for (int i = 0; i < kGroup; ++i) values[i] = kValues[nibbles[i]];
  return values;
#else
  return __builtin_shuffle(kValues, (Integers)nibbles);
#endif
}

// The first kCount of `integers` times `scale`, plus `offset` if there is one.
template <int kCount, bool kHasOffset = false>
GIST_INLINE void Scale(Integers integers, float scale, float* out,
                       float offset = 0) {
  int8_t in[kGroup];
  std::memcpy(in, &integers, sizeof(in));
  // Without it GCC unrolls the loop, and then makes no vectors of it.
#pragma GCC unroll 1
  for (int i = 0; i < kCount; ++i) {
    const float product = scale * float(in[i]);
    out[i] = kHasOffset ? product + offset : product;
  }
}

// By run of elements.
struct Scales {
  float scale[16];
  float offset[16];
};

// Of each type: the elements of a block, the elements that share a scale, and
// whether there are offsets. Read gives the scales, Group<i> the integers of
// the 16 elements from 16 i on.
// Source of the layouts: github.com/ggml-org/ggml, src/ggml-common.h.
template <int kBlockElements, int kScaleElements, bool kHasOffsets>
struct Layout {
  static constexpr int kElements = kBlockElements, kRun = kScaleElements;
  static constexpr bool kOffsets = kHasOffsets;
};

// Types that begin with a scale, or with a scale and a minimum.
template <bool kHasMinimum>
struct Simple : Layout<32, 32, kHasMinimum> {
  static GIST_INLINE void Read(const Byte* in, Scales& to) {
    to.scale[0] = HalfAt(in);
    if (kHasMinimum) to.offset[0] = HalfAt(in + 2);
  }
};

struct Q4_0 : Simple<false> {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    return (Integers)(Nibbles<kIndex>(in + 2) - Byte{8});
  }
};

struct Q4_1 : Simple<true> {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    return (Integers)Nibbles<kIndex>(in + 4);
  }
};

struct Q5_0 : Simple<false> {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    const Bytes fifth = FifthBits(in + 2 + kIndex * 2);
    return (Integers)((Nibbles<kIndex>(in + 6) | fifth) - Byte{16});
  }
};

struct Q5_1 : Simple<true> {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    const Bytes fifth = FifthBits(in + 4 + kIndex * 2);
    return (Integers)(Nibbles<kIndex>(in + 8) | fifth);
  }
};

struct Q8_0 : Simple<false> {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    return Load<Integers>(in + 2 + kIndex * 16);
  }
};

struct IQ4_NL : Simple<false> {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    return IQ4Values(Nibbles<kIndex>(in + 2));
  }
};

// Of the types of 256 elements, group kIndex belongs to run kIndex / 2 of 32
// elements, whose bits lie in 32 bytes; of these it has half kIndex % 2.
template <int kIndex>
constexpr int kRun32 = kIndex / 2;
template <int kIndex>
constexpr int kByte = kIndex % 2 * 16;

struct Q2_K : Layout<256, 16, true> {
  static GIST_INLINE void Read(const Byte* in, Scales& to) {
    Scale<16>((Integers)Fields<0, 4>(in), HalfAt(in + 80), to.scale);
    Scale<16>((Integers)Fields<4, 4>(in), -HalfAt(in + 82), to.offset);
  }
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    constexpr int kRun = kRun32<kIndex>;
    const Byte* low = in + 16 + kRun / 4 * 32 + kByte<kIndex>;
    return (Integers)Fields<kRun % 4 * 2, 2>(low);
  }
};

struct Q3_K : Layout<256, 16, false> {
  // Scale i has its low bits in nibble i of 8 bytes, its high ones in pair i of
  // the next 4, counted over the bytes first.
  static GIST_INLINE void Read(const Byte* in, Scales& to) {
    const auto low = Load<uint64_t>(in + 96);
    const auto high = Load<uint32_t>(in + 104);
    const Pair nibbles = {low, low >> 4};
    const Words pairs = {high, high >> 2, high >> 4, high >> 6};
    const Bytes bits = ((Bytes)nibbles & Byte{15}) | ((Bytes)pairs & Byte{3})
                                                         << 4;
    Scale<16>((Integers)(bits - Byte{32}), HalfAt(in + 108), to.scale);
  }
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    constexpr int kRun = kRun32<kIndex>;
    const Byte* low = in + 32 + kRun / 4 * 32 + kByte<kIndex>;
    const Bytes third = Fields<kRun, 1>(in + kByte<kIndex>) << 2;
    return (Integers)((Fields<kRun % 4 * 2, 2>(low) | third) - Byte{4});
  }
};

// A scale and a minimum for each 32 elements, of 6 bits, in three words: the
// first four scales and minima in the low bits of the first two. Of the others
// the third word has the low nibbles, the first two have the high bits.
struct SixBits : Layout<256, 32, true> {
  static GIST_INLINE void Read(const Byte* in, Scales& to) {
    constexpr uint32_t kLow6 = 0x3f3f3f3f, kLow4 = 0x0f0f0f0f,
                       kHigh2 = 0x30303030;
    const auto scales = Load<uint32_t>(in + 4);
    const auto minima = Load<uint32_t>(in + 8);
    const auto low = Load<uint32_t>(in + 12);
    const Words by_scale = {scales & kLow6,
                            (low & kLow4) | (scales >> 2 & kHigh2)};
    const Words by_minimum = {minima & kLow6,
                              (low >> 4 & kLow4) | (minima >> 2 & kHigh2)};
    Scale<8>((Integers)by_scale, HalfAt(in), to.scale);
    Scale<8>((Integers)by_minimum, -HalfAt(in + 2), to.offset);
  }
};

// A run has the low nibbles of its 32 bytes, the next run the high ones.
template <int kIndex>
GIST_INLINE Bytes RunNibbles(const Byte* from) {
  constexpr int kRun = kRun32<kIndex>;
  return Nibbles<kRun % 2>(from + kRun / 2 * 32 + kByte<kIndex>);
}

struct Q4_K : SixBits {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    return (Integers)RunNibbles<kIndex>(in + 16);
  }
};

struct Q5_K : SixBits {
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    const Bytes fifth = Fields<kRun32<kIndex>, 1>(in + 16 + kByte<kIndex>) << 4;
    return (Integers)(RunNibbles<kIndex>(in + 48) | fifth);
  }
};

struct Q6_K : Layout<256, 16, false> {
  static GIST_INLINE void Read(const Byte* in, Scales& to) {
    Scale<16>(Load<Integers>(in + 192), HalfAt(in + 208), to.scale);
  }
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    constexpr int kHalf = kRun32<kIndex> / 4, kQuarter = kRun32<kIndex> % 4;
    const Byte* low = in + kHalf * 64 + kQuarter % 2 * 32 + kByte<kIndex>;
    const Byte* high = in + 128 + kHalf * 32 + kByte<kIndex>;
    const Bytes top = Fields<kQuarter * 2, 2>(high) << 4;
    return (Integers)((Nibbles<kQuarter / 2>(low) | top) - Byte{32});
  }
};

struct IQ4_XS : Layout<256, 32, false> {
  static GIST_INLINE void Read(const Byte* in, Scales& to) {
    const float scale = HalfAt(in);
    const int high = Load<uint16_t>(in + 2);
    for (int i = 0; i < 8; ++i) {
      const int low = in[4 + i / 2] >> i % 2 * 4 & 15;
      to.scale[i] = scale * float((low | (high >> 2 * i & 3) << 4) - 32);
    }
  }
  template <int kIndex>
  static GIST_INLINE Integers Group(const Byte* in) {
    return IQ4Values(Nibbles<kIndex % 2>(in + 8 + kRun32<kIndex> * 16));
  }
};

template <typename Type, int... kIndex>
GIST_INLINE void Block(const Byte* in, float* out,
                       std::integer_sequence<int, kIndex...>) {
  constexpr int kGroups = Type::kRun / kGroup;
  Scales scales;
  Type::Read(in, scales);
  (Scale<kGroup, Type::kOffsets>(
       Type::template Group<kIndex>(in), scales.scale[kIndex / kGroups],
       out + kIndex * kGroup,
       Type::kOffsets ? scales.offset[kIndex / kGroups] : 0),
   ...);
}

template <typename Type>
GIST_INLINE void EachBlock(const Byte* in, int64_t block_bytes,
                           int64_t elements, float* out) {
  constexpr std::make_integer_sequence<int, Type::kElements / kGroup> kGroups;
  for (int64_t i = 0; i < elements; i += Type::kElements) {
    Block<Type>(in, out + i, kGroups);
    in += block_bytes;
  }
}

}  // namespace

GIST_CLONES void Dequantize(GgmlType type, const char* data, int64_t elements,
                            float* out) {
  const auto* in = reinterpret_cast<const Byte*>(data);
  const int64_t bytes = GgmlBlockOf(type).bytes;
  switch (type) {
    case GgmlType::kF32:
      std::memcpy(out, in, size_t(elements) * sizeof(float));
      return;
    case GgmlType::kF16:
      for (int64_t i = 0; i < elements; ++i) out[i] = HalfAt(in + 2 * i);
      return;
    case GgmlType::kBF16:
      return Bfloat16sToFloats(data, size_t(elements), out);
    case GgmlType::kQ4_0:
      return EachBlock<Q4_0>(in, bytes, elements, out);
    case GgmlType::kQ4_1:
      return EachBlock<Q4_1>(in, bytes, elements, out);
    case GgmlType::kQ5_0:
      return EachBlock<Q5_0>(in, bytes, elements, out);
    case GgmlType::kQ5_1:
      return EachBlock<Q5_1>(in, bytes, elements, out);
    case GgmlType::kQ8_0:
      return EachBlock<Q8_0>(in, bytes, elements, out);
    case GgmlType::kQ2_K:
      return EachBlock<Q2_K>(in, bytes, elements, out);
    case GgmlType::kQ3_K:
      return EachBlock<Q3_K>(in, bytes, elements, out);
    case GgmlType::kQ4_K:
      return EachBlock<Q4_K>(in, bytes, elements, out);
    case GgmlType::kQ5_K:
      return EachBlock<Q5_K>(in, bytes, elements, out);
    case GgmlType::kQ6_K:
      return EachBlock<Q6_K>(in, bytes, elements, out);
    case GgmlType::kIQ4_NL:
      return EachBlock<IQ4_NL>(in, bytes, elements, out);
    case GgmlType::kIQ4_XS:
      return EachBlock<IQ4_XS>(in, bytes, elements, out);
  }
}

void Dequantize(const GgufTensor& tensor, float* out) {
  Dequantize(tensor.type, tensor.data.data(), tensor.Elements(), out);
}

}  // namespace gist
