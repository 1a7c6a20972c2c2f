// SIGTERM while answers run and calls wait: all of them get what they asked
// for.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <stop_token>
#include <thread>
#include <vector>

#include "client/error_info.h"
#include "fmt/format.h"
#include "tests/faults/load_server.h"
#include "tests/faults/rounds.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using client::GistClient;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kRunning = 8, kWaiting = 8;  // as many as answer at a time

// What became of calls that came too late.
struct Late {
  std::atomic<int> draining = 0, closed = 0, wrong = 0;
};

client::Question QuestionTo(const std::string& context_id) {
  client::Question question;
  question.context_ids = {context_id};
  for (int i = 0; i < 120; ++i) question.text += "word ";
  return question;
}

// Asks again and again, from SIGTERM until nobody listens.
void AskLate(const client::ClientOptions& options,
             const client::Question& question, Late& late) {
  const GistClient client(options);
  while (late.closed == 0) {
    const absl::Status status =
        client.Ask(question, [](std::string_view) { return absl::OkStatus(); })
            .status();
    const std::string reason = client::ErrorInfoOf(status).reason;
    if (!absl::IsUnavailable(status) ||
        (!reason.empty() && reason != "DRAINING")) {
      ADD_FAILURE() << status;
      if (++late.wrong > 3) return;
    } else {
      ++(reason.empty() ? late.closed : late.draining);
    }
  }
}

TEST(DrainTest, AnswersWhoeverCameBeforeTheSignal) {
  const int rounds = Rounds(5);
  int failed = 0, draining = 0, under_way = 0, queued = 0;
  std::vector<double> seconds;
  for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
    TempDir dir;
    LoadServer server(dir.path(), microseconds(4000));
    const auto options = server.Options();
    const auto compressed =
        GistClient(options).Compress(TextOf(uint64_t(round), 40), {});
    ASSERT_THAT(compressed, IsOk());
    const auto question = QuestionTo(compressed->context().context_id());
    std::atomic<int> begun = 0, right = 0;
    int waiting = 0;
    std::vector<std::jthread> callers;
    const auto ask = [&] {
      std::string answer;
      const auto done =
          GistClient(options).Ask(question, [&](std::string_view piece) {
            if (answer.empty()) ++begun;
            answer += piece;
            return absl::OkStatus();
          });
      const bool is_right =
          done.ok() && answer == "Found " + KeyOf(uint64_t(round)) +
                                     ". You asked: " + question.text;
      EXPECT_TRUE(is_right) << done.status() << " " << answer;
      right += is_right;
    };
    for (int i = 0; i < kRunning; ++i) callers.emplace_back(ask);
    server.SecondsUntil([&] { return begun == kRunning; }, steady_clock::now());
    for (int i = 0; i < kWaiting; ++i) callers.emplace_back(ask);
    // On a busy machine the first are answered before the last have come.
    int there = 0;
    server.SecondsUntil(
        [&] {
          waiting = server.Waiting();
          there = server.Running() + waiting;
          return there + server.Ended("Ask") >= kRunning + kWaiting;
        },
        steady_clock::now());
    under_way += there;
    queued += waiting;

    const auto start = steady_clock::now();
    server.process().Signal(SIGTERM);
    // The signal takes effect a moment later.
    std::this_thread::sleep_for(milliseconds(50));
    Late late;
    std::jthread latecomer([&] { AskLate(options, question, late); });
    EXPECT_EQ(server.process().Wait(), 0) << server.process().Log();
    seconds.push_back(
        std::chrono::duration<double>(steady_clock::now() - start).count());
    callers.clear();  // waits for them
    latecomer.join();
    failed += kRunning + kWaiting - right;
    draining += late.draining;
  }
  ASSERT_FALSE(seconds.empty());
  PrintFigure(fmt::format(
      "drain: {} times, {} calls under way, {} of them waiting: {} failed; {} "
      "late calls refused; ended after {:.2f} to {:.2f} s",
      seconds.size(), under_way, queued, failed, draining, Quantile(seconds, 0),
      Quantile(seconds, 1)));
  EXPECT_EQ(failed, 0);
  EXPECT_GT(queued, 0);
  EXPECT_GT(draining, 0);
}

}  // namespace
}  // namespace gist
