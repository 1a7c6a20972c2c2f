#include "server/training/train_sources.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/data/niah_source.h"
#include "core/train/recipe.h"
#include "fmt/ranges.h"
#include "server/support/errors.h"
#include "server/support/file_io.h"
#include "server/support/names.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

constexpr char kSuffix[] = ".yaml";

absl::Status NoSuchPreset(const std::string& folder, const std::string& name) {
  std::vector<std::string> known;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == kSuffix) {
      known.push_back(it->path().stem().string());
    }
  }
  std::ranges::sort(known);
  return Error(Reason::kPresetNotFound,
               fmt::format("no preset is called {:?}; there are {}", name,
                           fmt::join(known, ", ")));
}

std::vector<Weighted> EquallyWeighted(const std::vector<std::string>& names,
                                      std::vector<Weighted> others) {
  if (names.empty()) return others;
  std::vector<Weighted> weighted;
  for (const std::string& name : names) weighted.push_back({name, 1});
  return weighted;
}

}  // namespace

RecipeSource RecipesIn(std::string folder) {
  return [folder = std::move(folder)](
             const std::string& name) -> absl::StatusOr<TrainRecipe> {
    GIST_RETURN_IF_ERROR(CheckPlainName("preset", name));
    const std::string file = name + kSuffix;
    const auto yaml = ReadStateFile(fmt::format("{}/{}", folder, file));
    if (absl::IsNotFound(yaml.status())) return NoSuchPreset(folder, name);
    GIST_RETURN_IF_ERROR(yaml.status());
    TrainRecipe recipe;
    GIST_RETURN_IF_ERROR(ApplyRecipeYaml(*yaml, file, recipe));
    recipe.name = name;  // what it is asked for by
    GIST_RETURN_IF_ERROR(Within(file, CheckRecipe(recipe)));
    return recipe;
  };
}

GeneratorSource Generators() {
  return [](const GeneratorRequest& request) -> absl::StatusOr<GeneratedTasks> {
    if (request.name != "niah") {
      return InvalidField(
          "generator.name",
          fmt::format("no generator is called {:?}; there is niah",
                      Shown(request.name)));
    }
    NiahOptions options;
    options.languages = EquallyWeighted(request.languages, options.languages);
    options.families = EquallyWeighted(request.families, options.families);
    GeneratedTasks generated;
    options.split = Split::kTrain;
    GIST_ASSIGN_OR_RETURN(generated.tasks,
                          NiahSource::Create(options, nullptr));
    options.split = Split::kDev;
    GIST_ASSIGN_OR_RETURN(generated.dev_tasks,
                          NiahSource::Create(options, nullptr));
    return generated;
  };
}

}  // namespace gist
