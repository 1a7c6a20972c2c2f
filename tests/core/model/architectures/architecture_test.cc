// The table of architectures, and the keys that it selects.
#include "core/model/architectures/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/base/status.h"
#include "core/model/architectures/model_config.h"
#include "tests/core/format/gguf_writer.h"

namespace gist {
namespace {

using testing::HasSubstr;

// A file without weights: sizes under `prefix`, and these tensors.
absl::StatusOr<ModelConfig> ConfigOf(
    const Architecture& architecture, const std::string& prefix,
    std::map<std::string, GgufTensor> tensors = {}) {
  const std::string zeros(16 * 8 * sizeof(float), '\0');
  tensors["token_embd.weight"] = {.name = "token_embd.weight",
                                  .type = GgmlType::kF32,
                                  .dims = {16, 8},
                                  .data = zeros};
  const auto size = [](int value) { return GgufValue(int64_t{value}); };
  const std::string bytes =
      WriteGguf({{"general.architecture", std::string("mamba")},
                 {prefix + ".block_count", size(3)},
                 {prefix + ".embedding_length", size(16)},
                 {prefix + ".attention.head_count", size(4)},
                 {prefix + ".attention.head_count_kv", size(2)},
                 {prefix + ".feed_forward_length", size(32)},
                 {prefix + ".context_length", size(512)},
                 {prefix + ".attention.layer_norm_rms_epsilon", 1e-5},
                 {prefix + ".rope.freq_base", 5000.0}},
                tensors, 32);
  const auto file = Gguf::Parse(bytes);
  EXPECT_TRUE(file.ok()) << file.status();
  return ModelConfig::FromGguf(*file, architecture);
}

GgufTensor Bias(const std::string& name) {
  static const std::string zeros(16 * sizeof(float), '\0');
  return {.name = name, .type = GgmlType::kF32, .dims = {16}, .data = zeros};
}

TEST(ArchitectureTest, FindsEachRowByItsOneName) {
  std::set<std::string_view> names;
  for (const Architecture& row : Architectures()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    const auto found = FindArchitecture(row.name);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->key_prefix, row.key_prefix);
  }
  EXPECT_TRUE(names.contains("llama"));
}

TEST(ArchitectureTest, RefusesAnUnknownNameAndListsTheTable) {
  for (const std::string_view name : {"mamba", "", "llama2", "LLAMA"}) {
    const absl::Status status = FindArchitecture(name).status();
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(name));
    for (const Architecture& row : Architectures()) {
      EXPECT_THAT(std::string(Message(status)),
                  HasSubstr("\"" + std::string(row.name) + "\""));
    }
  }
}

TEST(ArchitectureTest, ReadsSizesByItsKeyPrefix) {
  const Architecture other{.name = "other", .key_prefix = "kin"};
  const auto config = ConfigOf(other, "kin");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture.name, "other");
  EXPECT_EQ(config->layers, 3);
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_dim, 4);
  EXPECT_EQ(config->vocab_size, 8);
  ASSERT_EQ(config->kinds.size(), 1u);
  EXPECT_EQ(config->kinds[0].frequencies, RopeFrequencies(5000, 4));
  EXPECT_EQ(config->kinds[0].window, 0);

  const absl::Status status = ConfigOf(other, "llama").status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(Message(status)), HasSubstr("kin.block_count"));
}

TEST(ArchitectureTest, TakesOnlyTheBiasesOfItsRow) {
  Architecture row{.name = "llama", .key_prefix = "llama"};
  const std::string query = "blk.0.attn_q.bias", down = "blk.0.ffn_down.bias";
  EXPECT_TRUE(absl::IsUnimplemented(
      ConfigOf(row, "llama", {{query, Bias(query)}}).status()));
  row.attention_biases = true;
  EXPECT_TRUE(ConfigOf(row, "llama", {{query, Bias(query)}}).ok());
  const absl::Status status =
      ConfigOf(row, "llama", {{query, Bias(query)}, {down, Bias(down)}})
          .status();
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr(down));
}

}  // namespace
}  // namespace gist
