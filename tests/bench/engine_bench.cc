// Times the engine through its public seam (core/engine/engine.h): no server,
// no gRPC.
//
//   gist_engine_bench MODEL.gguf TEXT [--adapter FOLDER|off] [--threads N]
//                     [--weights TYPE] [--instructions NAME]
//
// Prints one line of JSON when the model is loaded. Then it runs one job for
// each line of standard input and answers with one line of JSON: seconds of
// wall time, processor seconds of all threads, or an error.
// tests/bench/peers.py drives it beside another engine.
//
//   prefill TOKENS           a prompt, read causally
//   segments TOKENS          a document for gists, read in segments
//   compress TOKENS          the same, then its gists: their own seconds too
//   decode PREFIX STEPS N    N answers at once, each behind PREFIX tokens
//   decode_gists STEPS       one answer behind a document's gists
//   restore TOKENS QUESTION  from a file of gists to the first token
//   inject CONTEXTS          the gists of so many contexts into one prompt
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "core/base/clock.h"
#include "core/base/identity.h"
#include "core/base/process_tuning.h"
#include "core/base/status.h"
#include "core/base/thread_count.h"
#include "core/engine/torch_engine.h"
#include "core/kernels/kernels.h"
#include "nlohmann/json.hpp"
#include "storage/kv_codec.h"

namespace gist::bench {
namespace {

using Json = nlohmann::json;

constexpr int kBlobTokens = 512;  // of the document behind gists that are timed
constexpr int kWarmTokens = 64;

struct Arguments {
  std::string model, text;
  std::string adapter = "adapters/default";
  std::string weights = "auto";
  std::string instructions;  // empty: the best of this processor
  int threads = 0;
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) return absl::NotFoundError(path + ": cannot be read");
  return bytes;
}

class Stopwatch {
 public:
  double wall() const { return SecondsSince(start_); }
  Json json() const {
    return {{"seconds", wall()},
            {"processor_seconds", Processor() - processor_}};
  }

 private:
  // Of all threads of this process.
  static double Processor() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
  }
  Clock::time_point start_ = Clock::now();
  double processor_ = Processor();
};

class Bench {
 public:
  static absl::StatusOr<std::unique_ptr<Bench>> Make(
      const Arguments& arguments);
  Json About() const;
  // One line of standard input.
  absl::StatusOr<Json> Run(const std::string& line);

 private:
  absl::StatusOr<Json> Prefill(std::istream& in);
  absl::StatusOr<Json> Segments(std::istream& in);
  absl::StatusOr<Json> Compress(std::istream& in);
  absl::StatusOr<Json> Decode(std::istream& in);
  absl::StatusOr<Json> DecodeGists(std::istream& in);
  absl::StatusOr<Json> Restore(std::istream& in);
  absl::StatusOr<Json> Inject(std::istream& in);

  absl::Status CheckTokens(int tokens) const;
  absl::Status Read(auto& sequence, int begin, int end);
  absl::StatusOr<std::unique_ptr<DocumentSequence>> ReadDocument(int tokens);
  absl::StatusOr<CompressedKv> MakeGists(DocumentSequence& document);
  absl::StatusOr<const std::string*> BlobOf(int tokens);
  absl::StatusOr<Json> Steps(std::vector<PromptSequence*> prompts, int steps);

  std::unique_ptr<Engine> engine_;
  std::vector<int32_t> ids_;
  int threads_ = 0;
  double load_seconds_ = 0;
  std::map<int, std::string> blobs_;  // encoded, by the document's tokens
};

absl::StatusOr<std::unique_ptr<Bench>> Bench::Make(const Arguments& arguments) {
  const auto weights = ChooseWeightStorage(arguments.weights, "cpu");
  if (!weights) {
    return absl::InvalidArgumentError(fmt::format(
        "--weights {}: want {}", arguments.weights, kWeightStorageHelp));
  }
  if (!arguments.instructions.empty()) {
    const auto set = ParseInstructionSet(arguments.instructions);
    if (!set || std::ranges::count(InstructionSets(), *set) == 0) {
      return absl::InvalidArgumentError(fmt::format(
          "--instructions {}: want scalar, avx2 or avx512, and a processor "
          "that has it",
          arguments.instructions));
    }
    ForceInstructionSet(*set);
  }
  auto bench = std::make_unique<Bench>();
  bench->threads_ = ChooseThreads(arguments.threads).threads;
  TorchEngineOptions options;
  options.model_path = arguments.model;
  if (arguments.adapter != "off") options.adapter_path = arguments.adapter;
  options.threads = bench->threads_;
  options.weights = *weights;
  const Stopwatch watch;
  GIST_ASSIGN_OR_RETURN(bench->engine_, MakeTorchEngine(options));
  bench->load_seconds_ = watch.wall();
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.text));
  GIST_ASSIGN_OR_RETURN(bench->ids_, bench->engine_->Tokenize(text));
  std::istringstream warm(std::to_string(kWarmTokens));
  GIST_RETURN_IF_ERROR(bench->Prefill(warm).status());
  return bench;
}

Json Bench::About() const {
  const ModelInfo& model = engine_->model();
  return {{"about", model.name},
          {"threads", threads_},
          {"load_seconds", load_seconds_},
          {"weight_bytes", model.weight_bytes},
          {"max_context_tokens", model.max_context_tokens},
          {"prefix_tokens", model.prefix_tokens},
          {"text_tokens", ids_.size()}};
}

absl::Status Bench::CheckTokens(int tokens) const {
  if (tokens > 0 && size_t(tokens) <= ids_.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("the text has {} tokens, wanted {}: give a longer one",
                  ids_.size(), tokens));
}

// The text's tokens from `begin` to below `end`, in the largest chunks. A last
// chunk that would wait for Decode takes tokens from the one before.
absl::Status Bench::Read(auto& sequence, int begin, int end) {
  GIST_RETURN_IF_ERROR(CheckTokens(end));
  const std::span<const int32_t> ids(ids_);
  for (int at = begin, count = 0; at < end; at += count) {
    count = std::min(engine_->max_chunk_tokens(), end - at);
    const int left = end - at - count;
    if (left > 0 && left <= Engine::kLateTokens) count -= Engine::kLateTokens;
    GIST_RETURN_IF_ERROR(
        engine_->Prefill(sequence, ids.subspan(size_t(at), size_t(count))));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DocumentSequence>> Bench::ReadDocument(
    int tokens) {
  GIST_ASSIGN_OR_RETURN(auto document, engine_->StartDocument(Rung::kGist));
  GIST_RETURN_IF_ERROR(Read(*document, 0, tokens));
  return document;
}

absl::StatusOr<CompressedKv> Bench::MakeGists(DocumentSequence& document) {
  return engine_->Compress(document,
                           {.gist_tokens = engine_->adapter().gist_tokens});
}

absl::StatusOr<Json> Bench::Prefill(std::istream& in) {
  int tokens = 0;
  in >> tokens;
  if (tokens <= Engine::kLateTokens) {
    return absl::InvalidArgumentError(
        fmt::format("prefill of {} tokens waits for Decode: want more than {}",
                    tokens, Engine::kLateTokens));
  }
  GIST_ASSIGN_OR_RETURN(const auto prompt, engine_->StartPrompt({}));
  const Stopwatch watch;
  GIST_RETURN_IF_ERROR(Read(*prompt, 0, tokens));
  return watch.json();
}

absl::StatusOr<Json> Bench::Segments(std::istream& in) {
  int tokens = 0;
  in >> tokens;
  const Stopwatch watch;
  GIST_RETURN_IF_ERROR(ReadDocument(tokens).status());
  return watch.json();
}

absl::StatusOr<Json> Bench::Compress(std::istream& in) {
  int tokens = 0;
  in >> tokens;
  const Stopwatch watch;
  GIST_ASSIGN_OR_RETURN(const auto document, ReadDocument(tokens));
  const double read = watch.wall();
  GIST_RETURN_IF_ERROR(MakeGists(*document).status());
  Json took = watch.json();
  took["gist_seconds"] = watch.wall() - read;
  return took;
}

// The first two steps, which read what is pending, are not timed.
absl::StatusOr<Json> Bench::Steps(std::vector<PromptSequence*> prompts,
                                  int steps) {
  for (int i = 0; i < 2; ++i)
    GIST_RETURN_IF_ERROR(engine_->Decode(prompts).status());
  const Stopwatch watch;
  for (int i = 0; i < steps; ++i)
    GIST_RETURN_IF_ERROR(engine_->Decode(prompts).status());
  return watch.json();
}

absl::StatusOr<Json> Bench::Decode(std::istream& in) {
  int prefix = 0, steps = 0, answers = 0;
  in >> prefix >> steps >> answers;
  std::vector<std::unique_ptr<PromptSequence>> prompts;
  std::vector<PromptSequence*> borrowed;
  for (int i = 0; i < answers; ++i) {
    GIST_ASSIGN_OR_RETURN(prompts.emplace_back(), engine_->StartPrompt({}));
    GIST_RETURN_IF_ERROR(Read(*prompts.back(), 0, prefix));
    borrowed.push_back(prompts.back().get());
  }
  return Steps(borrowed, steps);
}

absl::StatusOr<Json> Bench::DecodeGists(std::istream& in) {
  int steps = 0;
  in >> steps;
  GIST_ASSIGN_OR_RETURN(const std::string* blob, BlobOf(kBlobTokens));
  GIST_ASSIGN_OR_RETURN(const KvBlob gists, DecodeKvBlob(*blob));
  GIST_ASSIGN_OR_RETURN(const auto prompt, engine_->StartPrompt({}));
  GIST_RETURN_IF_ERROR(engine_->LoadKv(*prompt, gists.kv[0]));
  GIST_RETURN_IF_ERROR(Read(*prompt, 0, 16));
  return Steps({prompt.get()}, steps);
}

// The gists of a document as a store keeps them, made at their first use.
absl::StatusOr<const std::string*> Bench::BlobOf(int tokens) {
  std::string& blob = blobs_[tokens];
  if (!blob.empty()) return &blob;
  GIST_ASSIGN_OR_RETURN(const auto document, ReadDocument(tokens));
  GIST_ASSIGN_OR_RETURN(CompressedKv kv, MakeGists(*document));
  GIST_ASSIGN_OR_RETURN(kv, InStorage(std::move(kv), KvStorage::kF16));
  const AdapterInfo adapter = engine_->adapter();
  ContextRecord record;
  record.document_id = DocumentId("", "a text");
  record.document_bytes = tokens;
  record.model_fingerprint = engine_->model().fingerprint;
  record.document_tokens = tokens;
  record.representations = {{.gist_tokens = adapter.gist_tokens,
                             .method_version = MethodVersion(Rung::kGist),
                             .adapter_fingerprint = adapter.fingerprint}};
  record.context_id = ContextId(record.document_id, record.model_fingerprint);
  GIST_ASSIGN_OR_RETURN(blob, EncodeKvBlob(record, {&kv, 1}));
  return &blob;
}

// Every byte is checked, as when a server reads its store.
absl::StatusOr<Json> Bench::Restore(std::istream& in) {
  int tokens = 0, question = 0;
  in >> tokens >> question;
  GIST_ASSIGN_OR_RETURN(const std::string* blob, BlobOf(tokens));
  const Stopwatch watch;
  GIST_ASSIGN_OR_RETURN(const KvBlob gists, DecodeKvBlob(*blob));
  GIST_ASSIGN_OR_RETURN(const auto prompt, engine_->StartPrompt({}));
  GIST_RETURN_IF_ERROR(engine_->LoadKv(*prompt, gists.kv[0]));
  const double load = watch.wall();
  GIST_RETURN_IF_ERROR(Read(*prompt, tokens, tokens + question));
  PromptSequence* const one[] = {prompt.get()};
  GIST_RETURN_IF_ERROR(engine_->Decode(one).status());
  Json took = watch.json();
  took["load_seconds"] = load;
  took["bytes"] = blob->size();
  return took;
}

absl::StatusOr<Json> Bench::Inject(std::istream& in) {
  int contexts = 0;
  in >> contexts;
  GIST_ASSIGN_OR_RETURN(const std::string* blob, BlobOf(kBlobTokens));
  GIST_ASSIGN_OR_RETURN(const KvBlob gists, DecodeKvBlob(*blob));
  GIST_ASSIGN_OR_RETURN(const auto prompt, engine_->StartPrompt({}));
  const Stopwatch watch;
  for (int i = 0; i < contexts; ++i)
    GIST_RETURN_IF_ERROR(engine_->LoadKv(*prompt, gists.kv[0]));
  return watch.json();
}

absl::StatusOr<Json> Bench::Run(const std::string& line) {
  const std::map<std::string, absl::StatusOr<Json> (Bench::*)(std::istream&)>
      jobs = {{"prefill", &Bench::Prefill},
              {"segments", &Bench::Segments},
              {"compress", &Bench::Compress},
              {"decode", &Bench::Decode},
              {"decode_gists", &Bench::DecodeGists},
              {"restore", &Bench::Restore},
              {"inject", &Bench::Inject}};
  std::istringstream in(line);
  std::string name;
  in >> name;
  const auto job = jobs.find(name);
  if (job == jobs.end())
    return absl::InvalidArgumentError("no such job: " + line);
  return (this->*job->second)(in);
}

absl::Status Serve(const Arguments& arguments) {
  GIST_ASSIGN_OR_RETURN(const auto bench, Bench::Make(arguments));
  std::cout << bench->About() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    auto took = bench->Run(line);
    if (!took.ok()) took = Json{{"error", Message(took.status())}};
    std::cout << *took << std::endl;
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  KeepLargeBlocks();
  Arguments arguments;
  CLI::App app("Times the engine, job by job.", "gist_engine_bench");
  app.add_option("model", arguments.model, "GGUF file")->required();
  app.add_option("text", arguments.text, "UTF-8 text to read")->required();
  app.add_option("--adapter", arguments.adapter, "folder, or off");
  app.add_option("--threads", arguments.threads, "0: one for each CPU");
  app.add_option("--weights", arguments.weights,
                 std::string(kWeightStorageHelp));
  app.add_option("--instructions", arguments.instructions,
                 "scalar, avx2 or avx512, of quantized weights; default: the "
                 "best of this processor");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = Serve(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "gist_engine_bench: %s\n",
               std::string(Message(status)).c_str());
  return 1;
}

}  // namespace
}  // namespace gist::bench

int main(int argc, char** argv) { return gist::bench::Main(argc, argv); }
