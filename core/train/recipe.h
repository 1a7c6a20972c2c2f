// TrainRecipe as YAML: presets, and what a checkpoint says it was trained with.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/train/trainer.h"

namespace gist {

// Reads `yaml` over `recipe`; keys are the fields' names, those of GistLayout
// stand in a map `layout`, `stages` is a list of maps. `name`: of the file, for
// errors. kInvalidArgument: not YAML, an unknown key (the message lists the
// known ones) or a key twice, a wrong type, all with `name` and the line.
absl::Status ApplyRecipeYaml(std::string_view yaml, std::string_view name,
                             TrainRecipe& recipe);
// Sets one key, "learning_rate=3e-4"; "layout.lora_r=8" for those of a map.
// kInvalidArgument as above.
absl::Status ApplyRecipeSetting(std::string_view setting, TrainRecipe& recipe);

// ApplyRecipeYaml reads it back to the same recipe.
std::string ToYaml(const TrainRecipe& recipe);

// kInvalidArgument: no stage, or a value out of range; the message says which,
// what was found and wanted.
absl::Status CheckRecipe(const TrainRecipe& recipe);

}  // namespace gist
