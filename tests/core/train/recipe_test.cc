#include "core/train/recipe.h"

#include <gtest/gtest.h>

#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::HasSubstr;

TEST(RecipeTest, ComesBackFromItsOwnYaml) {
  TrainRecipe recipe;
  recipe.name = "mine\r: 10";
  recipe.seed = 1ull << 60;
  recipe.layout.lora_mlp = true;
  recipe.gist_counts = {10, 25};
  recipe.learning_rate = 1.0 / 3;
  recipe.bfloat16_base = true;
  recipe.mean_over_questions = true;
  recipe.stages = {{"a", 3, 1, 2, 0.5}, {"b", 4, 5, 6, 0}};
  const std::string yaml = ToYaml(recipe);
  TrainRecipe back;
  ASSERT_THAT(ApplyRecipeYaml(yaml, "test", back), IsOk());
  EXPECT_EQ(ToYaml(back), yaml);
  EXPECT_EQ(back.seed, recipe.seed);
  EXPECT_EQ(back.gist_counts, recipe.gist_counts);
  ASSERT_EQ(back.stages.size(), 2u);
  EXPECT_EQ(back.stages[1].max_tokens, 6);
}

TEST(RecipeTest, SettingsChangeOneKey) {
  TrainRecipe recipe;
  ASSERT_THAT(ApplyRecipeSetting("learning_rate=3e-4", recipe), IsOk());
  ASSERT_THAT(ApplyRecipeSetting("layout.lora_r=8", recipe), IsOk());
  ASSERT_THAT(ApplyRecipeSetting("gist_counts=[10, 25]", recipe), IsOk());
  EXPECT_EQ(recipe.learning_rate, 3e-4);
  EXPECT_EQ(recipe.layout.lora_r, 8);
  EXPECT_EQ(recipe.gist_counts, (std::vector<int>{10, 25}));
  EXPECT_EQ(recipe.layout.lora_alpha, TrainRecipe().layout.lora_alpha);
}

TEST(RecipeTest, MistakesAreNamedWithTheirLine) {
  TrainRecipe recipe;
  const auto error = [&](std::string_view yaml, const std::string& wanted) {
    EXPECT_THAT(ApplyRecipeYaml(yaml, "r.yaml", recipe),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(wanted)))
        << yaml;
  };
  error("seed: 1\nsteps: 3", "r.yaml:2: unknown key \"steps\"; known are name");
  error("seed: 1\nseed: 2", "r.yaml:2: the key \"seed\" comes twice");
  error("layout: {lora_r: many}", "lora_r is not an integer");
  error("layout: {rank: 3}", "unknown key \"rank\"");
  error("stages: {}", "stages is not a list");
  error("gist_counts: 10", "gist_counts is not a list of integers");
  error("- 1", "want a map of keys");
  error("a: [", "not YAML");
  EXPECT_THAT(
      ApplyRecipeSetting("seed", recipe),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("key=value")));
}

TEST(RecipeTest, ValuesOutOfRangeAreRefused) {
  const auto error = [](const char* setting, const std::string& wanted) {
    TrainRecipe recipe;
    recipe.stages = {{"all", 10, 100, 1000, 0}};
    EXPECT_THAT(CheckRecipe(recipe), IsOk());
    ASSERT_THAT(ApplyRecipeSetting(setting, recipe), IsOk());
    EXPECT_THAT(
        CheckRecipe(recipe),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(wanted)));
  };
  error("stages=[]", "no stages");
  error("stages=[{name: s, steps: 0}]", "s.steps is 0");
  error("stages=[{name: s, steps: 1, max_tokens: 9000}]",
        "s.max_tokens is 9000");
  error("gist_counts=[10, 0]", "a gist count is 0, want 1 or more");
  error("documents_per_step=0", "documents_per_step is 0");
  error("learning_rate=.nan", "learning_rate is nan");
  error("cached_segments=1", "cached_segments is 1");
}

TEST(RecipeTest, EveryPresetCanBeTrained) {
  for (const char* name : {"gist_10", "gist_25", "gist_50"}) {
    const std::string path = fmt::format("adapters/presets/{}.yaml", name);
    const std::string yaml = ReadFile(path);
    TrainRecipe recipe;
    ASSERT_THAT(ApplyRecipeYaml(yaml, path, recipe), IsOk());
    EXPECT_THAT(CheckRecipe(recipe), IsOk());
    EXPECT_EQ(recipe.name, name);
  }
}

}  // namespace
}  // namespace gist
