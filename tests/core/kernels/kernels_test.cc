// Each instruction set's kernels against plain loops in double precision.
#include "core/kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/base/float16.h"

namespace gist {
namespace {

class KernelsTest : public testing::TestWithParam<InstructionSet> {
 protected:
  std::vector<float> Normal(size_t size) {
    std::normal_distribution<float> normal;
    std::vector<float> values(size);
    for (float& value : values) value = normal(random_);
    return values;
  }
  std::vector<uint16_t> Halves(size_t size) {
    std::vector<uint16_t> halves;
    for (const float value : Normal(size)) halves.push_back(FloatToHalf(value));
    return halves;
  }

  const Kernels& kernels_ = KernelsOf(GetParam());
  std::mt19937 random_{5};
};

TEST_P(KernelsTest, NormalizesAndAddsAndMultiplies) {
  for (const int size : {1, 7, 16, 64, 100}) {
    const std::vector<float> x = Normal(size_t(size)), w = Normal(size_t(size));
    double squares = 0, dot = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      squares += double(x[i]) * x[i];
      dot += double(x[i]) * w[i];
    }
    EXPECT_NEAR(kernels_.dot(x.data(), w.data(), size), dot, 1e-4);
    std::vector<float> out(x.size()), sum = w, half_sum = w;
    std::vector<uint16_t> halves;
    for (const float value : x) halves.push_back(FloatToHalf(value));
    EXPECT_NEAR(kernels_.dot_halves(halves.data(), w.data(), size), dot, 0.05);
    kernels_.add_scaled_halves(halves.data(), -2, size, half_sum.data());
    kernels_.rms_norm(x.data(), w.data(), size, 1e-5f, out.data());
    kernels_.add_scaled(x.data(), -2, size, sum.data());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(out[i], x[i] / std::sqrt(squares / size + 1e-5) * w[i], 1e-5);
      EXPECT_NEAR(sum[i], w[i] - 2 * x[i], 1e-5);
      EXPECT_NEAR(half_sum[i], w[i] - 2 * HalfToFloat(halves[i]), 1e-5);
    }
  }
}

TEST_P(KernelsTest, ActivatesFromLeftToRight) {
  const std::vector<float> points = {-200, -88, -30, -5, -1, -0.1f, 0,
                                     0.1f, 1,   5,   30, 88, 200,   0.5f};
  const std::vector<float> up(points.size(), 2);
  for (const auto activation :
       {KernelActivation::kSilu, KernelActivation::kGeluTanh}) {
    std::vector<float> gate = points;
    kernels_.activate(activation, up.data(), int(gate.size()), gate.data());
    for (size_t i = 0; i < points.size(); ++i) {
      const double x = points[i];
      const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
      const double want = activation == KernelActivation::kSilu
                              ? x / (1 + std::exp(-x))
                              : x * (1 + std::tanh(u)) / 2;
      EXPECT_NEAR(gate[i], 2 * want, 1e-5 + 1e-5 * std::fabs(want)) << x;
    }
  }
}

TEST_P(KernelsTest, ConvertsHalves) {
  const std::vector<float> x = Normal(37);
  std::vector<uint16_t> halves(x.size());
  std::vector<float> back(x.size());
  kernels_.to_halves(x.data(), int(x.size()), halves.data());
  kernels_.to_floats(halves.data(), int(x.size()), back.data());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(halves[i], FloatToHalf(x[i]));
    EXPECT_EQ(back[i], HalfToFloat(halves[i]));
  }
}

// Rows of one large number, of tiny ones and with a NaN or an infinity, and a
// last block that is not full.
TEST_P(KernelsTest, QuantizesAsTheScalarKernels) {
  for (const int columns : {5, 32, 96, 100}) {
    const int blocks = (columns + kBlockColumns - 1) / kBlockColumns;
    for (int rows = 1; rows <= kTileRows; ++rows) {
      std::vector<uint8_t> tiles[2];
      std::vector<float> x = Normal(size_t(rows * columns));
      for (int i = 0; i < columns; ++i) x[size_t(i)] = i == 3 ? 1e4f : 0;
      const auto set_row = [&](int row, float value) {
        if (row < rows) x[size_t(row * columns + 2)] = value;
      };
      if (rows > 1) std::fill_n(x.begin() + columns, columns, 1e-39f);
      set_row(2, NAN);
      set_row(3, INFINITY);
      for (int i = 0; i < 2; ++i) {
        tiles[i].resize(size_t(rows * blocks * kRowBlockBytes));
        const Kernels& kernels =
            i == 0 ? KernelsOf(InstructionSet::kScalar) : kernels_;
        for (int r = 0; r < rows; ++r) {
          kernels.quantize_row(x.data() + r * columns, columns, rows, r,
                               tiles[i].data());
        }
      }
      EXPECT_EQ(tiles[0], tiles[1]) << columns << " x " << rows;
    }
  }
}

TEST_P(KernelsTest, MultipliesAsTheScalarKernels) {
  for (const StripFormat format :
       {StripFormat::kNibbles, StripFormat::kNibblesWithMinima,
        StripFormat::kBytes}) {
    for (int rows = 1; rows <= kTileRows; ++rows) {
      constexpr int kBlocks = 3, kColumns = kBlocks * kBlockColumns;
      std::vector<uint8_t> strip(size_t(kBlocks * StripBlockBytes(format)));
      for (uint8_t& byte : strip) byte = uint8_t(random_());
      const int integers = format == StripFormat::kBytes ? 512 : 256;
      for (int b = 0; b < kBlocks; ++b) {
        const size_t begin = size_t(b * StripBlockBytes(format) + integers);
        const size_t end = size_t((b + 1) * StripBlockBytes(format));
        for (size_t at = begin; at < end; at += 2) {
          const uint16_t half =
              FloatToHalf(float(int(random_() % 2000) - 1000) / 997);
          strip[at] = uint8_t(half);
          strip[at + 1] = uint8_t(half >> 8);
        }
      }
      // The largest integers too: no sum within a block may overflow.
      if (rows % 2 == 0) std::fill_n(strip.begin(), 64, uint8_t(255));
      std::vector<float> x = Normal(size_t(rows * kColumns));
      if (rows % 2 == 0) std::fill_n(x.begin(), 32, 1.0f);
      std::vector<float> results[2];
      for (int i = 0; i < 2; ++i) {
        const Kernels& kernels =
            i == 0 ? KernelsOf(InstructionSet::kScalar) : kernels_;
        std::vector<uint8_t> tile(size_t(rows * kBlocks * kRowBlockBytes));
        for (int r = 0; r < rows; ++r) {
          kernels.quantize_row(x.data() + r * kColumns, kColumns, rows, r,
                               tile.data());
        }
        results[i].assign(size_t(rows * kStripRows), 0.5f);
        kernels.multiply({.strip = strip.data(),
                          .format = format,
                          .unit = 0.25f,
                          .blocks = kBlocks,
                          .tile = tile.data(),
                          .rows = rows,
                          .y = results[i].data(),
                          .stride = kStripRows});
      }
      EXPECT_EQ(results[0], results[1]) << int(format) << ", " << rows;
    }
  }
}

// ---- attention ----

struct Case {
  int queries, head_dim;
  std::vector<int> run_keys;
  bool causal = false;  // the last run: query q sees its keys up to q
  bool turned = false;  // the first run's keys are turned while they are read
};

class AttentionCheck {
 public:
  AttentionCheck(const Case& test, std::vector<float> queries,
                 std::vector<std::vector<uint16_t>> keys,
                 std::vector<std::vector<uint16_t>> values)
      : case_(test),
        queries_(std::move(queries)),
        keys_(std::move(keys)),
        values_(std::move(values)) {}

  void Run(const Kernels& kernels) {
    const int dim = case_.head_dim, pairs = dim / 2;
    std::vector<float> scratch(AttentionScratch(dim) + 16);
    const auto at = reinterpret_cast<uintptr_t>(scratch.data());
    auto* aligned = reinterpret_cast<float*>((at + 63) / 64 * 64);
    std::vector<float> cosines, sines;
    for (int i = 0; i < case_.run_keys[0] * pairs; ++i) {
      cosines.push_back(std::cos(0.1f * float(i)));
      sines.push_back(std::sin(0.1f * float(i)));
    }
    std::vector<int64_t> offsets;
    alignas(64) int32_t first[kMostQueries] = {}, end[kMostQueries] = {};
    for (int q = 0; q < case_.queries; ++q) {
      offsets.push_back(int64_t(q) * dim);
      first[q] = q / 4;
      end[q] = q + 1;
    }
    std::vector<KeyRun> runs;
    for (size_t r = 0; r < keys_.size(); ++r) {
      KeyRun run{.keys = keys_[r].data(),
                 .values = values_[r].data(),
                 .count = case_.run_keys[r]};
      if (case_.turned && r == 0) {
        run.cosines = cosines.data();
        run.sines = sines.data();
        run.pairs = pairs;
      }
      if (case_.causal && r + 1 == keys_.size()) {
        run.first = first;
        run.end = end;
      }
      runs.push_back(run);
    }
    std::vector<float> out(queries_.size(), NAN);
    kernels.attend({.queries = queries_.data(),
                    .out = out.data(),
                    .query_offsets = offsets.data(),
                    .out_offsets = offsets.data(),
                    .query_count = case_.queries,
                    .head_dim = dim,
                    .scale = 0.125f,
                    .runs = runs.data(),
                    .run_count = int(runs.size()),
                    .scratch = aligned});
    for (int q = 0; q < case_.queries; ++q) {
      const std::vector<double> want = Want(q, runs);
      for (int d = 0; d < dim; ++d)
        ASSERT_NEAR(out[size_t(q * dim + d)], want[size_t(d)], 2e-5)
            << "query " << q << ", dimension " << d;
    }
  }

 private:
  std::vector<double> Want(int q, const std::vector<KeyRun>& runs) const {
    const int dim = case_.head_dim;
    std::vector<double> sum(size_t(dim), 0), weights;
    double total = 0;
    for (const KeyRun& run : runs) {
      for (int k = 0; k < run.count; ++k) {
        if (run.end != nullptr && (k < run.first[q] || k >= run.end[q]))
          continue;
        std::vector<double> key;
        for (int d = 0; d < dim; ++d)
          key.push_back(HalfToFloat(run.keys[k * dim + d]));
        for (int p = 0; p < run.pairs; ++p) {
          const double a = key[size_t(p)], b = key[size_t(p + run.pairs)];
          const double c = run.cosines[k * run.pairs + p];
          const double s = run.sines[k * run.pairs + p];
          key[size_t(p)] = a * c - b * s;
          key[size_t(p + run.pairs)] = a * s + b * c;
        }
        double score = 0;
        for (int d = 0; d < dim; ++d)
          score += 0.125 * queries_[size_t(q * dim + d)] * key[size_t(d)];
        const double weight = std::exp(score);
        total += weight;
        for (int d = 0; d < dim; ++d)
          sum[size_t(d)] += weight * HalfToFloat(run.values[k * dim + d]);
      }
    }
    for (double& value : sum) value = total > 0 ? value / total : 0;
    return sum;
  }

  const Case case_;
  const std::vector<float> queries_;
  const std::vector<std::vector<uint16_t>> keys_, values_;
};

TEST_P(KernelsTest, AttendsAsPlainLoops) {
  const Case cases[] = {
      {.queries = 1, .head_dim = 64, .run_keys = {1}},
      {.queries = 3, .head_dim = 64, .run_keys = {200}},
      {.queries = 3, .head_dim = 64, .run_keys = {0, 130}, .causal = true},
      {.queries = 8, .head_dim = 32, .run_keys = {65, 8}, .causal = true},
      {.queries = 4, .head_dim = 16, .run_keys = {70}, .turned = true},
      {.queries = 3, .head_dim = 12, .run_keys = {70, 3}, .causal = true},
      {.queries = 9, .head_dim = 64, .run_keys = {64}},
      {.queries = 30,
       .head_dim = 64,
       .run_keys = {24, 100, 30},
       .causal = true},
      {.queries = 40,
       .head_dim = 20,
       .run_keys = {77, 40},
       .causal = true,
       .turned = true},
      {.queries = 96, .head_dim = 64, .run_keys = {129, 96}, .causal = true},
      // Query 0 sees nothing but its own key; none sees the first run.
      {.queries = 12, .head_dim = 64, .run_keys = {0, 12}, .causal = true},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(std::to_string(test.queries) + " queries of " +
                 std::to_string(test.head_dim));
    std::vector<std::vector<uint16_t>> keys, values;
    for (const int count : test.run_keys) {
      keys.push_back(Halves(size_t(count * test.head_dim)));
      values.push_back(Halves(size_t(count * test.head_dim)));
    }
    AttentionCheck(test, Normal(size_t(test.queries * test.head_dim)),
                   std::move(keys), std::move(values))
        .Run(kernels_);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KernelsTest, testing::ValuesIn(InstructionSets()),
                         [](const auto& set) {
                           return std::string(InstructionSetName(set.param));
                         });

}  // namespace
}  // namespace gist
