// Matrices that stay as the file has them: the same numbers as in float32,
// forward and backward.
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "core/model/adapter.h"
#include "core/model/linear.h"
#include "tests/core/golden.h"
#include "tests/core/model/tiny_model.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;

std::string PathOf(const std::string& variant) {
  return "tests/data/tiny/tiny." + variant + ".gguf";
}

class QuantizedTest : public testing::TestWithParam<std::string> {};

struct Read {
  std::vector<float> logits;
  int64_t weight_bytes = 0;
};

// The golden ids, read with the weights kept like that.
Read ReadWith(const std::string& type, WeightStorage weights) {
  const auto model = LoadModel(PathOf(type), weights).transformer;
  if (model == nullptr) return {};
  const Ids ids =
      Golden("tiny/logits." + type + ".safetensors").Ids("input_ids");
  KvCache cache = model->NewCache();
  const ForwardItem item{
      .cache = &cache, .ids = ids, .logits = LogitRows::kAll};
  auto read = model->Forward({&item, 1});
  EXPECT_TRUE(read.ok()) << read.status();
  if (!read.ok()) return {};
  return {std::move((*read)[0]), model->weight_bytes()};
}

TEST_P(QuantizedTest, LogitsEqualFloat32BitForBit) {
  const Read exact = ReadWith(GetParam(), WeightStorage::kFloat32);
  const Read quantized = ReadWith(GetParam(), WeightStorage::kQuantized);
  ASSERT_FALSE(exact.logits.empty());
  EXPECT_EQ(exact.logits, quantized.logits);
  EXPECT_LE(quantized.weight_bytes, exact.weight_bytes);
}

// In bfloat16 a number has 8 bits; logits of the tiny model reach 17.
TEST(Bfloat16Test, LogitsAreNearInHalfTheMemory) {
  const Read exact = ReadWith("f32", WeightStorage::kFloat32);
  const Read half = ReadWith("f32", WeightStorage::kBfloat16);
  ASSERT_EQ(exact.logits.size(), half.logits.size());
  EXPECT_LT(MaxDifference(exact.logits, half.logits), 1.0f);
  EXPECT_GT(MaxDifference(exact.logits, half.logits), 0.0f);  // it is in use
  EXPECT_LT(half.weight_bytes, exact.weight_bytes * 0.55);
}

// The gradient of x through one matrix, by PyTorch's own linear and by ours.
TEST_P(QuantizedTest, GradientsEqualFloat32BitForBit) {
  const auto file = MappedFile::Open(PathOf(GetParam()));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto gguf = Gguf::Parse(file->bytes());
  ASSERT_TRUE(gguf.ok()) << gguf.status();
  const auto tensor = gguf->Tensor("blk.0.ffn_up.weight");
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  const auto quantized =
      std::make_shared<const QuantizedMatrix>(**tensor, 0, at::kCPU);
  const at::Tensor values =
      quantized->Dequantized(0, quantized->rows()).clone();
  const at::Tensor start = at::randn({5, quantized->columns()});
  const at::Tensor weight = at::randn({5, quantized->rows()});
  std::vector<at::Tensor> outputs, gradients;
  for (const Linear& matrix :
       {Linear{values, nullptr}, Linear{{}, quantized}}) {
    at::Tensor x = start.clone().set_requires_grad(true);
    const at::Tensor y = Product(x, matrix);
    // Another use of this thread's scratch, before the backward pass.
    quantized->Dequantized(1, 1);
    (y * weight).sum().backward();
    outputs.push_back(y.detach());
    gradients.push_back(x.grad());
  }
  EXPECT_TRUE(outputs[0].equal(outputs[1]));
  EXPECT_TRUE(gradients[0].equal(gradients[1]));
}

INSTANTIATE_TEST_SUITE_P(Types, QuantizedTest,
                         testing::Values("f32", "f16", "q8_0", "q4_0", "q4_1"),
                         [](const auto& test) { return test.param; });

// The adapter's model is the F32 one.
TEST(QuantizedGistsTest, EqualFloat32BitForBit) {
  const Ids ids = Golden("tiny/logits.f32.safetensors").Ids("input_ids");
  std::vector<GistKv> gists;
  for (const auto weights :
       {WeightStorage::kFloat32, WeightStorage::kQuantized}) {
    const auto loaded = LoadModel(PathOf("f32"), weights);
    ASSERT_NE(loaded.transformer, nullptr);
    const Transformer& model = *loaded.transformer;
    const auto adapter =
        Adapter::Load("tests/data/tiny/adapter_whole", model.config(),
                      loaded.fingerprint, "cpu");
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    KvCache prefix = model.NewCache(), context = model.NewCache();
    const ForwardItem item{.cache = &prefix, .ids = ids, .plain = &context};
    ASSERT_TRUE(model.Forward({&item, 1}).ok());
    const AdapterConfig& config = (*adapter)->config();
    auto written = model.WriteGists(prefix, context,
                                    {.context_tokens = context.tokens(),
                                     .gist_tokens = config.gist_tokens,
                                     .prefix_tokens = prefix.tokens(),
                                     .gists_per_block = config.gists_per_block},
                                    **adapter);
    ASSERT_TRUE(written.ok()) << written.status();
    gists.push_back(*std::move(written));
  }
  EXPECT_EQ(gists[0], gists[1]);
}

// Larger than one slice: the vocabulary of a large model, in F16 as the file
// has it.
TEST(QuantizedMatrixTest, MultipliesInSlices) {
  constexpr int64_t kColumns = 1 << 15,
                    kRows = (int64_t{64} << 20) / kColumns + 3;
  const std::string bytes = [&] {
    std::string halves(size_t(kRows * kColumns * 2), '\0');
    for (size_t row = 0; row < size_t(kRows); ++row) {
      halves[row * kColumns * 2 + 1] = row % 2 == 0 ? 0x3c : 0x40;  // 1 or 2
    }
    return halves;
  }();
  const auto quantized = std::make_shared<const QuantizedMatrix>(
      GgufTensor{.name = "m",
                 .type = GgmlType::kF16,
                 .dims = {kColumns, kRows},
                 .data = bytes},
      0, at::kCPU);
  at::Tensor x = at::randn({2, kColumns}).set_requires_grad(true);
  const at::Tensor y = Product(x, Linear{{}, quantized});
  ASSERT_EQ(y.size(1), kRows);
  for (const int64_t row : {int64_t{0}, kRows - 4, kRows - 1}) {
    EXPECT_EQ(y[1][row].item<float>(),
              x[1][0].item<float>() * (row % 2 == 0 ? 1 : 2));
  }
  y.sum().backward();
  // Row 0, 2, ... add 1, the others 2.
  EXPECT_EQ(x.grad()[0][0].item<float>(), float(kRows + kRows / 2));
  EXPECT_EQ(x.grad()[0][1].item<float>(), 0);
}

}  // namespace
}  // namespace gist
