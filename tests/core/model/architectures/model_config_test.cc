// What a file's keys and tensors say of its model, and what is refused by name.
#include "core/model/architectures/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/status.h"
#include "tests/core/format/gguf_writer.h"

namespace gist {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

constexpr int kLayers = 12, kHeadDim = 16;

GgufValue Size(int value) { return GgufValue(int64_t{value}); }

// A file without layers' weights, of 12 layers with 4 heads of 16.
class Draft {
 public:
  explicit Draft(std::string architecture)
      : architecture_(std::move(architecture)) {
    values_["general.architecture"] = architecture_;
    Set("block_count", Size(kLayers));
    Set("embedding_length", Size(96));
    Set("attention.head_count", Size(4));
    Set("attention.head_count_kv", Size(2));
    Set("attention.key_length", Size(kHeadDim));
    Set("feed_forward_length", Size(32));
    Set("context_length", Size(512));
    Set("attention.layer_norm_rms_epsilon", 1e-6);
    Set("rope.freq_base", 10000.0);
    Add("token_embd.weight", {96, 8}, std::vector<float>(96 * 8));
  }
  // `key` stands behind the architecture's prefix.
  Draft& Set(const std::string& key, GgufValue value) {
    values_[architecture_ + "." + key] = std::move(value);
    return *this;
  }
  Draft& Erase(const std::string& key) {
    values_.erase(architecture_ + "." + key);
    return *this;
  }
  Draft& SetWhole(const std::string& key, GgufValue value) {
    values_[key] = std::move(value);
    return *this;
  }
  Draft& Add(const std::string& name, std::vector<int64_t> dims,
             const std::vector<float>& numbers) {
    std::string& data = data_[name];
    for (const float number : numbers) data += Raw(number);
    tensors_[name] = {.name = name,
                      .type = GgmlType::kF32,
                      .dims = std::move(dims),
                      .data = data};
    return *this;
  }
  absl::StatusOr<ModelConfig> Read() const {
    const std::string bytes = WriteGguf(values_, tensors_, 32);
    const auto file = Gguf::Parse(bytes);
    EXPECT_TRUE(file.ok()) << file.status();
    return ModelConfig::FromGguf(*file);
  }
  ModelConfig Config() const {
    auto config = Read();
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *std::move(config) : ModelConfig();
  }
  void ExpectRefused(const std::vector<std::string>& words) const {
    const absl::Status status = Read().status();
    EXPECT_TRUE(absl::IsUnimplemented(status) || absl::IsDataLoss(status))
        << status;
    for (const std::string& word : words)
      EXPECT_THAT(std::string(Message(status)), HasSubstr(word));
  }

 private:
  const std::string architecture_;
  std::map<std::string, GgufValue> values_;
  std::map<std::string, std::string> data_;
  std::map<std::string, GgufTensor> tensors_;
};

// base^(-2i / dims) / divisor.
std::vector<float> Plain(double base, int dims, double divisor = 1) {
  std::vector<float> frequencies;
  for (int i = 0; i < dims; i += 2)
    frequencies.push_back(float(std::pow(base, -double(i) / dims) / divisor));
  return frequencies;
}

MATCHER(IsNear, "") {
  return std::abs(std::get<0>(arg) - std::get<1>(arg)) <
         1e-6f * std::abs(std::get<1>(arg));
}

std::vector<int> WindowsOf(const ModelConfig& config) {
  std::vector<int> windows;
  for (int layer = 0; layer < config.layers; ++layer)
    windows.push_back(config.kinds[config.KindOf(layer)].window);
  return windows;
}

TEST(ModelConfigTest, EachArchitectureIsReadByItsOwnPrefix) {
  for (const Architecture& row : Architectures()) {
    const ModelConfig config = Draft(std::string(row.name)).Config();
    EXPECT_EQ(config.architecture.name, row.name);
    EXPECT_EQ(config.layers, kLayers);
    EXPECT_EQ(config.head_dim, kHeadDim);
    EXPECT_EQ(config.rms_norm_epsilon, 1e-6f);
  }
}

TEST(ModelConfigTest, ArchitecturesOutsideOfTheTableAreRefusedByName) {
  for (const char* name : {"mixtral", "qwen2moe", "qwen3moe", "gemma2", "mamba",
                           "jamba", "falcon-h1", "clip", "deepseek2", "gpt-oss",
                           "llama4", "gemma", "phi2"}) {
    Draft(name).ExpectRefused({name, "\"llama\"", "\"gemma3\""});
  }
}

TEST(ModelConfigTest, UnknownKeysAndTensorsAreRefusedByName) {
  for (const Architecture& row : Architectures()) {
    const std::string name(row.name);
    Draft(name)
        .Set("attention.swirl", 2.0)
        .ExpectRefused({name + ".attention.swirl"});
    Draft(name)
        .Add("blk.3.attn_sinks.weight", {4}, {1, 2, 3, 4})
        .ExpectRefused({"blk.3.attn_sinks.weight", name});
    // One layer too many.
    Draft(name)
        .Add("blk.12.attn_norm.weight", {1}, {1})
        .ExpectRefused({"blk.12.attn_norm.weight"});
  }
  Draft("llama")
      .Add("v.patch_embd.weight", {1}, {1})
      .ExpectRefused({"v.patch"});
  Draft("phi3").Add("blk.0.attn_q.weight", {1}, {1}).ExpectRefused({"attn_q"});
  Draft("qwen3")
      .Add("rope_freqs.weight", {8}, std::vector<float>(8, 1))
      .ExpectRefused({"rope_freqs.weight"});
}

TEST(ModelConfigTest, FeaturesThatAreNotComputedAreRefusedByName) {
  const std::pair<const char*, GgufValue> cases[] = {
      {"expert_count", Size(8)},
      {"final_logit_softcapping", 30.0},
      {"attn_logit_softcapping", 50.0},
      {"attention.causal", false},
      {"attention.max_alibi_bias", 8.0},
      {"attention.clamp_kqv", 8.0},
      {"logit_scale", 0.5},
      {"residual_scale", 0.2},
      {"embedding_scale", 12.0},
      {"pooling_type", Size(3)},
      {"nextn_predict_layers", Size(1)},
      {"use_parallel_residual", true},
      {"rope.scaling.yarn_log_multiplier", 0.1},
      {"attention.value_length", Size(8)},
      {"rope.scaling.type", std::string("dynamic")},
      {"expert_count", std::vector<int64_t>{8, 8}},
  };
  for (const Architecture& row : Architectures()) {
    const std::string name(row.name);
    for (const auto& [key, value] : cases)
      Draft(name).Set(key, value).ExpectRefused({name + "." + key});
  }
  Draft("llama")
      .Set("rope.scaling.type", std::string("longrope"))
      .ExpectRefused({"longrope"});
  Draft("llama").Set("rope.freq_base_swa", 5000.0).ExpectRefused({"base_swa"});
  Draft("llama")
      .SetWhole("general.type", std::string("mmproj"))
      .ExpectRefused({"mmproj"});
  Draft("llama").SetWhole("gist.twist", 1.0).ExpectRefused({"gist.twist"});
}

TEST(ModelConfigTest, HarmlessKeysPass) {
  const ModelConfig config =
      Draft("llama")
          .Set("expert_count", Size(0))
          .Set("expert_used_count", Size(0))
          .Set("attention.causal", true)
          .Set("vocab_size", Size(8))
          .Set("rope.scaling.finetuned", true)
          .Set("rope.scaling.factor", 0.0)
          .SetWhole("general.type", std::string("model"))
          .SetWhole("general.quantization_version", Size(2))
          .SetWhole("tokenizer.ggml.anything", std::vector<int64_t>{1})
          .SetWhole("quantize.imatrix.file", std::string("x"))
          .SetWhole("split.count", Size(0))
          .SetWhole("maker.note", std::string("by hand"))
          .Config();
  EXPECT_EQ(config.kinds[0].frequencies, Plain(10000, kHeadDim));
}

TEST(ModelConfigTest, ContextAndSizesAreJudged) {
  Draft("llama").Set("context_length", Size(1)).ExpectRefused({"is 1", "64"});
  Draft("llama").Set("block_count", Size(1 << 20)).ExpectRefused({"1048576"});
  Draft("llama")
      .Set("attention.key_length", Size(1 << 20))
      .ExpectRefused({"1048576"});
  Draft("llama")
      .Set("attention.head_count_kv", Size(3))
      .ExpectRefused({"3 KV"});
  Draft("llama").Set("rope.freq_base", -1.0).ExpectRefused({"freq_base"});
  Draft("llama").Set("rope.freq_base", std::nan("")).ExpectRefused({"nan"});
  Draft("llama").Set("rope.dimension_count", Size(7)).ExpectRefused({"is 7"});
  Draft("llama").Set("rope.dimension_count", Size(18)).ExpectRefused({"18"});
  Draft("llama")
      .Set("attention.layer_norm_rms_epsilon", 0.0)
      .ExpectRefused({"epsilon"});
  Draft("llama")
      .Set("attention.key_length", Size(1))
      .ExpectRefused({"head size 1"});
  EXPECT_TRUE(absl::IsNotFound(Draft("llama")
                                   .Erase("attention.layer_norm_rms_epsilon")
                                   .Read()
                                   .status()));
  // Fewer dimensions than heads.
  Draft("llama")
      .Erase("attention.key_length")
      .Set("embedding_length", Size(2))
      .ExpectRefused({"head size 0"});
}

TEST(ModelConfigTest, LinearScalingDividesFrequencies) {
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    EXPECT_THAT(Draft("llama").Set(key, 4.0).Config().kinds[0].frequencies,
                Pointwise(IsNear(), Plain(10000, kHeadDim, 4)));
  }
  EXPECT_EQ(Draft("llama")
                .Set("rope.scaling.type", std::string("none"))
                .Set("rope.scaling.factor", 4.0)
                .Config()
                .kinds[0]
                .frequencies,
            Plain(10000, kHeadDim));
  EXPECT_EQ(Draft("llama")
                .Set("rope.dimension_count", Size(8))
                .Config()
                .kinds[0]
                .frequencies,
            Plain(10000, 8));
}

// By hand: over 128 tokens, pair i turns 128 / (2 pi 10000^(i / 8)) times. Pair
// -0.4 would turn 32 times, pair 2.6 once: the ramp goes from 0 to 3.
TEST(ModelConfigTest, YarnKeepsFastPairsAndScalesAttention) {
  Draft draft("qwen2");
  draft.Set("rope.scaling.type", std::string("yarn"))
      .Set("rope.scaling.factor", 4.0)
      .Set("rope.scaling.original_context_length", Size(128));
  const std::vector<float> plain = Plain(10000, kHeadDim);
  std::vector<float> want;
  for (int i = 0; i < kHeadDim / 2; ++i) {
    const float kept = 1 - std::min(1.0f, float(i) / 3);
    want.push_back(plain[size_t(i)] * (kept + (1 - kept) / 4));
  }
  const LayerKind kind = draft.Config().kinds[0];
  EXPECT_THAT(kind.frequencies, Pointwise(IsNear(), want));
  EXPECT_NEAR(kind.rope_scale, 1 + std::log(4.0) / 10, 1e-6);
  draft.Set("rope.scaling.yarn_attn_factor", 1.5);
  EXPECT_EQ(draft.Config().kinds[0].rope_scale, 1.5f);
  draft.Set("rope.scaling.attn_factor", 2.0);
  EXPECT_EQ(draft.Config().kinds[0].rope_scale, 3.0f);
  draft.Set("rope.scaling.yarn_beta_fast", 1.0);
  EXPECT_EQ(draft.Config().kinds[0].frequencies[0], plain[0]);
}

TEST(ModelConfigTest, FrequencyFactorsDivideOneByOne) {
  Draft draft("llama");
  draft.Add("rope_freqs.weight", {8}, {1, 1, 2, 4, 8, 8, 8, 8});
  std::vector<float> want = Plain(10000, kHeadDim);
  const float divisors[] = {1, 1, 2, 4, 8, 8, 8, 8};
  for (size_t i = 0; i < want.size(); ++i) want[i] /= divisors[i];
  EXPECT_THAT(draft.Config().kinds[0].frequencies, Pointwise(IsNear(), want));
  Draft("llama")
      .Add("rope_freqs.weight", {4}, {1, 1, 1, 1})
      .ExpectRefused({"rope_freqs.weight", "[4]"});
  Draft("llama")
      .Add("rope_freqs.weight", {8}, {1, 1, 1, 0, 1, 1, 1, 1})
      .ExpectRefused({"rope_freqs.weight", "holds 0"});
}

TEST(ModelConfigTest, LongFactorsBelongToContextsBeyondTheOriginal) {
  Draft draft("phi3");
  draft.Add("rope_factors_long.weight", {8}, std::vector<float>(8, 4))
      .Add("rope_factors_short.weight", {8}, std::vector<float>(8, 2))
      .Set("rope.scaling.original_context_length", Size(512));
  EXPECT_THAT(draft.Config().kinds[0].frequencies,
              Pointwise(IsNear(), Plain(10000, kHeadDim, 2)));
  draft.Set("rope.scaling.original_context_length", Size(256));
  draft.ExpectRefused({"phi3.rope.scaling.attn_factor"});
  draft.Set("rope.scaling.attn_factor", 1.25);
  const LayerKind kind = draft.Config().kinds[0];
  EXPECT_THAT(kind.frequencies, Pointwise(IsNear(), Plain(10000, kHeadDim, 4)));
  EXPECT_EQ(kind.rope_scale, 1.25f);
}

TEST(ModelConfigTest, AWindowHoldsForAllLayersUnlessAPatternSaysMore) {
  Draft draft("llama");
  draft.Set("attention.sliding_window", Size(100));
  EXPECT_EQ(WindowsOf(draft.Config()), std::vector<int>(kLayers, 100));
  draft.Set("attention.sliding_window_pattern", Size(3));
  EXPECT_THAT(WindowsOf(draft.Config()),
              ElementsAre(100, 100, 0, 100, 100, 0, 100, 100, 0, 100, 100, 0));
  std::vector<bool> flags(kLayers, false);
  flags[4] = true;
  draft.Set("attention.sliding_window_pattern", flags);
  EXPECT_THAT(WindowsOf(draft.Config()),
              ElementsAre(0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0));
  flags.pop_back();
  draft.Set("attention.sliding_window_pattern", flags).ExpectRefused({"11"});
  EXPECT_EQ(Draft("phi3")
                .Set("attention.sliding_window", Size(0))
                .Config()
                .kinds.size(),
            1u);
}

TEST(ModelConfigTest, Gemma3HasFiveLocalLayersAndAGlobalOne) {
  Draft draft("gemma3");
  draft.Set("attention.sliding_window", Size(512))
      .Set("rope.freq_base", 1e6)
      .Set("rope.scaling.type", std::string("linear"))
      .Set("rope.scaling.factor", 8.0);
  const ModelConfig config = draft.Config();
  EXPECT_THAT(WindowsOf(config), ElementsAre(512, 512, 512, 512, 512, 0, 512,
                                             512, 512, 512, 512, 0));
  EXPECT_EQ(config.kinds[config.KindOf(0)].frequencies, Plain(1e4, kHeadDim));
  EXPECT_THAT(config.kinds[config.KindOf(5)].frequencies,
              Pointwise(IsNear(), Plain(1e6, kHeadDim, 8)));
  EXPECT_FLOAT_EQ(config.embedding_scale, std::sqrt(96.0f));
  EXPECT_EQ(config.query_scale, 1);
  draft.Set("rope.freq_base_swa", 500.0);
  EXPECT_EQ(draft.Config().kinds[0].frequencies, Plain(500, kHeadDim));
}

TEST(ModelConfigTest, QueriesAreScaledAsTheFileOrTheSizeSays) {
  Draft draft("gemma3");
  draft.Set("block_count", Size(62));  // as the 27B model: 96 wide, 4 heads
  EXPECT_FLOAT_EQ(draft.Config().query_scale, std::sqrt(16.0f / 24.0f));
  draft.Set("attention.scale", 0.5);
  EXPECT_FLOAT_EQ(draft.Config().query_scale, 2);
  draft.Set("attention.scale", 0.0);
  EXPECT_FLOAT_EQ(draft.Config().query_scale, std::sqrt(16.0f / 24.0f));
  EXPECT_EQ(Draft("llama").Set("block_count", Size(62)).Config().query_scale,
            1);
}

TEST(ModelConfigTest, EachFourthLayerOfSmolLm3IsWithoutRope) {
  const ModelConfig config = Draft("smollm3").Config();
  for (int layer = 0; layer < kLayers; ++layer) {
    const LayerKind& kind = config.kinds[config.KindOf(layer)];
    EXPECT_EQ(kind.frequencies, layer % 4 == 3
                                    ? std::vector<float>(kHeadDim / 2, 0)
                                    : Plain(10000, kHeadDim))
        << layer;
  }
}

TEST(ModelConfigTest, AFileMayNameTheOrderOfItsRows) {
  EXPECT_EQ(Draft("llama").Config().architecture.rope_order,
            RopeOrder::kInterleaved);
  Draft draft("llama");
  draft.SetWhole("gist.rope_order", std::string("halves"));
  EXPECT_EQ(draft.Config().architecture.rope_order, RopeOrder::kHalves);
  draft.SetWhole("gist.rope_order", std::string("interleaved"));
  EXPECT_EQ(draft.Config().architecture.rope_order, RopeOrder::kInterleaved);
  draft.SetWhole("gist.rope_order", std::string("up"))
      .ExpectRefused({"\"up\""});
}

}  // namespace
}  // namespace gist
