// gist-plan: prints the memory ledger of a model. `gist plan` runs it.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "CLI/CLI.hpp"
#include "client/tools/bring_model.h"
#include "client/tools/plan.h"
#include "client/tools/plan_adapters.h"
#include "core/base/installation.h"
#include "core/base/status.h"
#include "core/format/mapped_file.h"
#include "core/hf/folder_files.h"
#include "core/model/loadable.h"
#include "core/model/model_source.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

constexpr int kMostTokens = 1 << 24;
constexpr int kMostDocuments = 4096;

struct Arguments {
  std::string model;
  std::string chat_template;
  std::string weights = "auto";
  uint64_t memory_bytes = 0;
  bool verbose = false;
  bool plans_adapter = false;  // of a rank, in place of those in use
  PlanRequest request;
};

// What is planned, and how large it can be made.
struct Plan {
  std::string title;
  Ledger ledger;
  std::string largest;
};

// Three digits at least: a small model takes a fifth of a GiB.
std::string Gib(int64_t bytes) {
  constexpr double kMib = 1 << 20, kGib = 1 << 30;
  if (double(bytes) < kGib)
    return fmt::format("{:.0f} MiB", double(bytes) / kMib);
  return fmt::format("{:.2f} GiB", double(bytes) / kGib);
}

// A folder without weights: planned by its sizes.
absl::StatusOr<PlanModel> ReadConfig(const std::string& folder) {
  const std::string path = fmt::format("{}/{}", folder, kHfConfigFile);
  GIST_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  auto model = PlanModel::FromHuggingFace(file.bytes());
  if (!model.ok()) return Within(folder, model.status());
  model->config.name = fs::path(folder).filename().string();
  return model;
}

struct Subject {
  PlanModel model;
  absl::Status runs;  // what stops gistd from running it
  InstalledAdapters adapters = {};
};

// With another chat template the model is another one to an adapter.
InstalledAdapters AdaptersFor(const ModelSource& source, const PlanModel& model,
                              const Arguments& arguments) {
  if (!arguments.chat_template.empty() || arguments.plans_adapter) return {};
  return FindInstalledAdapters(InstallationFolder() + "/adapters", model.config,
                               [&source] { return source.Fingerprint(); });
}

absl::StatusOr<Subject> ReadModel(const Arguments& arguments) {
  GIST_ASSIGN_OR_RETURN(const std::string path,
                        client::BringModel(arguments.model));
  std::error_code error;  // what cannot be looked at is an error of Open
  const auto lacks = [&](std::string_view file) {
    return fs::symlink_status(fmt::format("{}/{}", path, file), error).type() ==
           fs::file_type::not_found;
  };
  if (fs::is_directory(path, error) && lacks(kHfWeightsFile) &&
      lacks(kHfIndexFile)) {
    GIST_ASSIGN_OR_RETURN(PlanModel model, ReadConfig(path));
    return Subject{std::move(model),
                   absl::NotFoundError("the folder has no weights")};
  }
  GIST_ASSIGN_OR_RETURN(const auto source, ModelSource::Open(path));
  auto model = PlanModel::FromGguf(source->gguf(), source->Bytes());
  if (!model.ok()) return Within(path, model.status());
  const InstalledAdapters adapters = AdaptersFor(*source, *model, arguments);
  return Subject{*std::move(model),
                 CheckLoadable(*source, arguments.chat_template), adapters};
}

// The largest value of `size` that fits; `make` is the ledger's function.
template <typename Make>
std::string Largest(const PlanModel& model, const Arguments& arguments,
                    int most, int PlanRequest::*size, std::string_view what,
                    Make make) {
  const int largest =
      LargestThatFits(int64_t(arguments.memory_bytes), most, [&](int n) {
        PlanRequest request = arguments.request;
        request.*size = n;
        // The question is how much is held at once, whatever the adapter's
        // groups.
        request.max_group_tokens = std::max(request.max_group_tokens, n);
        return make(model, request).PeakBytes();
      });
  return largest == 0 ? "nothing does"
                      : fmt::format("up to {} {}", largest, what);
}

std::vector<Plan> MakePlans(const PlanModel& model,
                            const Arguments& arguments) {
  const PlanRequest& r = arguments.request;
  const std::string tokens = fmt::format("{} tokens", r.document_tokens);
  const int context = std::max(
      1, model.config.max_context_tokens - r.prefix_tokens - r.question_tokens);
  return {
      {fmt::format("compress {} into {} gists", tokens, r.gist_tokens),
       PlanCompress(model, r),
       Largest(model, arguments, kMostTokens, &PlanRequest::document_tokens,
               "tokens in one group", PlanCompress)},
      {fmt::format("ask {} gists", r.gist_tokens), PlanAskGists(model, r),
       Largest(model, arguments, context, &PlanRequest::gist_tokens, "gists",
               PlanAskGists)},
      {fmt::format("ask {} in full", tokens), PlanAskFull(model, r),
       Largest(model, arguments, context, &PlanRequest::document_tokens,
               "tokens", PlanAskFull)},
      {fmt::format("train on {} documents of {} a step", r.documents_per_step,
                   tokens),
       PlanTrain(model, r),
       Largest(model, arguments, kMostDocuments,
               &PlanRequest::documents_per_step, "documents a step",
               PlanTrain)},
  };
}

void Print(const Plan& plan, const Arguments& arguments) {
  fmt::print("\n{}\n", plan.title);
  for (const LedgerLine& line : plan.ledger.lines) {
    fmt::print("  {:>11}  {}  [{}]\n", Gib(line.bytes), line.what,
               line.formula);
  }
  const int64_t peak = plan.ledger.PeakBytes();
  const bool at_load = peak == plan.ledger.load_bytes;
  fmt::print("  {:>11}  peak{}", Gib(peak),
             at_load ? ", while the model is loaded: weights and file" : "");
  if (arguments.memory_bytes == 0) return fmt::print("\n");
  const auto memory = int64_t(arguments.memory_bytes);
  fmt::print(": {} {}; {}\n", peak <= memory ? "fits in" : "DOES NOT FIT in",
             Gib(memory), plan.largest);
}

constexpr std::pair<WeightStorage, const char*> kStorages[] = {
    {WeightStorage::kFloat32, "float32"},
    {WeightStorage::kBfloat16, "bfloat16"},
    {WeightStorage::kQuantized, "quantized"}};

void PrintTable(const PlanModel& model, Arguments arguments) {
  std::vector<std::vector<Plan>> columns;
  fmt::print("\n{:<46}", "peak memory on a CPU with --weights");
  for (const auto& [storage, name] : kStorages) {
    arguments.request.weights = storage;
    columns.push_back(MakePlans(model, arguments));
    fmt::print("{:>15}", name);
  }
  fmt::print("\n");
  const auto memory = int64_t(arguments.memory_bytes);
  bool all_fit = true;
  for (size_t row = 0; row < columns[0].size(); ++row) {
    fmt::print("{:<46}", columns[0][row].title);
    for (const auto& plans : columns) {
      const int64_t peak = plans[row].ledger.PeakBytes();
      const bool over = memory > 0 && peak > memory;
      all_fit &= !over;
      fmt::print("{:>15}", Gib(peak) + (over ? " *" : memory > 0 ? "  " : ""));
    }
    fmt::print("\n");
  }
  if (memory == 0) return;
  fmt::print("{} in {}\n", all_fit ? "each fits" : "* does not fit",
             Gib(memory));
}

const char* NameOf(WeightStorage storage) {
  return std::ranges::find(kStorages, storage,
                           &std::pair<WeightStorage, const char*>::first)
      ->second;
}

void PrintDetails(const PlanModel& model, const Arguments& arguments) {
  fmt::print("\nwith --weights {}:\n", NameOf(arguments.request.weights));
  for (const Plan& plan : MakePlans(model, arguments)) Print(plan, arguments);
  fmt::print(
      "\nBeside these gistd keeps texts that it read lately, up to "
      "--max-cached-kv-bytes (512 MiB by\ndefault), indexes up to "
      "--max-index-bytes (256 MiB) and a sentence encoder (91 MB, 0.2 GB "
      "while it\nloads; --embedder off).\n");
}

// Can gistd run the model?
absl::StatusOr<bool> Run(Arguments arguments) {
  GIST_ASSIGN_OR_RETURN(const Subject subject, ReadModel(arguments));
  arguments.request.adapters = subject.adapters;
  const PlanModel& model = subject.model;
  const ModelConfig& c = model.config;
  fmt::print(
      "{}: {}, {:.2f} billion parameters; {} layers, {} wide, {} and {} KV "
      "heads of {}, MLP {},\nvocabulary {}, context {}\n",
      c.name, c.architecture.name, double(model.Parameters()) / 1e9, c.layers,
      c.hidden_size, c.heads, c.kv_heads, c.head_dim, c.mlp_size, c.vocab_size,
      c.max_context_tokens);
  if (subject.runs.ok()) {
    fmt::print("can run: yes\n");
  } else {
    fmt::print("can run: no, because {}\n", Message(subject.runs));
  }
  PrintTable(model, arguments);
  if (arguments.verbose) {
    PrintDetails(model, arguments);
  } else {
    fmt::print(
        "\ngistd takes quantized by itself. --verbose shows what each is made "
        "of, and what fits.\n");
  }
  return subject.runs.ok();
}

void AddSizes(CLI::App& app, PlanRequest* request) {
  const auto add = [&](const char* name, int* value, const char* about) {
    app.add_option(name, *value, about)
        ->check(CLI::Range(1, kMostTokens))
        ->capture_default_str()
        ->type_name("N");
  };
  add("--tokens", &request->document_tokens, "Tokens of a document");
  add("--gists", &request->gist_tokens, "Gist tokens of a document");
  add("--chunk-tokens", &request->chunk_tokens,
      "Tokens read at a time: 256 on a processor, 1024 on a GPU");
  add("--documents", &request->documents_per_step,
      "Documents of a training step");
  add("--cached-segments", &request->cached_segments,
      "Segments of context that training keeps (default: those of one step)");
  add("--rank", &request->lora_r,
      "Rank of an adapter's LoRA, in place of the adapter in use");
  app.add_flag("--lora-mlp", request->lora_mlp,
               "LoRA on the MLP's projections too");
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Prints what compressing, asking and training take in memory",
               "gist plan");
  app.add_option("--model", arguments.model,
                 std::string(client::kModelHelp) +
                     "; config.json alone is enough in a folder")
      ->required()
      ->type_name("MODEL");
  app.add_option("--device-memory", arguments.memory_bytes,
                 "Memory there is: 24GiB, 800MB; marks what does not fit")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->type_name("SIZE");
  app.add_option(
         "--weights", arguments.weights,
         fmt::format("What --verbose shows, on a CPU. {}", kWeightStorageHelp))
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "quantized"}))
      ->capture_default_str()
      ->type_name("HOW");
  app.add_option("--chat-template", arguments.chat_template,
                 "In place of the model's own, as gistd takes it")
      ->type_name("NAME|FILE");
  app.add_flag("--verbose", arguments.verbose, "What each figure is made of");
  AddSizes(app, &arguments.request);
  app.footer(
      "Example:\n  gist plan --model Llama-3.2-1B-Instruct-Q4_K_M.gguf "
      "--device-memory 8GiB");
  try {
    app.parse(argc, argv);
    arguments.request.weights = *ChooseWeightStorage(arguments.weights, "cpu");
    arguments.plans_adapter = app.count("--rank") + app.count("--lora-mlp") > 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto runs = Run(arguments);
  if (runs.ok()) return *runs ? 0 : 4;
  fmt::print(stderr, "gist plan: {} [{}]\n", Message(runs.status()),
             absl::StatusCodeToString(runs.status().code()));
  return 4;
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) { return gist::Main(argc, argv); }
