// `gist` processes that are killed in the middle of an answer.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "fmt/format.h"
#include "tests/client/gist_process.h"
#include "tests/faults/load_server.h"
#include "tests/faults/rounds.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

TEST(KilledClientsTest, LeaveNothingThatRuns) {
  const int rounds = Rounds(5);
  TempDir dir;
  LoadServer server(dir.path(), std::chrono::milliseconds(20));
  const auto compressed =
      client::GistClient(server.Options()).Compress(TextOf(1, 40), {});
  ASSERT_THAT(compressed, IsOk());
  std::string question;  // repeated by the answer: two seconds of it
  for (int i = 0; i < 100; ++i) question += "word ";
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    client::GistProcess gist({"--server", server.Options().target, "ask",
                              compressed->context().context_id(), question},
                             {});
    ASSERT_TRUE(gist.WaitForOutput("Found"));
    const auto killed = std::chrono::steady_clock::now();
    gist.Signal(SIGKILL);
    seconds.push_back(server.SecondsUntil(
        [&] {
          return server.Running() == 0 &&
                 server.Ended("Ask", "CANCELLED") == round + 1;
        },
        killed));
  }
  PrintFigure(fmt::format(
      "killed clients: {} in the middle of an answer: nothing runs after p50 "
      "{:.0f} ms, most {:.0f} ms",
      rounds, Quantile(seconds, 0.5) * 1e3, Quantile(seconds, 1) * 1e3));
  EXPECT_LE(Quantile(seconds, 1), 1.0);
}

}  // namespace
}  // namespace gist
