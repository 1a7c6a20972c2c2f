// From what a caller asks for to what a trainer is given.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/train/trainer.h"
#include "server/training/adapter_store.h"
#include "server/training/dataset_store.h"
#include "server/training/training.h"

namespace gist {

// The preset or recipe of a (plain) name. kNotFound names those there are.
using RecipeSource =
    std::function<absl::StatusOr<TrainRecipe>(const std::string& name)>;

struct GeneratedTasks {
  std::shared_ptr<const TaskSource> tasks;
  std::shared_ptr<const TaskSource> dev_tasks;
};
// kInvalidArgument: no such generator, language or family; names those there
// are.
using GeneratorSource =
    std::function<absl::StatusOr<GeneratedTasks>(const GeneratorRequest&)>;

// Makes plans out of names alone: no file's path is ever a caller's.
// Thread-safe.
class TrainPlanner {
 public:
  // All outlive the planner.
  TrainPlanner(RecipeSource recipes, GeneratorSource generators,
               const DatasetStore& datasets, const AdapterStore& adapters);

  // Is all there that the request names, and is every number in its range?
  // kInvalidArgument, kNotFound.
  absl::Status Check(const TrainRequest& request) const;
  // The same, then the spec of `request` with the recipe of that name in place
  // of the preset, for a trainer that works in `folder`.
  absl::StatusOr<TrainSpec> Plan(const TrainRequest& request,
                                 const std::string& recipe,
                                 const std::string& folder) const;

 private:
  absl::StatusOr<TrainRecipe> RecipeFor(const TrainRequest& request,
                                        const std::string& name) const;
  absl::Status AddRecords(const TrainRequest& request, TrainSpec& spec) const;

  const RecipeSource recipes_;
  const GeneratorSource generators_;
  const DatasetStore& datasets_;
  const AdapterStore& adapters_;
};

// Puts the request's numbers in the recipe's place. kInvalidArgument: steps and
// samples both say how long.
absl::Status ApplyOverrides(const TrainRequest& request, TrainRecipe& recipe);

// Moves about a tenth of the documents, one at least, from `records` to `dev`.
// Questions over the same document stay together, and the same document always
// goes the same way. kInvalidArgument: there is only one document.
absl::Status HoldOut(std::vector<Record>& records, std::vector<Record>& dev);

}  // namespace gist
