// The arguments of `gist train`, `trainings`, `datasets` and `adapters`.
#include <memory>
#include <string>
#include <vector>

#include "client/cli/cli_parts.h"
#include "client/cli/train_commands.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr char kJobId[] = "job_0123456789abcdef0123";

// Where the samples come from.
void AddData(CLI::App* sub, TrainArguments* arguments) {
  TrainingRequest& request = arguments->request;
  sub->add_option("--data", arguments->files,
                  "JSON lines to upload and learn from; - is standard input")
      ->type_name("FILE");
  sub->add_option("--dev-data", arguments->dev_files,
                  "JSON lines to measure on (default: a tenth of --data)")
      ->type_name("FILE");
  sub->add_option("--dataset", request.dataset_ids,
                  "Datasets that were uploaded before")
      ->type_name("ID");
  const auto generator = [&request]() -> Generator& {
    if (!request.generator) request.generator.emplace();
    return *request.generator;
  };
  CLI::Option* generate = sub->add_option_function<std::string>(
      "--generate",
      [generator](const std::string& name) { generator().name = name; },
      "Learn from generated samples: niah, needles in a haystack");
  generate->type_name("NAME");
  using Names = std::vector<std::string>;
  sub->add_option_function<Names>(
         "--language",
         [generator](const Names& names) { generator().languages = names; },
         "Of generated samples: en, ko (default: both)")
      ->type_name("L")
      ->needs(generate);
  sub->add_option_function<Names>(
         "--family",
         [generator](const Names& names) { generator().families = names; },
         "Of generated samples: passkey (default), keyed, absent, overview")
      ->type_name("F")
      ->needs(generate);
  sub->add_option_function<int64_t>(
         "--samples",
         [generator](int64_t samples) { generator().samples = samples; },
         "Documents to generate (default: as --steps or the preset say)")
      ->check(CLI::Range(1, kMostTokens))
      ->type_name("N")
      ->needs(generate);
}

// Numbers in the preset's place.
void AddNumbers(CLI::App* sub, TrainingRequest* request) {
  const auto add = [sub](const char* name, int* number, const char* about) {
    sub->add_option(name, *number, about)
        ->check(CLI::Range(1, kMostTokens))
        ->type_name("N");
  };
  add("--steps", &request->steps, "Optimizer steps in all");
  add("--epochs", &request->epochs, "How often the datasets are read");
  add("--gists", &request->gist_tokens, "Gist tokens of a document");
  add("--max-tokens", &request->max_tokens, "Longest document");
  add("--documents-per-step", &request->documents_per_step,
      "Documents in an optimizer step");
  sub->add_option("--learning-rate", request->learning_rate,
                  "Of the LoRA, at its highest")
      ->check(CLI::Range(1e-7, 1.0))
      ->type_name("R");
  sub->add_option("--seed", request->seed,
                  "The same seed and data take the same steps")
      ->type_name("S");
}

void AddTrain(CLI::App& app, Command* command) {
  CLI::App* sub = AddSubcommand(
      app, "train", "Train an adapter on the server; Ctrl-C detaches",
      "gist train --preset gist_10 --data mine.jsonl --name mine\n  gist train "
      "--preset gist_10 --generate niah --language ko --name ko \\\n      "
      "--promote-if-better");
  auto arguments = std::make_shared<TrainArguments>();
  TrainingRequest& request = arguments->request;
  sub->add_option("--preset", request.preset,
                  "Recipe of the server: gist_10, gist_25 or gist_50")
      ->required()
      ->type_name("NAME");
  sub->add_option("--name", request.name,
                  "Of the adapter; each training makes a new version of it")
      ->required()
      ->type_name("NAME");
  AddData(sub, arguments.get());
  AddNumbers(sub, &request);
  sub->add_option("--start", request.start_adapter,
                  "Go on from this adapter (NAME or NAME@VERSION)")
      ->type_name("ADAPTER");
  sub->add_flag("--promote-if-better", request.promote_if_better,
                "Use it if it does better than the adapter in use");
  sub->add_option("--request-id", request.request_id,
                  "Sent again, it is the same training")
      ->type_name("ID");
  sub->add_flag("--detach", arguments->detach,
                "Print the training's id and leave");
  Choose(sub, command, arguments, RunTrain);
  sub->parse_complete_callback([arguments] {
    if (arguments->files.empty() && arguments->request.dataset_ids.empty() &&
        !arguments->request.generator) {
      throw CLI::ValidationError(
          "train",
          "has nothing to learn from: --data, --dataset or --generate");
    }
  });
}

// A subcommand of one argument.
void AddOne(CLI::App& app, Command* command, const char* name,
            const char* about, const std::string& example, const char* argument,
            const char* argument_about,
            absl::Status (*run)(const std::string&, Session&)) {
  CLI::App* sub = AddSubcommand(app, name, about, example);
  auto value = std::make_shared<std::string>();
  sub->add_option(argument, *value, argument_about)->required()->type_name("");
  Choose(sub, command, value, run);
}

void AddMany(CLI::App& app, Command* command, const char* name,
             const char* about, const std::string& example,
             const char* argument, const char* argument_about,
             absl::Status (*run)(const std::vector<std::string>&, Session&)) {
  CLI::App* sub = AddSubcommand(app, name, about, example);
  auto values = std::make_shared<std::vector<std::string>>();
  sub->add_option(argument, *values, argument_about)->required()->type_name("");
  Choose(sub, command, values, run);
}

void AddNone(CLI::App& app, Command* command, const char* name,
             const char* about, const std::string& example,
             absl::Status (*run)(Session&)) {
  CLI::App* sub = AddSubcommand(app, name, about, example);
  sub->final_callback([command, run] { *command = run; });
}

CLI::App* AddGroup(CLI::App& app, const char* name, const char* about) {
  CLI::App* group =
      AddSubcommand(app, name, about, fmt::format("gist {} list", name));
  group->require_subcommand(1);
  return group;
}

void LetOptionsFollow(CLI::App* group) {
  group->fallthrough();
  for (CLI::App* sub : group->get_subcommands({})) sub->fallthrough();
}

void AddTrainings(CLI::App& app, Command* command) {
  CLI::App* group =
      AddGroup(app, "trainings", "List, show, watch and cancel trainings");
  const std::string call = "gist trainings ";
  AddNone(*group, command, "list", "All trainings, the newest first",
          call + "list", RunTrainingList);
  AddOne(*group, command, "get", "What is known of a training",
         call + "get " + kJobId, "ID", "The training", RunTrainingGet);
  AddOne(*group, command, "watch", "Follow a training; Ctrl-C detaches",
         call + "watch " + kJobId, "ID", "The training", RunTrainingWatch);
  AddOne(*group, command, "cancel", "End a training without an adapter",
         call + "cancel " + kJobId, "ID", "The training", RunTrainingCancel);
  LetOptionsFollow(group);
}

void AddDatasets(CLI::App& app, Command* command) {
  CLI::App* group =
      AddGroup(app, "datasets", "Upload, list and delete samples");
  const std::string call = "gist datasets ";
  AddMany(*group, command, "upload", "Send JSON lines; print each one's id",
          call + "upload mine.jsonl", "FILE",
          "Files of one sample a line; - is standard input", RunDatasetUpload);
  AddNone(*group, command, "list", "All datasets, by id", call + "list",
          RunDatasetList);
  AddMany(*group, command, "delete", "Delete datasets, up to the first error",
          call + "delete ds_0123456789abcdef0123456789abcdef", "ID",
          "The datasets", RunDatasetDelete);
  LetOptionsFollow(group);
}

void AddAdapters(CLI::App& app, Command* command) {
  CLI::App* group =
      AddGroup(app, "adapters", "List adapters, and choose the one in use");
  const std::string call = "gist adapters ";
  CLI::App* list = AddSubcommand(
      *group, "list", "Trained here, for the server's model", call + "list");
  auto arguments = std::make_shared<AdapterListArguments>();
  list->add_flag("--all", arguments->all, "Those for other models too");
  Choose(list, command, arguments, RunAdapterList);
  AddOne(*group, command, "promote", "Compress new documents by this adapter",
         call + "promote mine@2", "ADAPTER",
         "NAME (its latest version), NAME@VERSION or a training's id",
         RunAdapterPromote);
  AddNone(*group, command, "rollback", "Back to the adapter in use before",
          call + "rollback", RunAdapterRollback);
  LetOptionsFollow(group);
}

}  // namespace

void AddTraining(CLI::App& app, Command* command) {
  AddTrain(app, command);
  AddTrainings(app, command);
  AddDatasets(app, command);
  AddAdapters(app, command);
}

}  // namespace gist::client
