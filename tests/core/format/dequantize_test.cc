#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/format/safetensors.h"
#include "gtest/gtest.h"
#include "tests/core/format/gguf_writer.h"

namespace gist {
namespace {

constexpr uint16_t kHalfOfTwo = 0x4000;         // 2.0
constexpr uint16_t kHalfOfQuarter = 0x3400;     // 0.25
constexpr uint16_t kHalfOfMinusThree = 0xc200;  // -3.0

// Nibbles 0..15 in the block's first half and 15..0 in its second.
std::string CountingNibbles() {
  std::string bytes;
  for (int i = 0; i < 16; ++i) bytes += char(i | (15 - i) << 4);
  return bytes;
}

int NibbleAt(int i) { return i < 16 ? i : 31 - i; }

std::vector<float> Decode(GgmlType type, std::vector<int64_t> dims,
                          std::string_view data) {
  const GgufTensor tensor{"t", type, std::move(dims), data};
  std::vector<float> out(size_t(tensor.Elements()) + 1, 1234.5f);
  Dequantize(tensor, out.data());
  EXPECT_EQ(out.back(), 1234.5f) << "wrote past the end";
  out.pop_back();
  return out;
}

TEST(DequantizeTest, Q4_0CentersNibblesAtEight) {
  const auto out = Decode(GgmlType::kQ4_0, {32, 2},
                          Raw(kHalfOfTwo) + CountingNibbles() +
                              Raw(kHalfOfQuarter) + CountingNibbles());
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(out[i], float(NibbleAt(i) - 8) * 2.0f) << i;
    EXPECT_EQ(out[32 + i], float(NibbleAt(i) - 8) * 0.25f) << i;
  }
}

TEST(DequantizeTest, Q4_1AddsTheMinimum) {
  const auto out =
      Decode(GgmlType::kQ4_1, {64},
             Raw(kHalfOfQuarter) + Raw(kHalfOfMinusThree) + CountingNibbles() +
                 Raw(kHalfOfTwo) + Raw(kHalfOfQuarter) + CountingNibbles());
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(out[i], float(NibbleAt(i)) * 0.25f - 3.0f) << i;
    EXPECT_EQ(out[32 + i], float(NibbleAt(i)) * 2.0f + 0.25f) << i;
  }
}

TEST(DequantizeTest, Q8_0IsSigned) {
  std::string quants;
  for (int i = 0; i < 32; ++i) quants += char(i * 8 - 128);
  const auto out = Decode(GgmlType::kQ8_0, {32}, Raw(kHalfOfQuarter) + quants);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(out[i], float(i * 8 - 128) * 0.25f);
}

TEST(DequantizeTest, F16AndF32AreTheNumbersThemselves) {
  EXPECT_EQ(
      Decode(GgmlType::kF16, {3},
             Raw(kHalfOfTwo) + Raw(kHalfOfMinusThree) + Raw(kHalfOfQuarter)),
      (std::vector<float>{2.0f, -3.0f, 0.25f}));
  EXPECT_EQ(Decode(GgmlType::kF32, {1, 2}, Raw(1e-40f) + Raw(-1e30f)),
            (std::vector<float>{1e-40f, -1e30f}));
}

// By PyPI's gguf: tests/reference/make_dequantize_golden.py. From odd addresses
// too, and not a byte beyond.
TEST(DequantizeTest, EqualsThePythonPackageBitForBit) {
  const auto mapped =
      MappedFile::Open("tests/data/dequantize/blocks.safetensors");
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const auto golden = ParseSafeTensors(mapped->bytes());
  ASSERT_TRUE(golden.ok()) << golden.status();
  int types = 0;
  for (uint32_t number = 0; number < 100; ++number) {
    const auto type = SupportedGgmlType(number);
    if (!type) continue;
    const std::string name = GgmlTypeName(number);
    ASSERT_TRUE(golden->tensors.contains(name + ".blocks")) << name;
    const SafeTensor& blocks = golden->tensors.at(name + ".blocks");
    const SafeTensor& values = golden->tensors.at(name + ".values");
    EXPECT_EQ(blocks.shape[1], GgmlBlockOf(*type).bytes) << name;
    EXPECT_EQ(values.shape[1], GgmlBlockOf(*type).elements) << name;
    for (const size_t offset : {0u, 1u}) {
      const std::string moved =
          std::string(offset, '\xff') + std::string(blocks.data);
      const auto got = Decode(*type, {values.Elements()},
                              std::string_view(moved).substr(offset));
      for (size_t i = 0; i < got.size(); ++i) {
        float want;
        std::memcpy(&want, values.data.data() + i * sizeof(want), sizeof(want));
        ASSERT_EQ(std::bit_cast<uint32_t>(got[i]),
                  std::bit_cast<uint32_t>(want))
            << name << " " << i << ": " << got[i] << ", want " << want;
      }
    }
    ++types;
  }
  EXPECT_EQ(size_t(2 * types), golden->tensors.size());
}

TEST(GgmlTypeTest, KnowsTheNamesOfGgml) {
  EXPECT_EQ(GgmlTypeName(0), "F32");
  EXPECT_EQ(GgmlTypeName(3), "Q4_1");
  EXPECT_EQ(GgmlTypeName(14), "Q6_K");
  EXPECT_EQ(GgmlTypeName(23), "IQ4_XS");
  EXPECT_EQ(GgmlTypeName(30), "BF16");
  EXPECT_EQ(GgmlTypeName(39), "MXFP4");
  EXPECT_EQ(GgmlTypeName(41), "Q1_0");
  EXPECT_EQ(GgmlTypeName(4), "type 4");
  EXPECT_EQ(GgmlTypeName(std::numeric_limits<uint32_t>::max()),
            "type 4294967295");
}

TEST(GgmlTypeTest, SupportsWhatTheListSays) {
  std::string list;
  for (uint32_t type = 0; type < 100; ++type) {
    if (!SupportedGgmlType(type)) continue;
    list += (list.empty() ? "" : ", ") + GgmlTypeName(type);
  }
  EXPECT_EQ(list, kSupportedGgmlTypes);
}

}  // namespace
}  // namespace gist
