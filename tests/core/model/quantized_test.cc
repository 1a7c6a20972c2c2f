// Matrices of fewer bits: near float32 forward, and backward the gradient of
// the dequantized matrix.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/model/adapter.h"
#include "core/model/linear.h"
#include "tests/core/format/random_blocks.h"
#include "tests/core/golden.h"
#include "tests/core/model/tiny_model.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;

ThreadTeam& Team() {
  static ThreadTeam team(1);
  return team;
}

std::string PathOf(const std::string& variant) {
  return "tests/data/tiny/tiny." + variant + ".gguf";
}

struct Read {
  std::vector<float> logits;
  int64_t weight_bytes = 0;
};

// The logits at every id.
Read ReadAll(const Transformer& model, const Ids& ids) {
  KvCache cache = model.NewCache();
  const ForwardItem item{
      .cache = &cache, .ids = ids, .logits = LogitRows::kAll};
  auto read = model.Forward({&item, 1});
  EXPECT_TRUE(read.ok()) << read.status();
  if (!read.ok()) return {};
  return {std::move((*read)[0]), model.weight_bytes()};
}

// In bfloat16 a number has 8 bits; logits of the tiny model reach 17.
TEST(Bfloat16Test, LogitsAreNearInHalfTheMemory) {
  const Ids ids = Golden("tiny/logits.f32.safetensors").Ids("input_ids");
  std::vector<Read> reads;
  for (const auto weights :
       {WeightStorage::kFloat32, WeightStorage::kBfloat16}) {
    const auto model = LoadModel(PathOf("f32"), weights).transformer;
    ASSERT_NE(model, nullptr);
    reads.push_back(ReadAll(*model, ids));
  }
  const Read &exact = reads[0], &half = reads[1];
  ASSERT_EQ(exact.logits.size(), half.logits.size());
  EXPECT_LT(MaxDifference(exact.logits, half.logits), 1.0f);
  EXPECT_GT(MaxDifference(exact.logits, half.logits), 0.0f);  // it is in use
  EXPECT_LT(half.weight_bytes, exact.weight_bytes * 0.55);
}

// A Llama of one layer whose matrices are random blocks of one type.
class RandomModel {
 public:
  static constexpr int64_t kHidden = 256, kMlp = 256, kVocabulary = 96;

  explicit RandomModel(GgmlType type, int64_t heads = 4, int64_t kv_heads = 2)
      : type_(type), heads_(heads), kv_heads_(kv_heads) {
    const int64_t kv_rows = kHidden / heads * kv_heads;
    AddMatrix("token_embd.weight", kVocabulary, kHidden);
    AddNorm("output_norm.weight");
    const std::string blk = "blk.0.";
    AddNorm(blk + "attn_norm.weight");
    AddNorm(blk + "ffn_norm.weight");
    AddMatrix(blk + "attn_q.weight", kHidden, kHidden);
    AddMatrix(blk + "attn_k.weight", kv_rows, kHidden);
    AddMatrix(blk + "attn_v.weight", kv_rows, kHidden);
    AddMatrix(blk + "attn_output.weight", kHidden, kHidden);
    AddMatrix(blk + "ffn_gate.weight", kMlp, kHidden);
    AddMatrix(blk + "ffn_up.weight", kMlp, kHidden);
    AddMatrix(blk + "ffn_down.weight", kHidden, kMlp);
  }

  Gguf File() const {
    return Gguf::FromParts({{"general.architecture", std::string("llama")},
                            {"llama.block_count", int64_t{1}},
                            {"llama.embedding_length", kHidden},
                            {"llama.attention.head_count", heads_},
                            {"llama.attention.head_count_kv", kv_heads_},
                            {"llama.feed_forward_length", kMlp},
                            {"llama.context_length", int64_t{512}},
                            {"llama.attention.layer_norm_rms_epsilon", 1e-5}},
                           tensors_);
  }
  // Bytes of the tensors.
  int64_t Bytes() const {
    int64_t bytes = 0;
    for (const auto& [name, tensor] : tensors_)
      bytes += int64_t(tensor.data.size());
    return bytes;
  }

 private:
  void AddMatrix(const std::string& name, int64_t rows, int64_t columns) {
    Add({name, type_, {columns, rows}, {}},
        RandomBlocks(type_, rows * columns, 0.2f, random_));
  }
  void AddNorm(const std::string& name) {
    Add({name, GgmlType::kF32, {kHidden}, {}},
        RandomBlocks(GgmlType::kF32, kHidden, 2.0f, random_));
  }
  void Add(GgufTensor tensor, std::string bytes) {
    std::string& held = bytes_[tensor.name] = std::move(bytes);
    tensor.data = held;
    tensors_[tensor.name] = std::move(tensor);
  }

  const GgmlType type_;
  const int64_t heads_, kv_heads_;
  std::mt19937 random_{11};
  std::map<std::string, std::string> bytes_;
  std::map<std::string, GgufTensor> tensors_;
};

Read ReadWith(const RandomModel& random, WeightStorage weights, int tokens) {
  const auto model = Transformer::Load(random.File(), "cpu", weights, nullptr);
  EXPECT_TRUE(model.ok()) << model.status();
  if (!model.ok()) return {};
  Ids ids;
  for (int i = 0; i < tokens; ++i)
    ids.push_back(i * 37 % RandomModel::kVocabulary);
  return ReadAll(**model, ids);
}

// On one thread: the matrices are small, and a busy machine makes every wait
// for another thread a long one.
template <typename Check>
void ForEachType(Check check) {
  at::set_num_threads(1);
  for (const GgmlType type : AllGgmlTypes()) {
    SCOPED_TRACE(GgmlTypeName(uint32_t(type)));
    check(RandomModel(type));
  }
}

// Mean distance of two results, in units of their mean size.
double Moved(const std::vector<float>& from, const std::vector<float>& to) {
  EXPECT_EQ(from.size(), to.size());
  double moved = 0, size = 0;
  for (size_t i = 0; i < std::min(from.size(), to.size()); ++i) {
    moved += std::abs(double(from[i]) - to[i]);
    size += std::abs(double(from[i]));
  }
  return moved / size;
}

// Activations have 8 bits, of some types the weights too.
TEST(QuantizedTest, LogitsAreNearFloat32) {
  ForEachType([](const RandomModel& model) {
    for (const int tokens : {3, 60}) {
      const Read exact = ReadWith(model, WeightStorage::kFloat32, tokens);
      const Read quantized = ReadWith(model, WeightStorage::kQuantized, tokens);
      ASSERT_EQ(exact.logits.size(), size_t(tokens * RandomModel::kVocabulary));
      EXPECT_LT(Moved(exact.logits, quantized.logits), 0.05);
      EXPECT_NE(exact.logits.front(), exact.logits.back());
      // At most 8 bits and a scale for each 32.
      EXPECT_LT(quantized.weight_bytes, 0.28 * exact.weight_bytes);
    }
  });
}

// More query heads share a KV head than one unit of attention takes.
TEST(QuantizedTest, SplitsLargeGroupsOfHeads) {
  at::set_num_threads(1);
  const RandomModel model(GgmlType::kQ8_0, 128, 1);
  const Read exact = ReadWith(model, WeightStorage::kFloat32, 40);
  const Read quantized = ReadWith(model, WeightStorage::kQuantized, 40);
  EXPECT_LT(Moved(exact.logits, quantized.logits), 0.05);
}

TEST(QuantizedTest, GathersRowsInAnyOrder) {
  ForEachType([](const RandomModel& model) {
    const Gguf file = model.File();
    const GgufTensor& tensor = **file.Tensor("token_embd.weight");
    const QuantizedMatrix matrix(tensor, 0, at::kCPU, Team());
    const at::Tensor all = matrix.Dequantized(0, matrix.rows()).clone();
    const at::Tensor ids = at::tensor({95, 0, 7, 95}, at::kLong).view({2, 2});
    EXPECT_TRUE(matrix.Gathered(ids).equal(at::embedding(all, ids)));
  });
}

// Rows of a head that lie as pairs (2i, 2i + 1) come as (i, i + half).
TEST(QuantizedTest, PutsInterleavedRowsIntoHalves) {
  ForEachType([](const RandomModel& model) {
    const Gguf file = model.File();
    const GgufTensor& tensor = **file.Tensor("blk.0.attn_k.weight");
    const QuantizedMatrix stored(tensor, 0, at::kCPU, Team());
    const QuantizedMatrix turned(tensor, 64, at::kCPU, Team());
    const at::Tensor rows = stored.Dequantized(0, 128).clone();
    const at::Tensor want =
        rows.view({2, 32, 2, 256}).transpose(1, 2).reshape({128, 256});
    EXPECT_TRUE(turned.Dequantized(0, 128).equal(want));
  });
}

// The gradient of x through one matrix, by PyTorch's own linear and by ours.
TEST(QuantizedTest, GradientsEqualThoseOfTheDequantized) {
  ForEachType([](const RandomModel& model) {
    const Gguf file = model.File();
    const auto quantized = std::make_shared<const QuantizedMatrix>(
        **file.Tensor("blk.0.ffn_up.weight"), 0, at::kCPU, Team());
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
  });
}

// The adapter's model is the F32 one.
TEST(QuantizedGistsTest, AreNearFloat32) {
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
  EXPECT_LT(Moved(gists[0].keys, gists[1].keys), 0.05);
  EXPECT_LT(Moved(gists[0].values, gists[1].values), 0.05);
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
      0, at::kCPU, Team());
  at::Tensor x = at::randn({2, kColumns}).set_requires_grad(true);
  const at::Tensor y = Product(x, Linear{{}, quantized});
  ASSERT_EQ(y.size(1), kRows);
  for (const int64_t row : {int64_t{0}, kRows - 4, kRows - 1}) {
    const float want = x[1][0].item<float>() * (row % 2 == 0 ? 1 : 2);
    EXPECT_NEAR(y[1][row].item<float>(), want, 1e-3 * std::abs(want));
  }
  y.sum().backward();
  // Row 0, 2, ... add 1, the others 2.
  const auto sum = float(kRows + kRows / 2);
  EXPECT_NEAR(x.grad()[0][0].item<float>(), sum, 1e-3 * sum);
  EXPECT_EQ(x.grad()[0][1].item<float>(), 0);
}

}  // namespace
}  // namespace gist
