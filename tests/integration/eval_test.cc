// `gist eval` against a real gistd with the default model, or, built without
// LibTorch, the fake engine that finds passkeys.
#include <signal.h>

#include <fstream>

#include "client/eval/results.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/gist_process.h"
#include "tests/integration/gistd_process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST(EvalTest, MeasuresEveryModeOnARealServer) {
  const TempDir folder;
  const std::string data = folder / "data.jsonl", out = folder / "r.json";
  std::ofstream file(data);
  std::string rain;
  for (int i = 0; i < 60; ++i) rain += "It rains on the harbour. ";
  for (const char* key : {"QWE123", "RTY456"}) {
    // The fake engine cuts words at spaces.
    const std::string needle = fmt::format("The secret passkey is {} .", key);
    file << Json({{"context", rain + needle + " " + rain},
                  {"question", "What is the secret passkey?"},
                  {"answer", key},
                  {"needle", needle},
                  {"family", "passkey"},
                  {"language", "en"}})
                .dump()
         << "\n";
  }
  file.close();
  GistdProcess gistd({"--data-dir", folder / "data"}, folder / "log");
  const auto address = gistd.WaitUntilReady();
  ASSERT_TRUE(address) << gistd.Log();
  const GistProcess::Options at = {.environment = {"GIST_SERVER=" + *address}};
  const GistResult result =
      RunGist({"eval", "--dataset", data, "--out", out, "--html",
               folder / "r.html", "--max-tokens", "8"},
              at);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto results = ReadResults(out);
  ASSERT_THAT(results, IsOk());
  ASSERT_THAT(results->trials, SizeIs(8));
  for (const Trial& trial : results->trials) {
    ASSERT_FALSE(trial.error) << *trial.error;
    EXPECT_GT(trial.costs->total_seconds, 0);
    EXPECT_GT(trial.costs->kv_bytes, 0);
    EXPECT_GT(trial.tokens, 0);  // the file had none: the server's
    EXPECT_EQ(trial.passages > 0,
              trial.mode == Mode::kRag || trial.mode == Mode::kHybrid);
    EXPECT_EQ(trial.costs->cached_tokens, 0);  // every mode reads anew
#ifndef GIST_HAS_TORCH
    if (trial.mode == Mode::kGist) {
      EXPECT_EQ(trial.scores.score, 1);
    }
#endif
  }
  EXPECT_THAT(result.out, HasSubstr("hybrid"));
  gistd.Signal(SIGTERM);
  gistd.Wait();
}

}  // namespace
}  // namespace gist::client
