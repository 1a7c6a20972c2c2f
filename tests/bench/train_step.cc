// One optimizer step of training on a real model, phase by phase.
//
//   gist_train_step MODEL.gguf [--threads N] [--bfloat16] [--documents N]
//                   [--tokens N] [--fresh N] [--gists N]
//
// Makes one step for each line that it reads from standard input and answers
// with one line of JSON: seconds in all, and processor seconds of each phase.
// train_step.py drives it.
#include <ATen/core/Tensor.h>
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "core/base/random.h"
#include "core/base/status.h"
#include "core/model/base_model.h"
#include "core/model/device.h"
#include "core/train/optimizer.h"
#include "core/train/passes/answer_pass.h"
#include "core/train/passes/gist_writer.h"

namespace gist {
namespace {

constexpr int kPooledSegments = 16;
constexpr int kQuestionTokens = 14;
constexpr int kAnswerTokens = 8;

struct Flags {
  std::string model;
  int threads = 0, documents = 4, tokens = 4096, fresh = 2, gists = 10;
  bool bfloat16 = false;
};

// Processor seconds of all threads from lap to lap: other programs on the
// machine change them little.
class Stopwatch {
 public:
  double Lap() {
    const std::clock_t now = std::clock();
    const double seconds = double(now - last_) / CLOCKS_PER_SEC;
    last_ = now;
    return seconds;
  }

 private:
  std::clock_t last_ = std::clock();
};

std::vector<int32_t> RandomIds(int count, int vocab, Rng& rng) {
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i)
    ids.push_back(int32_t(rng.Below(size_t(vocab))));
  return ids;
}

// Everything that lives from step to step.
struct Training {
  const Flags& flags;
  const BaseWeights& model;
  TrainRecipe recipe;
  Rng rng{1};
  AdapterParameters parameters;
  std::vector<at::Tensor> pool;
  int steps = 0;

  Training(const Flags& given, const BaseWeights& frozen)
      : flags(given),
        model(frozen),
        parameters(frozen.config, recipe.layout, at::Device("cpu"), rng) {
    while (pool.size() < kPooledSegments) ReadFresh(4);
  }
  void ReadFresh(int count);
  std::vector<TrainDocument> Assemble();
  std::vector<TrainQuestion> Ask();
  std::string Step();
};

void Training::ReadFresh(int count) {
  const int size = recipe.layout.segment_tokens;
  const at::Tensor kv = ReadSegments(
      model, RandomIds(count * size, model.config.vocab_size, rng), size);
  for (int i = 0; i < count; ++i) pool.push_back(kv.select(0, i));
  if (pool.size() > kPooledSegments)
    pool.erase(pool.begin(), pool.begin() + count);
}

std::vector<TrainDocument> Training::Assemble() {
  std::vector<TrainDocument> documents(size_t(flags.documents));
  for (TrainDocument& document : documents) {
    document.tokens = flags.tokens;
    document.gist_tokens = flags.gists;
    for (int at = 0; at < flags.tokens; at += recipe.layout.segment_tokens) {
      document.segments.push_back(pool[rng.Below(pool.size())]);
    }
  }
  return documents;
}

std::vector<TrainQuestion> Training::Ask() {
  std::vector<TrainQuestion> questions(size_t(flags.documents));
  for (size_t i = 0; i < questions.size(); ++i) {
    questions[i].question =
        RandomIds(kQuestionTokens, model.config.vocab_size, rng);
    questions[i].answer =
        RandomIds(kAnswerTokens, model.config.vocab_size, rng);
    questions[i].first_gist_row = int64_t(i) * flags.gists;
    questions[i].gist_tokens = flags.gists;
  }
  return questions;
}

std::string Training::Step() {
  const auto start = std::chrono::steady_clock::now();
  Stopwatch watch;
  if (flags.fresh > 0) ReadFresh(flags.fresh);
  const double prefill = watch.Lap();
  const auto plan = MakeWritePlan(model, recipe.layout, Assemble());
  parameters.gradients.zero_();
  const WrittenGists gists = WriteGists(plan, parameters.adapter());
  const double write = watch.Lap();
  const at::Tensor loss = AnswerLoss(ReadAnswers(model, gists, Ask()));
  const double read = watch.Lap();
  loss.backward();
  const double backward = watch.Lap();
  ClipGradients(parameters, recipe.clip_norm);
  AdamWStep(parameters, recipe, ++steps, 1);
  const double optimizer = watch.Lap();
  const std::chrono::duration<double> wall =
      std::chrono::steady_clock::now() - start;
  return fmt::format(
      "{{\"wall\": {:.4f}, \"cpu\": {:.4f}, \"prefill\": {:.4f}, \"write\": "
      "{:.4f}, "
      "\"read\": {:.4f}, \"backward\": {:.4f}, \"optimizer\": {:.4f}, "
      "\"loss\": {:.4f}}}",
      wall.count(), prefill + write + read + backward + optimizer, prefill,
      write, read, backward, optimizer, loss.item<float>());
}

absl::Status Run(const Flags& flags) {
  SetThreads(flags.threads);
  GIST_ASSIGN_OR_RETURN(const BaseModel base,
                        LoadBaseModel(flags.model, "cpu"));
  GIST_ASSIGN_OR_RETURN(BaseWeights model,
                        MakeBaseWeights(*base.transformer, base.chat.prefix()));
  if (flags.bfloat16) model = InBfloat16(std::move(model));
  Training training(flags, model);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << training.Step() << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as gist-train does
  mallopt(M_TRIM_THRESHOLD, 2047 << 20);
  gist::Flags flags;
  CLI::App app("One optimizer step, phase by phase.");
  app.add_option("model", flags.model)->required();
  app.add_option("--threads", flags.threads);
  app.add_option("--documents", flags.documents);
  app.add_option("--tokens", flags.tokens);
  app.add_option("--fresh", flags.fresh);
  app.add_option("--gists", flags.gists);
  app.add_flag("--bfloat16", flags.bfloat16);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = gist::Run(flags);
  if (!status.ok())
    std::fprintf(stderr, "%s\n", std::string(gist::Message(status)).c_str());
  return status.ok() ? 0 : 1;
}
