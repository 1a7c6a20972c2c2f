#include "core/format/finite.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "tests/core/format/random_blocks.h"

namespace gist {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(FiniteTest, FindsTheFirstOfManyFloats) {
  std::vector<float> values(10'000, -std::numeric_limits<float>::max());
  values[3] = 1e-45f;
  EXPECT_EQ(FirstNonFinite(values), std::nullopt);
  EXPECT_EQ(FirstNonFinite(std::span<const float>()), std::nullopt);
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    for (const size_t at : {9'999u, 8'192u, 8'191u, 4'096u, 1u, 0u}) {
      std::vector<float> copy = values;
      copy[at] = bad;
      copy.back() = bad;
      EXPECT_EQ(FirstNonFinite(copy), int64_t(at));
    }
  }
}

class FiniteTypeTest : public testing::TestWithParam<GgmlType> {
 protected:
  void SetUp() override {
    std::mt19937 random(3);
    bytes_ = RandomBlocks(GetParam(), kElements, 1.0f, random);
  }
  std::optional<int64_t> First() const {
    return FirstNonFinite(
        GgufTensor{"t", GetParam(), {kElements / 2, 2}, bytes_});
  }

  static constexpr int64_t kElements = 20 * 256;
  const GgmlBlock block_ = GgmlBlockOf(GetParam());
  std::string bytes_;
};

TEST_P(FiniteTypeTest, FindsTheBlockOfEachScale) {
  EXPECT_EQ(First(), std::nullopt);
  const int64_t blocks = kElements / block_.elements;
  const std::string good = bytes_;
  const bool is_float = block_.halves == 0;
  const auto last = is_float ? block_.bytes - 2 : block_.halves_at;
  const int64_t numbers = std::max<int64_t>(1, block_.halves);
  const uint16_t infinity = is_float ? 0x7f80 : 0x7c00;
  for (const uint16_t bits :
       {infinity, uint16_t(infinity | 0x8000), uint16_t(infinity | 1)}) {
    for (const int64_t at : {blocks - 1, int64_t{7}, int64_t{0}}) {
      for (int64_t number = 0; number < numbers; ++number) {
        bytes_ = good;
        std::memcpy(bytes_.data() + at * block_.bytes + last + 2 * number,
                    &bits, sizeof(bits));
        EXPECT_EQ(First(), at * block_.elements) << number;
      }
    }
  }
}

// All other bytes are integers, which no bits make infinite: what is found is
// what Dequantize gives.
TEST_P(FiniteTypeTest, AgreesWithTheValues) {
  for (const char fill : {'\xff', '\x7c', '\x7f', '\0'}) {
    std::string filled(bytes_.size(), fill);
    for (int64_t at = 0; at < int64_t(filled.size()); at += block_.bytes) {
      std::copy_n(bytes_.begin() + at + block_.halves_at, 2 * block_.halves,
                  filled.begin() + at + block_.halves_at);
    }
    std::swap(bytes_, filled);
    std::vector<float> values(kElements);
    Dequantize(GetParam(), bytes_.data(), kElements, values.data());
    EXPECT_EQ(First(), FirstNonFinite(values)) << int(fill);
    std::swap(bytes_, filled);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, FiniteTypeTest,
                         testing::ValuesIn(AllGgmlTypes()),
                         [](const auto& test) {
                           return GgmlTypeName(uint32_t(test.param));
                         });

}  // namespace
}  // namespace gist
