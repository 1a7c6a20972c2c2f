// The product for decoding against a plain loop in double precision.
#include "core/kernels/small_batch_gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace gist {
namespace {

constexpr int64_t kIn = 72, kOut = 50;

std::vector<float> Random(int64_t size) {
  static std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(size));
  std::ranges::generate(values, [&] { return normal(random); });
  return values;
}

template <typename T>
std::vector<float> Multiply(const std::vector<float>& x,
                            const std::vector<T>& w, int64_t first = kOut) {
  const int64_t rows = int64_t(x.size()) / kIn;
  std::vector<float> y(size_t(rows * kOut), NAN);
  SmallBatchGemm(x.data(), rows, w.data(), kIn, 0, first, y.data(), kOut);
  SmallBatchGemm(x.data(), rows, w.data(), kIn, first, kOut, y.data(), kOut);
  return y;
}

void ExpectProduct(const std::vector<float>& x, const std::vector<float>& w,
                   const std::vector<float>& y) {
  for (size_t row = 0; row < x.size() / kIn; ++row) {
    for (size_t column = 0; column < kOut; ++column) {
      double sum = 0;
      for (size_t i = 0; i < kIn; ++i)
        sum += double(x[row * kIn + i]) * double(w[column * kIn + i]);
      EXPECT_NEAR(y[row * kOut + column], sum, 1e-4) << row << ", " << column;
    }
  }
}

TEST(FewRowsTest, IsTheProduct) {
  const std::vector<float> w = Random(kOut * kIn);
  for (const int64_t rows : {int64_t{1}, int64_t{7}, kFewRows}) {
    const std::vector<float> x = Random(rows * kIn);
    ExpectProduct(x, w, Multiply(x, w));
  }
}

TEST(FewRowsTest, TakesBfloat16AsItIs) {
  std::vector<uint16_t> bits;
  std::vector<float> w;
  for (const float value : Random(kOut * kIn)) {
    bits.push_back(uint16_t(std::bit_cast<uint32_t>(value) >> 16));
    w.push_back(std::bit_cast<float>(uint32_t(bits.back()) << 16));
  }
  const std::vector<float> x = Random(5 * kIn);
  EXPECT_EQ(Multiply(x, bits), Multiply(x, w));
  ExpectProduct(x, w, Multiply(x, bits));
}

// An answer is the same whoever is answered beside it, and on any number of
// cores.
TEST(FewRowsTest, ARowDependsOnNoOtherAndOnNoSplit) {
  const std::vector<float> w = Random(kOut * kIn), x = Random(kFewRows * kIn);
  const std::vector<float> all = Multiply(x, w);
  for (int64_t split = 0; split <= kOut; ++split)
    EXPECT_EQ(Multiply(x, w, split), all) << split;
  for (int64_t row = 0; row < kFewRows; ++row) {
    const auto at = [&](const std::vector<float>& values, int64_t width) {
      return std::vector(values.begin() + row * width,
                         values.begin() + (row + 1) * width);
    };
    EXPECT_EQ(Multiply(at(x, kIn), w), at(all, kOut)) << row;
  }
}

}  // namespace
}  // namespace gist
