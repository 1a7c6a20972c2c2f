// gist-train: trains a gist adapter on this machine, without a server, from
// generated tasks or from files of samples.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>

#include "CLI/CLI.hpp"
#include "client/tools/bring_model.h"
#include "core/base/clock.h"
#include "core/base/process_tuning.h"
#include "core/base/status.h"
#include "core/base/thread_count.h"
#include "core/data/niah_source.h"
#include "core/data/record_file.h"
#include "core/embed/torch_embedder.h"
#include "core/model/device.h"
#include "core/train/answer_trainer.h"
#include "core/train/recipe.h"
#include "core/train/torch_trainer.h"
#include "core/train/train_sample.h"

namespace gist {
namespace {

std::atomic<bool> stop_wanted = false;

struct Flags {
  std::string preset, out, model, start;
  std::string answer_adapter_for, embedder;
  std::vector<std::string> records, dev_records;
  std::vector<std::string> filler, dev_filler, settings,
      languages = {"en:7", "ko:3"}, families = {"passkey:1"};
  double mission_share = 0.2;
  int min_facts = NiahOptions{}.min_facts, max_facts = NiahOptions{}.max_facts;
  int steps = 0, threads = 0, log_every = 10;
  std::string device = "cpu", weights = "float32", chat_template;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--preset", flags.preset, "YAML file of the recipe")
      ->required();
  app.add_option("--out", flags.out, "folder of checkpoint and adapter")
      ->required();
  app.add_option("--model", flags.model, std::string(client::kModelHelp));
  app.add_option(
      "--start", flags.start,
      "folder of an adapter, or of an answer adapter, to start from");
  app.add_option("--answer-adapter-for", flags.answer_adapter_for,
                 "train an answer adapter instead, LoRA on question and "
                 "answer, that answers from full texts, passages and the gists "
                 "of this adapter folder; wants --records");
  // The old name stays until 0.1.0.
  app.add_option("--reader-of", flags.answer_adapter_for)->group("");
  app.add_option("--embedder", flags.embedder,
                 "folder of the encoder that finds the answer adapter's "
                 "passages");
  app.add_option(
      "--records", flags.records,
      "JSON Lines of samples to learn from instead of generated tasks");
  app.add_option("--dev-records", flags.dev_records,
                 "likewise, to be scored by");
  app.add_option(
      "--filler", flags.filler,
      "files or folders of text, or \"debian\"; none: the built-in essays");
  app.add_option("--dev-filler", flags.dev_filler,
                 "likewise for dev samples; none: held-out parts of --filler");
  app.add_option("--language", flags.languages, "NAME:WEIGHT, repeatable");
  app.add_option("--family", flags.families, "NAME:WEIGHT, repeatable");
  app.add_option("--mission-share", flags.mission_share,
                 "share of passkeys in the mission's own frame");
  app.add_option("--min-facts", flags.min_facts,
                 "fewest facts of a document of family keyed");
  app.add_option("--max-facts", flags.max_facts, "most facts of one");
  app.add_option("--set", flags.settings,
                 "KEY=VALUE over the preset, repeatable");
  app.add_option("--steps", flags.steps, "leave after so many steps; 0: all");
  app.add_option("--threads", flags.threads,
                 "0: the CPUs that the affinity mask and the CPU quota allow");
  app.add_option("--device", flags.device, "cpu or cuda:N");
  app.add_option(
      "--chat-template", flags.chat_template,
      "family's name or Jinja file in place of the model file's own");
  app.add_option("--weights", flags.weights,
                 "float32: the reference; bfloat16: half of its memory, less "
                 "exact; quantized: the least memory, slower")
      ->check(CLI::IsMember({"float32", "bfloat16", "quantized"}));
  app.add_option("--log-every", flags.log_every, "steps from line to line");
}

absl::StatusOr<std::vector<Weighted>> ParseWeights(
    const std::vector<std::string>& texts) {
  std::vector<Weighted> weights;
  for (const std::string& text : texts) {
    const size_t colon = text.find(':');
    Weighted weighted{.name = text.substr(0, colon)};
    if (colon != text.npos) {
      char* end = nullptr;
      weighted.weight = std::strtod(text.c_str() + colon + 1, &end);
      if (*end != '\0' || !(weighted.weight > 0)) {
        return absl::InvalidArgumentError(
            fmt::format("\"{}\": want NAME:WEIGHT, say en:7", text));
      }
    }
    weights.push_back(std::move(weighted));
  }
  return weights;
}

absl::StatusOr<TrainRecipe> ReadRecipe(const Flags& flags) {
  std::ifstream file(flags.preset);
  if (!file) {
    return absl::NotFoundError(
        fmt::format("--preset {}: cannot read", flags.preset));
  }
  const std::string yaml((std::istreambuf_iterator<char>(file)), {});
  TrainRecipe recipe;
  GIST_RETURN_IF_ERROR(ApplyRecipeYaml(yaml, flags.preset, recipe));
  for (const std::string& setting : flags.settings) {
    GIST_RETURN_IF_ERROR(ApplyRecipeSetting(setting, recipe));
  }
  return recipe;
}

absl::Status AddTasks(const Flags& flags, const Tokenizer& tokenizer,
                      TrainSpec* spec) {
  const auto load = [](const std::vector<std::string>& paths)
      -> absl::StatusOr<std::shared_ptr<const FillerPool>> {
    if (paths.empty()) return FillerPool::Sample();
    return FillerPool::Load(paths);
  };
  GIST_ASSIGN_OR_RETURN(const auto filler, load(flags.filler));
  std::shared_ptr<const FillerPool> dev_filler = filler;
  if (!flags.dev_filler.empty()) {
    GIST_ASSIGN_OR_RETURN(dev_filler, load(flags.dev_filler));
  }
  NiahOptions options;
  GIST_ASSIGN_OR_RETURN(options.languages, ParseWeights(flags.languages));
  GIST_ASSIGN_OR_RETURN(options.families, ParseWeights(flags.families));
  options.mission_frame_share = flags.mission_share;
  options.min_facts = flags.min_facts;
  options.max_facts = flags.max_facts;
  options.code_parts = CodeParts(tokenizer);
  GIST_ASSIGN_OR_RETURN(spec->tasks, NiahSource::Create(options, filler));
  options.code_parts.clear();
  options.split = Split::kDev;
  GIST_ASSIGN_OR_RETURN(spec->dev_tasks,
                        NiahSource::Create(options, dev_filler));
  return absl::OkStatus();
}

absl::Status AppendRecords(const std::vector<std::string>& paths,
                           std::vector<Record>* records) {
  for (const std::string& path : paths) {
    GIST_ASSIGN_OR_RETURN(std::vector<Record> more, ReadRecords(path));
    std::move(more.begin(), more.end(), std::back_inserter(*records));
  }
  return absl::OkStatus();
}

std::string Duration(double seconds) {
  const int minutes = int(seconds / 60);
  if (minutes < 100)
    return fmt::format("{}m{:02}s", minutes, int(seconds) % 60);
  return fmt::format("{}h{:02}m", minutes / 60, minutes % 60);
}

// Prints events: a line every few steps, and a bar on a terminal.
class Log {
 public:
  explicit Log(int every)
      : every_(std::max(1, every)), terminal_(isatty(1) != 0) {}

  void Print(const TrainEvent& event) {
    switch (event.kind) {
      case TrainEvent::Kind::kStep:
        return Step(event);
      case TrainEvent::Kind::kPreparing:
        return event.seconds_left > 0 ? Line(event.message)
                                      : Bar(event, event.message);
      case TrainEvent::Kind::kEvaluated:
        return Line(
            fmt::format("step {}  dev accuracy {:.1f} %  {}", event.step,
                        100 * event.dev_accuracy.value_or(0), event.message));
      case TrainEvent::Kind::kCheckpoint:
        return Line(fmt::format("step {}  checkpoint", event.step));
      case TrainEvent::Kind::kStageEnded:
      case TrainEvent::Kind::kDone:
        return Line(fmt::format("step {}  {}", event.step, event.message));
    }
  }

 private:
  void Step(const TrainEvent& event) {
    smooth_ = steps_ == 0 ? event.loss : 0.97 * smooth_ + 0.03 * event.loss;
    ++steps_;
    Bar(event, fmt::format("loss {:.3f}", smooth_));
    if (event.step % every_ != 0) return;
    const double seconds =
        SecondsSince(since_) / double(steps_ - steps_at_line_);
    since_ = Clock::now();
    steps_at_line_ = steps_;
    Line(fmt::format(
        "{}  step {}/{}  lr {:.2e}  loss {:.3f}  mean {:.3f}  norm {:.2f}"
        "  {:.2f} s/step  {:.0f} tokens/s  {} left",
        event.stage, event.step, event.steps, event.learning_rate, event.loss,
        smooth_, event.gradient_norm, seconds, event.tokens_per_second,
        Duration(event.seconds_left)));
  }
  void Line(const std::string& text) {
    std::printf("%s%s\n", terminal_ ? "\r\033[K" : "", text.c_str());
    std::fflush(stdout);
  }
  void Bar(const TrainEvent& event, const std::string& text) {
    if (!terminal_) return;
    constexpr int kWidth = 30;
    const int full = kWidth * event.step / std::max(1, event.steps);
    std::printf("\r\033[K[%s%s] %d/%d  %s  %s left",
                std::string(size_t(full), '#').c_str(),
                std::string(size_t(kWidth - full), '.').c_str(), event.step,
                event.steps, text.c_str(),
                Duration(event.seconds_left).c_str());
    std::fflush(stdout);
  }

  const int every_;
  const bool terminal_;
  double smooth_ = 0;
  int steps_ = 0, steps_at_line_ = 0;
  Clock::time_point since_ = Clock::now();
};

absl::Status Train(const Flags& flags, TorchTrainer& trainer) {
  const std::string adapter = flags.out + "/adapter";
  Log log(flags.log_every);
  while (!trainer.done()) {
    GIST_ASSIGN_OR_RETURN(const TrainEvent event, trainer.Step());
    log.Print(event);
    if (event.kind == TrainEvent::Kind::kCheckpoint) {
      GIST_RETURN_IF_ERROR(trainer.ExportFloat32(adapter));
    }
    const bool enough =
        flags.steps > 0 && event.step >= flags.steps && trainer.between_steps();
    if (!stop_wanted && !enough) continue;
    GIST_RETURN_IF_ERROR(trainer.Checkpoint());
    std::printf("stopped at step %d; the same command goes on from there\n",
                event.step);
    break;
  }
  return trainer.ExportFloat32(adapter);
}

absl::Status Run(const Flags& flags) {
  GIST_RETURN_IF_ERROR(PrepareDevice(flags.device));
  const ThreadCount threads = ChooseThreads(flags.threads);
  SetThreads(threads.threads);
  std::printf("threads: %d (%s)\n", threads.threads, threads.reason.c_str());
  TrainSpec spec;
  GIST_ASSIGN_OR_RETURN(spec.recipe, ReadRecipe(flags));
  GIST_RETURN_IF_ERROR(AppendRecords(flags.records, &spec.records));
  GIST_RETURN_IF_ERROR(AppendRecords(flags.dev_records, &spec.dev_records));
  spec.folder = flags.out;
  spec.start_adapter = flags.start;
  GIST_ASSIGN_OR_RETURN(const std::string path,
                        client::BringModel(flags.model));
  GIST_ASSIGN_OR_RETURN(
      const BaseModel model,
      LoadBaseModel(path, flags.device, *ParseWeightStorage(flags.weights),
                    flags.chat_template));
  if (flags.answer_adapter_for.empty()) {
    if (spec.records.empty())
      GIST_RETURN_IF_ERROR(AddTasks(flags, *model.tokenizer, &spec));
    GIST_ASSIGN_OR_RETURN(const auto trainer,
                          MakeTorchTrainer(model, std::move(spec)));
    return Train(flags, *trainer);
  }
  GIST_ASSIGN_OR_RETURN(const auto embedder,
                        MakeTorchEmbedder(flags.embedder, flags.device));
  GIST_ASSIGN_OR_RETURN(
      const auto trainer,
      MakeAnswerTrainer(model, *embedder, flags.answer_adapter_for,
                        std::move(spec)));
  return Train(flags, *trainer);
}

int Main(int argc, char** argv) {
  KeepLargeBlocks();
  Flags flags;
  flags.model = "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  flags.embedder = "third_party/models/multilingual-e5-small";
  CLI::App app(
      "Trains a gist adapter. A second run with the same --out goes on.",
      "gist-train");
  AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, [](int) { stop_wanted = true; });
  std::signal(SIGTERM, [](int) { stop_wanted = true; });
  const absl::Status status = Run(flags);
  if (status.ok()) return 0;
  std::fprintf(stderr, "gist-train: %s\n",
               std::string(Message(status)).c_str());
  return 1;
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) { return gist::Main(argc, argv); }
