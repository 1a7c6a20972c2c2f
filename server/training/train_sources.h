// What trainings are made of, by name: recipes and generators.
#pragma once

#include <string>

#include "server/training/train_plan.h"

namespace gist {

// The recipes NAME.yaml of a folder.
RecipeSource RecipesIn(std::string folder);

// "niah": generated needles in the built-in filler text.
GeneratorSource Generators();

}  // namespace gist
