// The decoder layer with biases and query and key norms, which no golden model
// has yet, against plain loops over the same random weights.
#include "core/model/decoder.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/model/ops.h"
#include "core/model/weights.h"
#include "tests/core/format/gguf_writer.h"

namespace gist {
namespace {

using at::Tensor;

constexpr int kHidden = 6, kHeads = 4, kKvHeads = 2, kHeadDim = 4, kMlp = 5;
constexpr float kEpsilon = 1e-5f;

// A file of one layer with random weights, and the weights themselves in
// Hugging Face's order.
class TinyFile {
 public:
  explicit TinyFile(RopeOrder order) : order_(order) {
    Add("token_embd.weight", 3, kHidden);
    Add("output_norm.weight", kHidden);
    Add("blk.0.attn_norm.weight", kHidden);
    Add("blk.0.ffn_norm.weight", kHidden);
    Add("blk.0.attn_q.weight", kHeads * kHeadDim, kHidden, true);
    Add("blk.0.attn_k.weight", kKvHeads * kHeadDim, kHidden, true);
    Add("blk.0.attn_v.weight", kKvHeads * kHeadDim, kHidden);
    Add("blk.0.attn_q.bias", kHeads * kHeadDim, 0, true);
    Add("blk.0.attn_k.bias", kKvHeads * kHeadDim, 0, true);
    Add("blk.0.attn_v.bias", kKvHeads * kHeadDim);
    Add("blk.0.attn_q_norm.weight", kHeadDim, 0, true);
    Add("blk.0.attn_k_norm.weight", kHeadDim, 0, true);
    Add("blk.0.attn_output.weight", kHidden, kHeads * kHeadDim);
    Add("blk.0.ffn_gate.weight", kMlp, kHidden);
    Add("blk.0.ffn_up.weight", kMlp, kHidden);
    Add("blk.0.ffn_down.weight", kHidden, kMlp);
  }

  // A value of a matrix or vector. `name`: without "blk.0.".
  float At(const std::string& name, int row, int column = 0) const {
    const Values& values = values_.at("blk.0." + name);
    return values.numbers[size_t(row * std::max(1, values.columns) + column)];
  }

  DecoderWeights Load() const {
    std::map<std::string, std::string> bytes;
    std::map<std::string, GgufTensor> tensors;
    for (const auto& [name, values] : values_) {
      std::string& data = bytes[name];
      for (const float value : Stored(values)) data += Raw(value);
      std::vector<int64_t> dims;
      if (values.columns > 0) dims.push_back(values.columns);
      dims.push_back(values.rows);
      tensors[name] = {
          .name = name, .type = GgmlType::kF32, .dims = dims, .data = data};
    }
    const std::string written = WriteGguf({}, tensors, 32);
    const auto file = Gguf::Parse(written);
    EXPECT_TRUE(file.ok()) << file.status();
    ModelConfig config{.architecture = {.name = "kin",
                                        .key_prefix = "kin",
                                        .rope_order = order_,
                                        .attention_biases = true,
                                        .qk_norms = true},
                       .name = "tiny"};
    config.layers = 1;
    config.hidden_size = kHidden;
    config.heads = kHeads;
    config.kv_heads = kKvHeads;
    config.head_dim = kHeadDim;
    config.mlp_size = kMlp;
    config.vocab_size = 3;
    config.rms_norm_epsilon = kEpsilon;
    config.kinds = {{.frequencies = RopeFrequencies(10000, kHeadDim)}};
    ThreadTeam team(1);
    auto weights = LoadWeights(*file, config, "cpu", WeightStorage::kFloat32,
                               team, nullptr);
    EXPECT_TRUE(weights.ok()) << weights.status();
    return {config, *std::move(weights), FrequenciesOf(config, at::kCPU)};
  }

 private:
  struct Values {
    int rows = 0;
    int columns = 0;  // 0: a vector
    bool is_turned = false;
    std::vector<float> numbers;
  };

  // `is_turned`: rows of query or key, in the file's RoPE order.
  void Add(const std::string& name, int rows, int columns = 0,
           bool is_turned = false) {
    Values values{rows, columns, is_turned, {}};
    std::uniform_real_distribution<float> random(-1, 1);
    for (int i = 0; i < rows * std::max(1, columns); ++i)
      values.numbers.push_back(random(generator_));
    values_[name] = std::move(values);
  }

  // Interleaved files hold row i of a head at 2i, row i + half at 2i + 1.
  std::vector<float> Stored(const Values& values) const {
    if (!values.is_turned || order_ == RopeOrder::kHalves)
      return values.numbers;
    const int width = std::max(1, values.columns), half = kHeadDim / 2;
    std::vector<float> stored(values.numbers.size());
    for (int row = 0; row < values.rows; ++row) {
      const int within = row % kHeadDim;
      const int to = row - within + 2 * (within % half) + within / half;
      std::copy_n(values.numbers.begin() + row * width, width,
                  stored.begin() + to * width);
    }
    return stored;
  }

  const RopeOrder order_;
  std::mt19937 generator_{7};
  std::map<std::string, Values> values_;
};

using Vector = std::vector<double>;

// x / rms(x) * weight.
Vector Normalized(const Vector& x, const TinyFile& file,
                  const std::string& weight) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double rms = std::sqrt(squares / double(x.size()) + kEpsilon);
  Vector out;
  for (size_t i = 0; i < x.size(); ++i)
    out.push_back(x[i] / rms * file.At(weight, int(i)));
  return out;
}

// One projection of one row, with bias, and with norms of its heads.
Vector Projected(const Vector& h, const TinyFile& file, const std::string& name,
                 int rows, bool has_norm) {
  Vector out;
  for (int row = 0; row < rows; ++row) {
    double sum = file.At(name + ".bias", row);
    for (int i = 0; i < kHidden; ++i)
      sum += h[size_t(i)] * file.At(name + ".weight", row, i);
    out.push_back(sum);
  }
  if (!has_norm) return out;
  Vector normalized;
  for (int head = 0; head < rows / kHeadDim; ++head) {
    const auto first = out.begin() + head * kHeadDim;
    const Vector one =
        Normalized({first, first + kHeadDim}, file, name + "_norm.weight");
    normalized.insert(normalized.end(), one.begin(), one.end());
  }
  return normalized;
}

void ExpectNear(const Tensor& row, const Vector& want) {
  ASSERT_EQ(size_t(row.numel()), want.size());
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_NEAR(row[int64_t(i)].item<float>(), want[i], 1e-5) << i;
}

class DecoderTest : public testing::TestWithParam<RopeOrder> {};

TEST_P(DecoderTest, AppliesBiasesAndHeadNormsBeforeRope) {
  const at::NoGradGuard no_grad;
  const TinyFile file(GetParam());
  const DecoderWeights model = file.Load();
  std::vector<float> numbers;
  for (int i = 0; i < 2 * kHidden; ++i)
    numbers.push_back(std::sin(float(3 * i + 1)));
  const Tensor x = FromFloats(numbers, {2, kHidden}, at::kCPU);
  const Qkv qkv = LayerInput(x, model, 0, nullptr);
  const Qkv key_value = LayerKeyValue(x, model, 0, nullptr);
  EXPECT_FALSE(key_value.query.defined());
  EXPECT_TRUE(key_value.key.equal(qkv.key));
  EXPECT_TRUE(key_value.value.equal(qkv.value));
  for (int row = 0; row < 2; ++row) {
    const auto first = numbers.begin() + row * kHidden;
    const Vector h =
        Normalized({first, first + kHidden}, file, "attn_norm.weight");
    ExpectNear(qkv.query[row],
               Projected(h, file, "attn_q", kHeads * kHeadDim, true));
    ExpectNear(qkv.key[row],
               Projected(h, file, "attn_k", kKvHeads * kHeadDim, true));
    ExpectNear(qkv.value[row],
               Projected(h, file, "attn_v", kKvHeads * kHeadDim, false));
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, DecoderTest,
                         testing::Values(RopeOrder::kInterleaved,
                                         RopeOrder::kHalves),
                         [](const auto& test) {
                           return test.param == RopeOrder::kHalves
                                      ? "Halves"
                                      : "Interleaved";
                         });

// RunLayers of the last layer alone: its output rows by kind.
TEST(RunLayersTest, ReturnsTheRowsAskedFor) {
  const at::NoGradGuard no_grad;
  const DecoderWeights model = TinyFile(RopeOrder::kHalves).Load();
  const Tensor x = Embed(model, FromIds({0, 2, 1}, at::kCPU));
  int calls = 0;
  const auto attend = [&](int, const Qkv& qkv) -> Tensor {
    ++calls;
    return qkv.query;  // each row attends to nothing
  };
  const Tensor all = RunLayers(x, model, nullptr, OutputRows::All(), attend);
  EXPECT_EQ(all.size(0), 3);
  const Tensor some = RunLayers(
      x, model, nullptr, OutputRows::Only(FromIds({2, 0}, at::kCPU)), attend);
  ASSERT_EQ(some.size(0), 2);
  EXPECT_TRUE(some[0].allclose(all[2]));
  EXPECT_TRUE(some[1].allclose(all[0]));
  EXPECT_FALSE(
      RunLayers(x, model, nullptr, OutputRows::None(), attend).defined());
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(OutputLogits(some, model).sizes().vec(),
            (std::vector<int64_t>{2, 3}));
}

}  // namespace
}  // namespace gist
