// gist-train as a process of its own: killed at any moment, and its memory.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <map>
#include <regex>
#include <thread>

#include "client/tools/plan.h"
#include "core/base/random.h"
#include "core/format/mapped_file.h"
#include "core/model/device.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

constexpr char kModel[] = "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";

class TrainProcess {
 public:
  TrainProcess(std::vector<std::string> arguments, std::string log_path) {
    arguments.insert(arguments.begin(), GIST_TRAIN_PATH);
    pid_ = fork();
    if (pid_ != 0) return;
    const int log = open(log_path.c_str(), O_CREAT | O_APPEND | O_WRONLY, 0644);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  void Kill() const { kill(pid_, SIGKILL); }
  // The exit code, or 128 + the signal that ended it.
  int Wait() {
    int status = 0;
    wait4(pid_, &status, 0, &usage_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  // Most memory that it had resident; after Wait.
  int64_t PeakBytes() const { return int64_t(usage_.ru_maxrss) * 1024; }

 private:
  pid_t pid_ = -1;
  rusage usage_{};
};

class TrainProcessTest : public testing::Test {
 protected:
  std::string Recipe(const std::string& yaml) const {
    std::ofstream(folder_ / "recipe.yaml") << yaml;
    return folder_ / "recipe.yaml";
  }
  TempDir folder_;
};

constexpr char kTinyRecipe[] = R"(
name: tiny
seed: 3
layout: {gist_tokens: 4, gists_per_block: 2, block_overlap_tokens: 4, segment_tokens: 96, max_document_tokens: 400, lora_r: 4, lora_alpha: 8}
stages: [{name: all, steps: 60, min_tokens: 96, max_tokens: 384}]
documents_per_step: 4
fresh_segments_per_step: 2
cached_segments: 40
dev_samples: 0
evaluate_every_steps: 0
checkpoint_every_steps: 3
)";

// "step N/60 ... loss L": the losses, by step. A killed training makes the
// steps after its last checkpoint again: they must be the same.
std::map<int, std::string> Losses(const std::string& log) {
  std::map<int, std::string> losses;
  const std::regex line(R"(step (\d+)/60 .*? loss ([0-9.]+))");
  for (std::sregex_iterator it(log.begin(), log.end(), line), end; it != end;
       ++it) {
    const int step = std::stoi((*it)[1]);
    const auto [entry, is_new] = losses.emplace(step, (*it)[2]);
    EXPECT_EQ(entry->second, (*it)[2]) << "step " << step;
  }
  return losses;
}

TEST_F(TrainProcessTest, KilledAtAnyMomentItGoesOnToTheSameAdapter) {
  const std::string recipe = Recipe(kTinyRecipe);
  const auto arguments = [&](const std::string& out) {
    return std::vector<std::string>{
        "--model",     "tests/data/tiny/tiny.f32.gguf",
        "--preset",    recipe,
        "--out",       folder_ / out,
        "--threads",   "1",
        "--log-every", "1"};
  };
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(TrainProcess(arguments("whole"), folder_ / "whole.log").Wait(), 0)
      << ReadFile(folder_ / "whole.log");
  const auto whole = std::chrono::steady_clock::now() - start;

  const uint64_t seed = uint64_t(start.time_since_epoch().count());
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Rng rng(seed);
  int killed = 0;
  for (int code = -1; code != 0;) {
    TrainProcess process(arguments("killed"), folder_ / "killed.log");
    std::this_thread::sleep_for(whole * (0.2 + 0.6 * rng.Uniform()));
    if (killed < 5) process.Kill();
    code = process.Wait();
    if (code == 0) break;
    ASSERT_EQ(code, 128 + SIGKILL) << ReadFile(folder_ / "killed.log");
    ++killed;
  }
  EXPECT_GE(killed, 1);
  const auto want = Losses(ReadFile(folder_ / "whole.log"));
  EXPECT_EQ(want.size(), 60u);
  EXPECT_EQ(Losses(ReadFile(folder_ / "killed.log")), want);
  EXPECT_EQ(ReadFile(folder_ / "killed/adapter/adapter_model.safetensors"),
            ReadFile(folder_ / "whole/adapter/adapter_model.safetensors"));
}

TEST_F(TrainProcessTest, PeaksAsPlanned) {
  const std::string recipe = Recipe(R"(
name: memory
layout: {gist_tokens: 10, gists_per_block: 5, segment_tokens: 256, max_document_tokens: 4096, lora_r: 16, lora_alpha: 32}
stages: [{name: all, steps: 2, min_tokens: 1024, max_tokens: 1024}]
documents_per_step: 4
bfloat16_base: true
fresh_segments_per_step: 8
cached_segments: 32
dev_samples: 8
evaluate_every_steps: 0
checkpoint_every_steps: 1
)");
  TrainProcess process({"--preset", recipe, "--out", folder_ / "out",
                        "--threads", "2", "--log-every", "1"},
                       folder_ / "log");
  ASSERT_EQ(process.Wait(), 0) << ReadFile(folder_ / "log");
  const auto file = MappedFile::Open(kModel);
  ASSERT_THAT(file, IsOk());
  const auto gguf = Gguf::Parse(file->bytes());
  ASSERT_THAT(gguf, IsOk());
  const auto model = PlanModel::FromGguf(*gguf, int64_t(file->bytes().size()));
  ASSERT_THAT(model, IsOk());
  const Ledger ledger =
      PlanTrain(*model, {.weights = WeightStorage::kFloat32,
                         .document_tokens = 1024,
                         .documents_per_step = 4,
                         .fresh_segments_per_step = 8,
                         .cached_segments = 32,
                         .bfloat16_base = HasFastBfloat16("cpu"),
                         .dev_samples = 8});
  const auto peak = double(process.PeakBytes());
  EXPECT_NEAR(double(ledger.PeakBytes()), peak, 0.1 * peak);
}

}  // namespace
}  // namespace gist
