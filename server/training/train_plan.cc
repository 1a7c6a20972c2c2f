#include "server/training/train_plan.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/train/recipe.h"
#include "server/support/errors.h"
#include "server/support/names.h"

namespace gist {
namespace {

constexpr int kMaxDatasets = 16;  // of one training
constexpr int kDefaultEpochs = 3;
constexpr int kMinDocumentTokens = 32;

struct Range {
  const char* name;
  double value;
  double least;
  double most;
};

// 0 leaves the number to the preset.
absl::Status CheckRange(const Range& range) {
  if (range.value == 0 ||
      (range.value >= range.least && range.value <= range.most)) {
    return absl::OkStatus();
  }
  return InvalidField(
      range.name,
      fmt::format("{} is {}, want {} to {}, or 0 for the preset's", range.name,
                  range.value, range.least, range.most));
}

absl::Status CheckNumbers(const TrainRequest& request) {
  for (const Range& range : {
           Range{"steps", double(request.steps), 1, 10'000'000},
           Range{"documents_per_step", double(request.documents_per_step), 1,
                 256},
           Range{"learning_rate", request.learning_rate, 1e-7, 1},
           Range{"gist_tokens", double(request.gist_tokens), 1, 1024},
           Range{"max_tokens", double(request.max_tokens), kMinDocumentTokens,
                 131'072},
           Range{"epochs", double(request.epochs), 1, 1000},
       }) {
    GIST_RETURN_IF_ERROR(CheckRange(range));
  }
  if (!request.generator) return absl::OkStatus();
  return CheckRange(
      {"samples", double(request.generator->samples), 1, 100'000'000});
}

absl::Status CheckData(const TrainRequest& request) {
  if (request.dataset_ids.empty() && !request.generator) {
    return InvalidField(
        "dataset_ids",
        "there is nothing to learn from: name datasets (UploadDataset) or a "
        "generator");
  }
  if (request.dataset_ids.size() + request.dev_dataset_ids.size() >
      size_t(kMaxDatasets)) {
    return InvalidField(
        "dataset_ids",
        fmt::format("{} datasets, want at most {} in one training",
                    request.dataset_ids.size() + request.dev_dataset_ids.size(),
                    kMaxDatasets));
  }
  if (request.dataset_ids.empty() && request.epochs > 0) {
    return InvalidField(
        "epochs",
        "epochs go over datasets, and there are none; use steps or samples");
  }
  return absl::OkStatus();
}

// Shares `steps` out as the stages had theirs, at least one each.
void SetSteps(int64_t steps, TrainRecipe& recipe) {
  const double before = std::max(1, recipe.steps());
  double due = 0;
  int64_t given = 0;
  for (TrainStage& stage : recipe.stages) {
    due += stage.steps / before * double(steps);
    stage.steps = std::max(1, int(std::llround(due) - given));
    given += stage.steps;
  }
}

}  // namespace

absl::Status ApplyOverrides(const TrainRequest& request, TrainRecipe& recipe) {
  if (request.documents_per_step > 0) {
    recipe.documents_per_step = request.documents_per_step;
  }
  if (request.learning_rate > 0) recipe.learning_rate = request.learning_rate;
  if (request.seed != 0) recipe.seed = request.seed;
  if (request.epochs > 0) recipe.epochs = request.epochs;
  if (request.gist_tokens > 0) {
    recipe.layout.gist_tokens = request.gist_tokens;
    recipe.gist_counts.clear();
    recipe.next_recipe.clear();  // the caller chose how many
  }
  if (request.max_tokens > 0) {
    for (TrainStage& stage : recipe.stages) {
      stage.max_tokens = std::min(stage.max_tokens, request.max_tokens);
      stage.min_tokens = std::min(stage.min_tokens, stage.max_tokens);
    }
  }
  const int64_t samples = request.generator ? request.generator->samples : 0;
  if (request.steps > 0 && samples > 0) {
    return InvalidField(
        "steps",
        "steps and samples are both set, and each says how long; leave one "
        "out");
  }
  const int64_t per_step = std::max<int64_t>(
      1, int64_t(recipe.documents_per_step) * recipe.accumulate_passes);
  const int64_t steps =
      samples > 0 ? (samples + per_step - 1) / per_step : request.steps;
  if (steps > 0) SetSteps(steps, recipe);
  // With a generator the steps say how long; without one the epochs do.
  if (request.dataset_ids.empty()) {
    recipe.epochs = 0;
  } else if (recipe.epochs == 0 && steps == 0 && !request.generator) {
    recipe.epochs = kDefaultEpochs;
  } else if (request.epochs == 0 && steps > 0) {
    recipe.epochs = 0;
  }
  return absl::OkStatus();
}

absl::Status HoldOut(std::vector<Record>& records, std::vector<Record>& dev) {
  const auto digest = [](const Record& record) {
    return Sha256Hex(record.context);
  };
  std::set<std::string> documents;
  for (const Record& record : records) documents.insert(digest(record));
  if (documents.size() < 2) {
    return InvalidField(
        "dataset_ids",
        "the datasets hold one document alone: dev accuracy needs another one; "
        "name dev datasets, or add documents");
  }
  // The first tenth in the order of their hashes, which is no order at all.
  const size_t held = std::max<size_t>(1, documents.size() / 10);
  const std::set<std::string> chosen(
      documents.begin(), std::next(documents.begin(), std::ptrdiff_t(held)));
  const auto kept = std::stable_partition(
      records.begin(), records.end(),
      [&](const Record& record) { return !chosen.contains(digest(record)); });
  dev.assign(std::make_move_iterator(kept),
             std::make_move_iterator(records.end()));
  records.erase(kept, records.end());
  return absl::OkStatus();
}

TrainPlanner::TrainPlanner(RecipeSource recipes, GeneratorSource generators,
                           const DatasetStore& datasets,
                           const AdapterStore& adapters)
    : recipes_(std::move(recipes)),
      generators_(std::move(generators)),
      datasets_(datasets),
      adapters_(adapters) {}

absl::StatusOr<TrainRecipe> TrainPlanner::RecipeFor(
    const TrainRequest& request, const std::string& name) const {
  GIST_RETURN_IF_ERROR(CheckPlainName("preset", name));
  GIST_ASSIGN_OR_RETURN(TrainRecipe recipe, recipes_(name));
  GIST_RETURN_IF_ERROR(ApplyOverrides(request, recipe));
  GIST_RETURN_IF_ERROR(CheckRecipe(recipe));
  return recipe;
}

absl::Status TrainPlanner::Check(const TrainRequest& request) const {
  GIST_RETURN_IF_ERROR(CheckPlainName("name", request.name));
  if (!request.request_id.empty()) {
    GIST_RETURN_IF_ERROR(CheckPlainName("request_id", request.request_id));
  }
  GIST_RETURN_IF_ERROR(CheckNumbers(request));
  GIST_RETURN_IF_ERROR(CheckData(request));
  GIST_RETURN_IF_ERROR(RecipeFor(request, request.preset).status());
  for (const auto* ids : {&request.dataset_ids, &request.dev_dataset_ids}) {
    for (const std::string& id : *ids) {
      GIST_RETURN_IF_ERROR(datasets_.Get(id, request.tenant).status());
    }
  }
  if (request.generator) {
    GIST_RETURN_IF_ERROR(generators_(*request.generator).status());
  }
  if (request.start_adapter.empty()) return absl::OkStatus();
  return adapters_.Find(request.start_adapter).status();
}

absl::Status TrainPlanner::AddRecords(const TrainRequest& request,
                                      TrainSpec& spec) const {
  const auto load = [&](const std::vector<std::string>& ids,
                        std::vector<Record>& out) -> absl::Status {
    for (const std::string& id : ids) {
      GIST_ASSIGN_OR_RETURN(auto records, datasets_.Load(id, request.tenant));
      std::ranges::move(records, std::back_inserter(out));
    }
    return absl::OkStatus();
  };
  GIST_RETURN_IF_ERROR(load(request.dataset_ids, spec.records));
  GIST_RETURN_IF_ERROR(load(request.dev_dataset_ids, spec.dev_records));
  // Generated tasks have a dev set of their own.
  if (spec.records.empty() || !spec.dev_records.empty() || request.generator) {
    return absl::OkStatus();
  }
  return HoldOut(spec.records, spec.dev_records);
}

absl::StatusOr<TrainSpec> TrainPlanner::Plan(const TrainRequest& request,
                                             const std::string& recipe,
                                             const std::string& folder) const {
  GIST_RETURN_IF_ERROR(Check(request));
  TrainSpec spec;
  GIST_ASSIGN_OR_RETURN(spec.recipe, RecipeFor(request, recipe));
  GIST_RETURN_IF_ERROR(AddRecords(request, spec));
  if (request.generator) {
    GIST_ASSIGN_OR_RETURN(GeneratedTasks generated,
                          generators_(*request.generator));
    spec.tasks = std::move(generated.tasks);
    spec.dev_tasks = std::move(generated.dev_tasks);
  }
  if (!request.start_adapter.empty()) {
    GIST_ASSIGN_OR_RETURN(const AdapterVersion start,
                          adapters_.Find(request.start_adapter));
    GIST_ASSIGN_OR_RETURN(spec.start_adapter,
                          adapters_.VerifiedFolderOf(start));
  }
  spec.folder = folder;
  return spec;
}

}  // namespace gist
