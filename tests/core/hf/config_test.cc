#include "core/hf/config.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

Json Config(std::string_view model_type, std::string_view more = "{}") {
  Json config = Json::parse(R"({"hidden_size": 64, "num_hidden_layers": 4,
      "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
      "intermediate_size": 96, "max_position_embeddings": 4096,
      "rms_norm_eps": 1e-6, "vocab_size": 1000})");
  config["model_type"] = model_type;
  if (model_type == "gemma3_text") config["query_pre_attn_scalar"] = 25;
  config.update(Json::parse(more));
  return config;
}

HfConfig Read(std::string_view model_type, std::string_view more = "{}") {
  auto read = ReadHfConfig(Config(model_type, more));
  EXPECT_THAT(read, IsOk());
  return read.ok() ? *std::move(read) : HfConfig{};
}

template <typename T>
T Value(const HfConfig& config, const std::string& key) {
  const auto found = config.values.find(key);
  if (found != config.values.end() && std::holds_alternative<T>(found->second))
    return std::get<T>(found->second);
  ADD_FAILURE() << "no " << key;
  return {};
}

void ExpectError(std::string_view model_type, std::string_view more,
                 StatusCode code, const std::string& text) {
  EXPECT_THAT(
      ReadHfConfig(Config(model_type, more)),
      StatusIs(code, AllOf(HasSubstr("config.json: "), HasSubstr(text))))
      << model_type << " " << more;
}

TEST(HfConfigTest, NamesSizesAsGgufDoes) {
  const HfConfig config = Read("mistral", R"({"rope_theta": 500000.0})");
  EXPECT_EQ(Value<std::string>(config, "general.architecture"), "llama");
  EXPECT_EQ(Value<std::string>(config, "gist.rope_order"), "halves");
  EXPECT_EQ(Value<int64_t>(config, "llama.embedding_length"), 64);
  EXPECT_EQ(Value<int64_t>(config, "llama.block_count"), 4);
  EXPECT_EQ(Value<int64_t>(config, "llama.attention.head_count"), 4);
  EXPECT_EQ(Value<int64_t>(config, "llama.attention.head_count_kv"), 2);
  EXPECT_EQ(Value<int64_t>(config, "llama.attention.key_length"), 16);
  EXPECT_EQ(Value<int64_t>(config, "llama.attention.value_length"), 16);
  EXPECT_EQ(Value<int64_t>(config, "llama.feed_forward_length"), 96);
  EXPECT_EQ(Value<int64_t>(config, "llama.context_length"), 4096);
  EXPECT_EQ(Value<double>(config, "llama.attention.layer_norm_rms_epsilon"),
            1e-6);
  EXPECT_EQ(Value<double>(config, "llama.rope.freq_base"), 500000);
}

TEST(HfConfigTest, ListsTheTypesThatThereAre) {
  EXPECT_THAT(ReadHfConfig(Config("mamba")),
              StatusIs(StatusCode::kUnimplemented,
                       AllOf(HasSubstr("\"mamba\""), HasSubstr("gemma3_text"),
                             HasSubstr("GGUF"))));
  EXPECT_THAT(ReadHfConfig(Json::object()),
              StatusIs(StatusCode::kUnimplemented, HasSubstr("model_type")));
}

TEST(HfConfigTest, RefusesWhatItDoesNotKnow) {
  ExpectError("llama", R"({"use_new_norm": true})", StatusCode::kUnimplemented,
              "\"use_new_norm\" is not known for llama");
  ExpectError("llama", R"({"sliding_window": 100})", StatusCode::kUnimplemented,
              "sliding_window");
  ExpectError("qwen3", R"({"quantization_config": {"bits": 4}})",
              StatusCode::kUnimplemented, "quantization_config");
  ExpectError("llama", R"({"attention_bias": true})",
              StatusCode::kUnimplemented, "attention_bias is");
  ExpectError("llama", R"({"mlp_bias": true})", StatusCode::kUnimplemented,
              "mlp_bias");
  ExpectError("llama", R"({"hidden_act": "relu"})", StatusCode::kUnimplemented,
              "hidden_act is");
  ExpectError("gemma3_text", R"({"hidden_activation": "silu"})",
              StatusCode::kUnimplemented, "hidden_activation");
  ExpectError("gemma3_text", R"({"final_logit_softcapping": 30.0})",
              StatusCode::kUnimplemented, "final_logit_softcapping");
  ExpectError("llama",
              R"({"architectures": ["LlamaForSequenceClassification"]})",
              StatusCode::kUnimplemented, "LlamaForSequenceClassification");
}

TEST(HfConfigTest, LeavesOutWhatChangesNothing) {
  Read("llama", R"({"torch_dtype": "bfloat16", "use_cache": true,
      "_name_or_path": "x", "transformers_version": "4.40", "no_feature": null,
      "attention_bias": false, "hidden_act": "silu", "temperature": 0.7,
      "architectures": ["LlamaForCausalLM"], "rope_interleaved": false})");
  Read("qwen2", R"({"attention_bias": true})");
}

TEST(HfConfigTest, WantsSizes) {
  for (const char* name :
       {"hidden_size", "num_hidden_layers", "num_attention_heads",
        "intermediate_size", "max_position_embeddings", "vocab_size",
        "rms_norm_eps"}) {
    ExpectError("llama", fmt::format(R"({{"{}": null}})", name),
                StatusCode::kDataLoss, name);
    ExpectError("llama", fmt::format(R"({{"{}": -1}})", name),
                StatusCode::kDataLoss, name);
    ExpectError("llama", fmt::format(R"({{"{}": "8"}})", name),
                StatusCode::kDataLoss, name);
  }
  ExpectError("qwen3", R"({"head_dim": null})", StatusCode::kDataLoss,
              "head_dim");
  ExpectError("mistral", R"({"num_key_value_heads": null})",
              StatusCode::kDataLoss, "num_key_value_heads");
  Read("llama", R"({"head_dim": null, "num_key_value_heads": null})");
}

TEST(HfConfigTest, KnowsWhatIsTied) {
  EXPECT_FALSE(Read("llama").tied);
  EXPECT_TRUE(Read("llama", R"({"tie_word_embeddings": true})").tied);
  EXPECT_TRUE(Read("gemma3_text").tied);
  ExpectError("llama", R"({"tie_word_embeddings": 1})", StatusCode::kDataLoss,
              "tie_word_embeddings");
}

TEST(HfConfigTest, ReadsIdsThatEndAnAnswer) {
  EXPECT_THAT(Read("llama", R"({"eos_token_id": 2})").eos_ids, ElementsAre(2));
  EXPECT_THAT(Read("llama", R"({"eos_token_id": [7, 9]})").eos_ids,
              ElementsAre(7, 9));
  EXPECT_THAT(Read("llama").eos_ids, IsEmpty());
  ExpectError("llama", R"({"eos_token_id": "x"})", StatusCode::kDataLoss,
              "eos_token_id");
}

TEST(HfConfigTest, ReadsWindows) {
  const HfConfig mistral = Read("mistral", R"({"sliding_window": 100})");
  EXPECT_EQ(Value<int64_t>(mistral, "llama.attention.sliding_window"), 100);
  EXPECT_FALSE(Read("mistral", R"({"sliding_window": null})")
                   .values.contains("llama.attention.sliding_window"));
  const std::string pattern = "qwen2.attention.sliding_window_pattern";
  EXPECT_THAT(
      Value<std::vector<bool>>(Read("qwen2", R"({"use_sliding_window": true,
                      "sliding_window": 100, "max_window_layers": 3})"),
                               pattern),
      ElementsAre(false, false, false, true));
  EXPECT_FALSE(Read("qwen2", R"({"use_sliding_window": false,
                      "sliding_window": 100, "max_window_layers": 3})")
                   .values.contains(pattern));
}

TEST(HfConfigTest, ReadsLayerTypes) {
  const std::string pattern = "gemma3.attention.sliding_window_pattern";
  EXPECT_THAT(
      Value<std::vector<bool>>(
          Read("gemma3_text",
               R"({"sliding_window": 10, "sliding_window_pattern": 2})"),
          pattern),
      ElementsAre(true, false, true, false));
  EXPECT_THAT(Value<std::vector<bool>>(
                  Read("gemma3_text", R"({"sliding_window": 10, "layer_types":
              ["full_attention", "sliding_attention", "full_attention",
               "sliding_attention"]})"),
                  pattern),
              ElementsAre(false, true, false, true));
  ExpectError("gemma3_text",
              R"({"sliding_window": 10, "layer_types": ["full_attention"]})",
              StatusCode::kDataLoss, "layer_types has 1 entries, want 4");
  ExpectError("gemma3_text",
              R"({"sliding_window": 10, "layer_types": ["linear_attention"]})",
              StatusCode::kUnimplemented, "linear_attention");
  ExpectError("qwen3", R"({"layer_types": ["sliding_attention"]})",
              StatusCode::kUnimplemented, "without a sliding_window");
}

TEST(HfConfigTest, ScalesGemmasQueries) {
  EXPECT_DOUBLE_EQ(Value<double>(Read("gemma3_text"), "gemma3.attention.scale"),
                   0.2);
  EXPECT_TRUE(Read("gemma3_text").norms_less_one);
  ExpectError("gemma3_text", R"({"query_pre_attn_scalar": null})",
              StatusCode::kDataLoss, "query_pre_attn_scalar");
}

TEST(HfConfigTest, KnowsWhichLayersOfSmolLm3HaveNoRope) {
  Read("smollm3", R"({"no_rope_layers": [1, 1, 1, 0]})");
  ExpectError("smollm3", R"({"no_rope_layers": [1, 0, 1, 0]})",
              StatusCode::kUnimplemented, "no_rope_layers[1]");
  ExpectError("smollm3", R"({"no_rope_layer_interval": 2})",
              StatusCode::kUnimplemented, "no_rope_layer_interval");
}

TEST(HfRopeTest, ReadsOldAndNewNamesAlike) {
  const auto old_form = Read("llama", R"({"rope_theta": 5000.0,
      "rope_scaling": {"type": "linear", "factor": 4.0}})");
  const auto new_form = Read("llama", R"({"rope_parameters":
      {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0}})");
  EXPECT_EQ(old_form.values, new_form.values);
  EXPECT_EQ(Value<double>(old_form, "llama.rope.scaling.factor"), 4);
  EXPECT_EQ(Value<std::string>(old_form, "llama.rope.scaling.type"), "linear");
}

TEST(HfRopeTest, HasTheBaseOfItsKind) {
  EXPECT_EQ(Value<double>(Read("llama"), "llama.rope.freq_base"), 10000);
  EXPECT_EQ(Value<double>(Read("smollm3"), "smollm3.rope.freq_base"), 2e6);
  const HfConfig gemma = Read("gemma3_text");
  EXPECT_EQ(Value<double>(gemma, "gemma3.rope.freq_base"), 1e6);
  EXPECT_EQ(Value<double>(gemma, "gemma3.rope.freq_base_swa"), 10000);
}

TEST(HfRopeTest, ReadsGemmasTwoRopes) {
  const auto old_form = Read("gemma3_text", R"({"rope_theta": 3e5,
      "rope_local_base_freq": 900.0,
      "rope_scaling": {"rope_type": "linear", "factor": 8.0}})");
  const auto new_form = Read("gemma3_text", R"({"rope_parameters": {
      "full_attention":
        {"rope_type": "linear", "factor": 8.0, "rope_theta": 3e5},
      "sliding_attention": {"rope_type": "default", "rope_theta": 900.0}}})");
  EXPECT_EQ(old_form.values, new_form.values);
  EXPECT_EQ(Value<double>(new_form, "gemma3.rope.freq_base_swa"), 900);
  ExpectError("gemma3_text", R"({"rope_parameters": {"full_attention": {},
      "sliding_attention": {"rope_type": "linear", "factor": 2.0}}})",
              StatusCode::kUnimplemented, "sliding_attention");
}

// Each by the formula of Llama 3.1, in Python:
// wave = 2 * pi * base ** (i / dims); turns = 8192 / wave
TEST(HfRopeTest, ComputesTheDivisorsOfLlama3) {
  const HfConfig config = Read("llama", R"({"rope_theta": 500000.0,
      "head_dim": 16, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192}})");
  const auto& divisors = config.rope_tensors.at("rope_freqs.weight");
  ASSERT_EQ(divisors.size(), 8u);
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double wave = 2 * M_PI * std::pow(500000.0, double(i) / 8);
    const double turns = 8192 / wave;
    const double smooth = (turns - 1) / 3;
    const double wanted = turns > 4   ? 1
                          : turns < 1 ? 8
                                      : 1 / ((1 - smooth) / 8 + smooth);
    EXPECT_NEAR(divisors[i], wanted, 1e-5 * wanted) << i;
  }
  EXPECT_EQ(divisors.front(), 1);
  EXPECT_EQ(divisors.back(), 8);
}

TEST(HfRopeTest, ReadsYarn) {
  const HfConfig config = Read("qwen2", R"({"rope_scaling": {"type": "yarn",
      "factor": 4.0, "original_max_position_embeddings": 1024,
      "beta_fast": 24.0}})");
  EXPECT_EQ(Value<double>(config, "qwen2.rope.scaling.factor"), 4);
  EXPECT_EQ(
      Value<int64_t>(config, "qwen2.rope.scaling.original_context_length"),
      1024);
  EXPECT_EQ(Value<double>(config, "qwen2.rope.scaling.yarn_beta_fast"), 24);
  EXPECT_DOUBLE_EQ(Value<double>(config, "qwen2.rope.scaling.yarn_attn_factor"),
                   0.1 * std::log(4.0) + 1);
  EXPECT_DOUBLE_EQ(
      Value<double>(Read("qwen2", R"({"rope_scaling": {"type": "yarn",
          "factor": 4.0, "attention_factor": 1.5}})"),
                    "qwen2.rope.scaling.yarn_attn_factor"),
      1.5);
  ExpectError("qwen2",
              R"({"rope_scaling": {"type": "yarn", "truncate": false}})",
              StatusCode::kUnimplemented, "truncate");
}

TEST(HfRopeTest, ReadsLongRope) {
  const HfConfig config = Read("phi3", R"({"partial_rotary_factor": 0.25,
      "original_max_position_embeddings": 1024,
      "rope_scaling": {"type": "su", "long_factor": [1.0, 3.5],
                       "short_factor": [1.0, 1.5]}})");
  EXPECT_EQ(Value<int64_t>(config, "phi3.rope.dimension_count"), 4);
  EXPECT_EQ(Value<std::string>(config, "phi3.rope.scaling.type"), "longrope");
  EXPECT_EQ(Value<int64_t>(config, "phi3.rope.scaling.original_context_length"),
            1024);
  EXPECT_DOUBLE_EQ(Value<double>(config, "phi3.rope.scaling.attn_factor"),
                   std::sqrt(1 + std::log(4.0) / std::log(1024.0)));
  EXPECT_THAT(config.rope_tensors.at("rope_factors_long.weight"),
              ElementsAre(1, 3.5));
  EXPECT_THAT(config.rope_tensors.at("rope_factors_short.weight"),
              ElementsAre(1, 1.5));
  ExpectError("phi3", R"({"rope_scaling": {"type": "longrope",
      "long_factor": [1.0], "short_factor": [1.0]}})",
              StatusCode::kDataLoss, "long_factor has 1 numbers, want 8");
}

TEST(HfRopeTest, RefusesOthers) {
  ExpectError("llama", R"({"rope_scaling": {"type": "dynamic", "factor": 2}})",
              StatusCode::kUnimplemented, "\"dynamic\"");
  ExpectError("qwen3", R"({"rope_scaling": {"rope_type": "llama3"}})",
              StatusCode::kUnimplemented, "supported for qwen3");
  ExpectError("llama",
              R"({"rope_scaling": {"type": "linear", "factor": 2, "x": 1}})",
              StatusCode::kUnimplemented, "\"x\"");
  ExpectError("llama", R"({"rope_scaling": {"type": "linear"}})",
              StatusCode::kDataLoss, "factor is missing");
  ExpectError("llama", R"({"rope_scaling": [4]})", StatusCode::kDataLoss,
              "rope_scaling");
  ExpectError("llama", R"({"partial_rotary_factor": 0.5})",
              StatusCode::kUnimplemented, "partial_rotary_factor");
  ExpectError("llama", R"({"rope_theta": 0})", StatusCode::kDataLoss,
              "rope_theta");
  ExpectError("llama", R"({"rope_scaling": {"type": "linear", "factor": 2},
      "rope_parameters": {"rope_type": "default"}})",
              StatusCode::kUnimplemented, "differ");
}

}  // namespace
}  // namespace gist
