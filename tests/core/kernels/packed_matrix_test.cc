#include "core/kernels/packed_matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/core/format/random_blocks.h"

namespace gist {
namespace {

struct Stored {
  std::string bytes;
  GgufTensor tensor;
  std::vector<float> values;

  Stored(GgmlType type, int64_t rows, int64_t columns) {
    std::mt19937 random(7);
    bytes = RandomBlocks(type, rows * columns, 0.2f, random);
    tensor = {
        .name = "m", .type = type, .dims = {columns, rows}, .data = bytes};
    values.resize(size_t(rows * columns));
    Dequantize(tensor, values.data());
  }
};

std::vector<float> Dequantized(const PackedMatrix& matrix) {
  std::vector<float> values(size_t(matrix.rows() * matrix.columns()));
  for (int64_t row = 0; row < matrix.rows(); ++row)
    matrix.DequantizeRow(row, values.data() + row * matrix.columns());
  return values;
}

TEST(PackedMatrixTest, KeepsWhatTheFileHas) {
  ThreadTeam team(2);
  for (const GgmlType type : AllGgmlTypes()) {
    SCOPED_TRACE(GgmlTypeName(uint32_t(type)));
    const Stored stored(type, 37, 512);
    const PackedMatrix packed(stored.tensor, 0, team);
    const std::vector<float> got = Dequantized(packed);
    const bool is_exact = type == GgmlType::kQ4_0 || type == GgmlType::kQ4_1 ||
                          type == GgmlType::kQ8_0;
    if (is_exact) {
      EXPECT_EQ(got, stored.values);
      continue;
    }
    for (size_t begin = 0; begin < got.size(); begin += kBlockColumns) {
      float most = 0;
      for (size_t i = begin; i < begin + kBlockColumns; ++i)
        most = std::max(most, std::fabs(stored.values[i]));
      // Half of a step of 8 bits, and the rounding of a scale to float16. The
      // parts of Q4_K may be larger than the sum.
      const float near = most * (type == GgmlType::kQ4_K ? 0.01f : 0.0045f);
      for (size_t i = begin; i < begin + kBlockColumns; ++i)
        ASSERT_NEAR(got[i], stored.values[i], near) << i;
    }
  }
}

TEST(PackedMatrixTest, PutsInterleavedRowsIntoHalves) {
  ThreadTeam team(1);
  const Stored stored(GgmlType::kQ8_0, 128, 64);
  const auto plain = Dequantized(PackedMatrix(stored.tensor, 0, team));
  const auto turned = Dequantized(PackedMatrix(stored.tensor, 64, team));
  for (int row = 0; row < 128; ++row) {
    const int head = row / 64 * 64, within = row % 64;
    const int from = head + 2 * (within % 32) + within / 32;
    for (int i = 0; i < 64; ++i)
      ASSERT_EQ(turned[size_t(row * 64 + i)], plain[size_t(from * 64 + i)]);
  }
}

// Products of each instruction set and number of threads are the same bits, and
// near those in double precision.
TEST(PackedMatrixTest, MultipliesAnyShape) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const GgmlType type :
       {GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ8_0}) {
    for (const int rows : {1, 5, 8, 13}) {
      constexpr int kOut = 53, kIn = 96;
      const Stored stored(type, kOut, kIn);
      std::vector<float> x(size_t(rows * kIn));
      for (float& value : x) value = normal(random);
      std::vector<std::vector<float>> results;
      for (const InstructionSet set : InstructionSets()) {
        for (const int threads : {1, 3}) {
          ForceInstructionSet(set);
          ThreadTeam team(threads);
          const PackedMatrix matrix(stored.tensor, 0, team);
          QuantizedRows quantized;
          quantized.Reset(rows, kIn);
          for (int r = 0; r < rows; ++r) quantized.Set(r, x.data() + r * kIn);
          std::vector<float> y(size_t(rows * kOut));
          const PackedProduct product = {&matrix, y.data(), kOut};
          Multiply(quantized, &product, 1, team);
          results.push_back(std::move(y));
        }
      }
      ForceInstructionSet(InstructionSets().back());
      for (const auto& result : results) ASSERT_EQ(result, results[0]);
      for (int r = 0; r < rows; ++r) {
        for (int o = 0; o < kOut; ++o) {
          double want = 0, size = 0;
          for (int i = 0; i < kIn; ++i) {
            const double term = double(x[size_t(r * kIn + i)]) *
                                stored.values[size_t(o * kIn + i)];
            want += term;
            size += std::fabs(term);
          }
          ASSERT_NEAR(results[0][size_t(r * kOut + o)], want, 0.01 * size);
        }
      }
    }
  }
}

TEST(PackedMatrixTest, MultipliesSeveralMatricesAtOnce) {
  ThreadTeam team(2);
  const Stored first(GgmlType::kQ4_1, 40, 64), second(GgmlType::kQ8_0, 17, 64);
  const PackedMatrix a(first.tensor, 0, team), b(second.tensor, 0, team);
  std::vector<float> x(64 * 3);
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i % 7) - 3;
  QuantizedRows quantized;
  quantized.Reset(3, 64);
  for (int r = 0; r < 3; ++r) quantized.Set(r, x.data() + r * 64);
  constexpr int kStride = 60;
  std::vector<float> both(3 * kStride, -1), ya(3 * 40), yb(3 * 17);
  const PackedProduct together[] = {{&a, both.data(), kStride},
                                    {&b, both.data() + 40, kStride}};
  Multiply(quantized, together, 2, team);
  const PackedProduct alone[] = {{&a, ya.data(), 40}, {&b, yb.data(), 17}};
  Multiply(quantized, &alone[0], 1, team);
  Multiply(quantized, &alone[1], 1, team);
  for (int r = 0; r < 3; ++r) {
    for (int o = 0; o < 40; ++o)
      ASSERT_EQ(both[size_t(r * kStride + o)], ya[size_t(r * 40 + o)]);
    for (int o = 0; o < 17; ++o)
      ASSERT_EQ(both[size_t(r * kStride + 40 + o)], yb[size_t(r * 17 + o)]);
    // Nothing is written beyond.
    for (int o = 57; o < kStride; ++o)
      ASSERT_EQ(both[size_t(r * kStride + o)], -1);
  }
}

}  // namespace
}  // namespace gist
