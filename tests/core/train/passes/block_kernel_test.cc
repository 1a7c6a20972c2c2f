// The GPU's kernel, run on a processor, against the products by block.
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "tests/core/train/passes/cuda_on_cpu.h"
float shared_floats[1 << 16];
// After what stands for CUDA.
#include "core/train/passes/block_attention.h"
#include "core/train/passes/block_kernel.cu"
#include "core/train/passes/kernel_attention.h"

namespace gist {
namespace {

using at::Tensor;

struct Shape {
  const char* name;
  int heads, kv_heads, head_dim;
  int prefix_tokens, segment_tokens, gists_per_block;
  std::vector<std::pair<int, int>> documents;  // tokens, gists
};

void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }

const char* RunOnCpu(void (*kernel)(BlockKernelArgs),
                     const BlockKernelArgs& args, int floats) {
  if (size_t(floats) > std::size(shared_floats))
    return "too much shared memory";
  // Whatever was there before must not matter.
  std::fill(std::begin(shared_floats), std::end(shared_floats), NAN);
  for (int block = 0; block < args.blocks; ++block) {
    for (int head = 0; head < args.kv_heads; ++head) {
      if (!fibers.Run(kThreads, unsigned(block), unsigned(head),
                      [&] { kernel(args); })) {
        return "its threads are not uniform";
      }
    }
  }
  return nullptr;
}

const char* ForwardOnCpu(const BlockKernelArgs& args) {
  return StartForward(args, RunOnCpu);
}

const char* BackwardOnCpu(const BlockKernelArgs& args) {
  return StartBackward(args, RunOnCpu);
}

class BlockKernelTest : public testing::TestWithParam<Shape> {
 protected:
  static constexpr int kLayers = 2;

  void SetUp() override {
    const Shape& shape = GetParam();
    model_.config.layers = kLayers;
    model_.config.heads = shape.heads;
    model_.config.kv_heads = shape.kv_heads;
    model_.config.head_dim = shape.head_dim;
    model_.config.kinds = {
        {.frequencies = RopeFrequencies(10000, shape.head_dim)}};
    model_.frequencies = FrequenciesOf(model_.config, at::kCPU);
    model_.prefix_tokens = shape.prefix_tokens;
    for (int layer = 0; layer < kLayers; ++layer) {
      const auto rows = [&] {
        return at::randn({shape.prefix_tokens, shape.kv_heads, shape.head_dim});
      };
      model_.prefix_keys.push_back(rows());
      model_.prefix_values.push_back(rows());
    }
    layout_.gists_per_block = shape.gists_per_block;
    layout_.block_overlap_tokens = 5;
    layout_.segment_tokens = shape.segment_tokens;
    for (const auto& [tokens, gists] : shape.documents) {
      TrainDocument document;
      document.tokens = tokens;
      document.gist_tokens = gists;
      for (int at = 0; at < tokens; at += shape.segment_tokens) {
        document.segments.push_back(
            at::randn({kLayers, 2, shape.kv_heads, shape.segment_tokens,
                       shape.head_dim})
                .to(at::kHalf));
      }
      documents_.push_back(std::move(document));
    }
  }

  struct Result {
    Tensor out, query, key, value;  // gradients but for the first
  };
  Result By(const std::shared_ptr<const WritePlan>& plan) const {
    const auto leaf = [](const Tensor& x) {
      return x.clone().requires_grad_(true);
    };
    const Tensor q = leaf(query_), k = leaf(key_), v = leaf(value_);
    const Tensor out = BlockAttention(plan, /*layer=*/1, q, k, v);
    (out * weight_).sum().backward();
    return {out.detach(), q.grad(), k.grad(), v.grad()};
  }

  BaseWeights model_;
  GistLayout layout_;
  std::vector<TrainDocument> documents_;
  Tensor query_, key_, value_, weight_;
};

double Difference(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_P(BlockKernelTest, EqualsProductsByBlock) {
  const auto blocks = MakeWritePlan(model_, layout_, documents_);
  auto by_kernel = std::make_shared<WritePlan>(*blocks);
  by_kernel->kernel = MakeKernelPlan(*by_kernel, {ForwardOnCpu, BackwardOnCpu});
  const int64_t rows = blocks->rows();
  const int64_t dim = GetParam().head_dim;
  query_ = at::randn({rows, GetParam().heads * dim});
  key_ = at::randn({rows, GetParam().kv_heads * dim});
  value_ = at::randn({rows, GetParam().kv_heads * dim});
  weight_ = at::randn({rows, GetParam().heads * dim});

  const Result want = By(blocks);
  const Result got = By(by_kernel);
  constexpr double kTolerance = 2e-4;  // gradients reach 10
  EXPECT_LT(Difference(got.out, want.out), kTolerance);
  EXPECT_LT(Difference(got.query, want.query), kTolerance);
  EXPECT_LT(Difference(got.key, want.key), kTolerance);
  EXPECT_LT(Difference(got.value, want.value), kTolerance);
  EXPECT_GT(want.query.abs().max().item<double>(), 0.01);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BlockKernelTest,
    testing::Values(
        // The default model and layout, in small segments.
        Shape{"Default", 9, 3, 64, 33, 32, 5, {{150, 10}, {70, 5}, {200, 25}}},
        Shape{"ManyKeysInATile", 3, 1, 64, 3, 160, 5, {{300, 5}}},
        Shape{"NoPrefixOneToken", 2, 2, 16, 0, 16, 2, {{1, 2}, {40, 5}}},
        Shape{"SmallHeads", 4, 2, 32, 7, 16, 3, {{50, 6}}},
        Shape{"OddHeads", 4, 2, 48, 7, 16, 3, {{50, 6}}},
        Shape{"LargeHeads", 4, 1, 128, 70, 64, 5, {{150, 10}}},
        Shape{"MoreRowsThanAtOnce", 8, 1, 64, 9, 32, 17, {{100, 34}}}),
    [](const auto& shape) { return shape.param.name; });

}  // namespace
}  // namespace gist
