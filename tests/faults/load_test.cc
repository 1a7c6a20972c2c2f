// More calls than the server can carry, readers that are slow, deadlines that
// pass and callers who leave: what becomes of the others, and how soon the
// engine is free.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "client/error_info.h"
#include "core/base/clock.h"
#include "fmt/format.h"
#include "gist/v1/gist.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "tests/faults/load_server.h"
#include "tests/faults/rounds.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using client::GistClient;
using std::chrono::duration;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int64_t kMegabyte = 1'000'000;

class LoadTest : public testing::Test {
 protected:
  void Start(microseconds step, std::vector<std::string> flags = {}) {
    server_ = std::make_unique<LoadServer>(dir_.path(), step, std::move(flags));
  }
  LoadServer& server() { return *server_; }
  std::string Compress(uint64_t number, int words = 40) {
    const auto done =
        GistClient(server().Options()).Compress(TextOf(number, words), {});
    EXPECT_THAT(done, IsOk());
    return done.ok() ? done->context().context_id() : "";
  }
  // A question that the fake repeats: as many tokens of an answer.
  static client::Question Question(const std::string& context_id, int words,
                                   const std::string& word = "word") {
    client::Question question;
    question.context_ids = {context_id};
    for (int i = 0; i < words; ++i) question.text += word + " ";
    question.max_tokens = words + 10;
    return question;
  }
  static absl::Status Ask(const GistClient& client,
                          const client::Question& question) {
    return client
        .Ask(question, [](std::string_view) { return absl::OkStatus(); })
        .status();
  }
  // Neither jobs nor calls of `rpc` but those that have ended.
  auto IsIdle(const char* rpc, int calls) {
    return [this, rpc, calls] {
      return server().Running() + server().Waiting() == 0 &&
             server().Ended(rpc) == calls;
    };
  }

 private:
  TempDir dir_;
  std::unique_ptr<LoadServer> server_;
};

// --- More than it can carry.

class OverloadTest : public LoadTest {
 protected:
  static constexpr int kQueue = 64;  // gistd's own bound: waiting and running

  struct Outcome {
    std::mutex mutex;
    // Seconds: of calls, and from when each was due until it was sent, which
    // says how busy the machine is with other things.
    std::vector<double> accepted, refused, late;
    int wrong = 0;
  };

  // Calls one after the other for `seconds`, `callers` at a time.
  void Closed(int callers, double seconds, Outcome& outcome) {
    const auto start = steady_clock::now();
    std::vector<std::jthread> threads;
    for (int i = 0; i < callers; ++i) {
      threads.emplace_back([&] {
        const GistClient client(server().Options());
        while (SecondsSince(start) < seconds)
          Call(client, steady_clock::now(), outcome);
      });
    }
  }
  // A call every 1 / `rate` seconds, whatever becomes of those before.
  void Open(double rate, double seconds, Outcome& outcome) {
    const auto start = steady_clock::now();
    std::atomic<int> next = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < kQueue + 64; ++i) {
      threads.emplace_back([&] {
        const GistClient client(server().Options());
        for (;;) {
          const double due = next++ / rate;
          if (due > seconds) return;
          const auto at =
              start + std::chrono::duration_cast<steady_clock::duration>(
                          duration<double>(due));
          std::this_thread::sleep_until(at);
          Call(client, at, outcome);
        }
      });
    }
  }
  // What is accepted counts from when it was due, a refusal from when it was
  // sent.
  void Call(const GistClient& client, steady_clock::time_point due,
            Outcome& outcome) {
    const double late = SecondsSince(due);
    const absl::Status status = Ask(client, question_);
    const double seconds = SecondsSince(due);
    const client::ErrorInfo error = client::ErrorInfoOf(status);
    const std::scoped_lock lock(outcome.mutex);
    outcome.late.push_back(late);
    if (status.ok()) {
      outcome.accepted.push_back(seconds);
    } else if (absl::IsResourceExhausted(status) &&
               error.reason == "QUEUE_FULL" && error.retry_seconds == 1.0) {
      outcome.refused.push_back(seconds - late);
    } else if (++outcome.wrong < 5) {
      ADD_FAILURE() << status.ToString();
    }
  }
  // Until ten calls in a row, one at a time, take no longer than `seconds`.
  double SecondsUntilAllTake(double seconds) {
    const GistClient client(server().Options());
    const auto start = steady_clock::now();
    for (int in_row = 0; in_row < 10 && SecondsSince(start) < 20;) {
      Outcome outcome;
      Call(client, steady_clock::now(), outcome);
      in_row = !outcome.accepted.empty() && outcome.accepted[0] <= seconds
                   ? in_row + 1
                   : 0;
    }
    return SecondsSince(start);
  }

  client::Question question_;
};

TEST_F(OverloadTest, ThreeTimesTheLoadSlowsNobodyWhoIsAccepted) {
  const char* const wanted = std::getenv("GIST_OVERLOAD_SECONDS");
  const double seconds = wanted == nullptr ? 15 : std::atof(wanted);
  // Long enough that the engine, and no processor, is what there is too little
  // of.
  ASSERT_NO_FATAL_FAILURE(Start(milliseconds(10)));
  question_ = Question(Compress(1), 1);
  Outcome alone, full, over;
  Closed(1, 1, alone);
  const double alone_p99 = Quantile(alone.accepted, 0.99);
  Closed(kQueue, 3, full);
  const double capacity = double(full.accepted.size()) / 3;
  const double full_p99 = Quantile(full.accepted, 0.99);
  EXPECT_TRUE(full.refused.empty()) << full.refused.size();

  const int64_t before = ResidentBytes(server().process().pid());
  MemoryWatch memory(server().process().pid());
  Open(3 * capacity, seconds, over);
  const double back = SecondsUntilAllTake(2 * alone_p99);
  ASSERT_FALSE(over.accepted.empty());
  ASSERT_FALSE(over.refused.empty());
  const double over_p99 = Quantile(over.accepted, 0.99);
  const double refused_p99 = Quantile(over.refused, 0.99);
  PrintFigure(fmt::format(
      "overload: alone p99 {:.0f} ms; {} callers at once {:.0f} calls/s, p99 "
      "{:.0f} ms; three times as many for {:.0f} s: {} accepted ({:.0f}/s), "
      "p99 {:.0f} ms, {} refused, p50 {:.1f}, p99 {:.1f}, max {:.0f} ms, "
      "sent late by p99 {:.1f} ms; memory {:.1f} MB before, {:.1f} to {:.1f} "
      "during; alone as before {:.2f} s after",
      alone_p99 * 1e3, kQueue, capacity, full_p99 * 1e3, seconds,
      over.accepted.size(), double(over.accepted.size()) / seconds,
      over_p99 * 1e3, over.refused.size(), Quantile(over.refused, 0.5) * 1e3,
      refused_p99 * 1e3, Quantile(over.refused, 1) * 1e3,
      Quantile(over.late, 0.99) * 1e3, double(before) / 1e6,
      double(memory.least_bytes()) / 1e6, double(memory.most_bytes()) / 1e6,
      back));
  EXPECT_EQ(over.wrong, 0);
  EXPECT_LE(over_p99, 2 * kWider * full_p99);
  EXPECT_LE(refused_p99, 0.050 * kWider);
  EXPECT_GE(double(over.accepted.size()) / seconds, 0.5 / kWider * capacity);
  EXPECT_GE(double(memory.least_bytes()), 0.9 * double(before));
  EXPECT_LE(double(memory.most_bytes()), (1 + 0.1 * kWider) * double(before));
  EXPECT_LE(back, 5.0 * kWider);
}

// --- Readers that are slow.

// Reads a message each second, over a connection that takes 64 kB ahead: gRPC's
// own would let the server write all of an answer.
void ReadSlowly(const std::string& target, const client::Question& asked,
                std::stop_token stop, std::atomic<int>& messages) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65535);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = v1::GistService::NewStub(grpc::CreateCustomChannel(
      target, grpc::InsecureChannelCredentials(), arguments));
  v1::AskRequest request;
  request.add_context_ids(asked.context_ids[0]);
  request.set_question(asked.text);
  request.set_max_tokens(asked.max_tokens);
  grpc::ClientContext context;
  const std::stop_callback on_stop(stop, [&context] { context.TryCancel(); });
  const auto stream = stub->Ask(&context, request);
  for (v1::AskResponse message; stream->Read(&message);) {
    ++messages;
    for (int ms = 0; ms < 1000 && !stop.stop_requested(); ms += 10)
      std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(LoadTest, SlowReadersHoldNobodyUp) {
  constexpr int kReaders = 8;
  const int seconds = Rounds(5);
  ASSERT_NO_FATAL_FAILURE(Start(microseconds(1000)));
  const std::string id = Compress(1);
  const client::Question quick = Question(id, 1);
  const client::Question slow = Question(id, 1000, std::string(500, 'x'));
  const GistClient client(server().Options());
  std::vector<double> alone;
  for (int i = 0; i < 50; ++i) {
    const auto start = steady_clock::now();
    ASSERT_THAT(Ask(client, quick), IsOk());
    alone.push_back(SecondsSince(start));
  }
  const int ended = server().Ended("Ask");

  const int64_t before = ResidentBytes(server().process().pid());
  const MemoryWatch memory(server().process().pid());
  std::stop_source stop;
  std::atomic<int> messages = 0;
  std::vector<std::jthread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      ReadSlowly(server().Options().target, slow, stop.get_token(), messages);
    });
  }
  const auto start = steady_clock::now();
  server().SecondsUntil([&] { return messages >= kReaders; }, start);
  const double answered =
      server().SecondsUntil([&] { return server().Running() == 0; }, start, 60);
  EXPECT_EQ(server().Ended("Ask"), ended) << "the readers are not slow";

  std::vector<double> beside;
  const auto watched = steady_clock::now();
  for (uint64_t number = 2; SecondsSince(watched) < seconds; ++number) {
    const auto asked = steady_clock::now();
    ASSERT_THAT(Ask(client, quick), IsOk());
    beside.push_back(SecondsSince(asked));
    if (number % 16 == 0) Compress(number);
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_EQ(server().Running() + server().Waiting(), 0);
  const int now_ended = server().Ended("Ask");
  EXPECT_EQ(now_ended, ended + int(beside.size())) << "still not slow";
  const auto stopped = steady_clock::now();
  stop.request_stop();
  const double gone =
      server().SecondsUntil(IsIdle("Ask", now_ended + kReaders), stopped);
  const double grown = double(memory.most_bytes() - before) / double(kMegabyte);
  PrintFigure(fmt::format(
      "slow readers: {} for {} s: {:.1f} MB at the most; engine free of them "
      "after {:.1f} s; others p99 {:.0f} ms, alone {:.0f} ms; all gone {:.3f} "
      "s "
      "after they left",
      kReaders, seconds, grown, answered, Quantile(beside, 0.99) * 1e3,
      Quantile(alone, 0.99) * 1e3, gone));
  EXPECT_LE(grown, 64 * kWider);
  EXPECT_LE(Quantile(beside, 0.5), 2 * kWider * Quantile(alone, 0.99));
  EXPECT_LE(gone, 1.0 * kWider);
}

// --- Deadlines that pass.

TEST_F(LoadTest, DeadlinesOf50MillisecondsFreeTheEngine) {
  constexpr int kAtOnce = 4;
  const int calls = Rounds(100);
  ASSERT_NO_FATAL_FAILURE(Start(microseconds(1000)));
  const client::Question question = Question(Compress(1), 200);
  std::vector<double> freed;
  for (int made = 0; made < calls; made += kAtOnce) {
    const auto start = steady_clock::now();
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kAtOnce; ++i) {
        threads.emplace_back([&, number = uint64_t(made + i + 2)] {
          const GistClient client(server().Options(0.050));
          // Answers take longer than they seem to; of the texts one just
          // does, and the other is refused at once.
          const absl::Status status =
              number % 2 == 0
                  ? Ask(client, question)
                  : client
                        .Compress(TextOf(number, number % 4 == 1 ? 700 : 2000),
                                  {})
                        .status();
          EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
        });
      }
    }
    // A call may not have got as far as the server when its time was over.
    const double idle = server().SecondsUntil(
        [&] { return server().Running() + server().Waiting() == 0; }, start);
    freed.push_back(std::max(0.0, idle - 0.050));
  }
  PrintFigure(fmt::format(
      "deadlines: {} calls of 50 ms, {} at a time: engine free after them: "
      "p50 {:.0f} ms, most {:.0f} ms",
      calls, kAtOnce, Quantile(freed, 0.5) * 1e3, Quantile(freed, 1) * 1e3));
  EXPECT_LE(Quantile(freed, 1), 0.250 * kWider);
  EXPECT_GT(server().Metric("gist_requests_total", "DEADLINE_EXCEEDED"), 0);
  EXPECT_THAT(Ask(GistClient(server().Options()), question), IsOk());
}

// --- Callers who leave.

class CancelTest : public LoadTest {
 protected:
  // Without a deadline: the server refuses what cannot be read before it.
  client::ClientOptions Stoppable(const std::stop_source& stop) {
    auto options = server().Options(0);
    options.stop = stop.get_token();
    return options;
  }
  void Print(const char* stage, const std::vector<double>& seconds,
             double most = 1.0) {
    PrintFigure(fmt::format(
        "cancel while {}: {} times, nothing runs after p50 {:.0f} ms, most "
        "{:.0f} ms",
        stage, seconds.size(), Quantile(seconds, 0.5) * 1e3,
        Quantile(seconds, 1) * 1e3));
    EXPECT_LE(Quantile(seconds, 1), most * kWider);
  }
};

TEST_F(CancelTest, WhileTheyWait) {
  const int calls = std::min(Rounds(25), 60);  // the queue takes 64
  ASSERT_NO_FATAL_FAILURE(Start(microseconds(5000)));
  std::stop_source first, others;
  std::vector<std::jthread> threads;
  const auto compress = [&](uint64_t number, const std::stop_source& stop) {
    threads.emplace_back([&, number, options = Stoppable(stop)] {
      const auto done =
          GistClient(options).Compress(TextOf(number, 10'000), {});
      EXPECT_TRUE(absl::IsCancelled(done.status())) << done.status();
    });
  };
  for (uint64_t i = 0; i < 2; ++i) compress(i, first);
  server().SecondsUntil([&] { return server().Running() == 2; },
                        steady_clock::now());
  for (int i = 0; i < calls; ++i) compress(uint64_t(i + 2), others);
  server().SecondsUntil([&] { return server().Waiting() == calls; },
                        steady_clock::now());
  auto left = steady_clock::now();
  others.request_stop();
  const double waiting = server().SecondsUntil(
      [&] {
        return server().Waiting() == 0 && server().Ended("Compress") == calls;
      },
      left);
  EXPECT_EQ(server().Running(), 2);
  left = steady_clock::now();
  first.request_stop();
  const double running =
      server().SecondsUntil(IsIdle("Compress", calls + 2), left);
  EXPECT_EQ(server().Ended("Compress", "CANCELLED"), calls + 2);
  PrintFigure(fmt::format(
      "cancel while waiting: {} at once, none waits after {:.0f} ms; the two "
      "that ran {:.0f} ms after they left",
      calls, waiting * 1e3, running * 1e3));
  EXPECT_LE(waiting, 1.0 * kWider);
  EXPECT_LE(running, 1.0 * kWider);
}

TEST_F(CancelTest, WhileTheirTextIsRead) {
  std::mt19937_64 random(Seed());
  const int calls = Rounds(25);
  ASSERT_NO_FATAL_FAILURE(Start(microseconds(5000)));
  std::vector<double> seconds;
  for (int call = 0; call < calls; ++call) {
    std::stop_source stop;
    steady_clock::time_point left;
    client::CompressOptions compress;
    compress.on_progress = [&](int64_t, int64_t) {
      if (stop.stop_requested()) return;
      std::this_thread::sleep_for(milliseconds(random() % 50));
      left = steady_clock::now();
      stop.request_stop();
    };
    const auto done = GistClient(Stoppable(stop))
                          .Compress(TextOf(uint64_t(call), 2000), compress);
    EXPECT_TRUE(absl::IsCancelled(done.status())) << done.status();
    seconds.push_back(
        server().SecondsUntil(IsIdle("CompressStream", call + 1), left));
  }
  EXPECT_EQ(server().Ended("CompressStream", "CANCELLED"), calls);
  Print("their text is read", seconds);
}

TEST_F(CancelTest, WhileTheyAreAnswered) {
  std::mt19937_64 random(Seed());
  const int calls = Rounds(25);
  ASSERT_NO_FATAL_FAILURE(Start(microseconds(5000)));
  const client::Question question = Question(Compress(1), 200);
  std::vector<double> seconds;
  for (int call = 0; call < calls; ++call) {
    std::stop_source stop;
    steady_clock::time_point left;
    uint64_t pieces = random() % 20;
    const auto done =
        GistClient(Stoppable(stop)).Ask(question, [&](std::string_view) {
          if (pieces-- == 0) {
            left = steady_clock::now();
            stop.request_stop();
          }
          return absl::OkStatus();
        });
    EXPECT_TRUE(absl::IsCancelled(done.status())) << done.status();
    seconds.push_back(server().SecondsUntil(IsIdle("Ask", call + 1), left));
  }
  EXPECT_EQ(server().Ended("Ask", "CANCELLED"), calls);
  Print("they are answered", seconds);
}

// A write that has begun is finished: the context is there, or it is not.
TEST_F(CancelTest, WhileTheirContextIsStored) {
  std::mt19937_64 random(Seed());
  const int calls = Rounds(25);
  ASSERT_NO_FATAL_FAILURE(Start(microseconds(1000)));
  // From the last token read to the answer: one gist pass, and the store.
  constexpr int kWhole = 5;
  double shortest = 1;
  for (uint64_t number = 0; number < kWhole; ++number) {
    steady_clock::time_point was_read;
    client::CompressOptions compress;
    compress.on_progress = [&](int64_t, int64_t) {
      was_read = steady_clock::now();
    };
    ASSERT_THAT(GistClient(server().Options())
                    .Compress(TextOf(1'000'000 + number, 500), compress),
                IsOk());
    shortest = std::min(shortest, SecondsSince(was_read));
  }
  const auto window = uint64_t(1e6 * shortest) + 1;
  std::vector<double> seconds;
  int answered = 0;
  for (int call = 0; call < calls; ++call) {
    std::stop_source stop;
    steady_clock::time_point left;
    client::CompressOptions compress;
    std::jthread leaver;
    compress.on_progress = [&](int64_t done, int64_t total) {
      if (done < total) return;
      leaver = std::jthread([&, wait = microseconds(random() % window)] {
        std::this_thread::sleep_for(wait);
        left = steady_clock::now();
        stop.request_stop();
      });
    };
    const auto done = GistClient(Stoppable(stop))
                          .Compress(TextOf(uint64_t(call), 500), compress);
    leaver.join();
    answered += done.ok();
    EXPECT_TRUE(done.ok() || absl::IsCancelled(done.status())) << done.status();
    seconds.push_back(server().SecondsUntil(
        IsIdle("CompressStream", kWhole + call + 1), left));
  }
  const int stored = int(server().Metric("gist_store_operations_total",
                                         "op=\"put\",result=\"ok\"")) -
                     kWhole;
  EXPECT_EQ(int(server().Metric("gist_contexts")), kWhole + stored);
  int listed = 0;
  EXPECT_THAT(GistClient(server().Options())
                  .ListContexts([&](const client::Context& context) {
                    ++listed;
                    client::Question question =
                        Question(context.context_id(), 1);
                    question.mode = client::Mode::kFull;
                    return Ask(GistClient(server().Options()), question);
                  }),
              IsOk());
  EXPECT_EQ(listed, kWhole + stored);
  Print("their context is stored", seconds, /*most=*/5.0);  // the disk's time
  PrintFigure(fmt::format(
      "of these {} had their answer, {} left and their context is there, {} "
      "left and it is not",
      answered, stored - answered, calls - stored));
}

}  // namespace
}  // namespace gist
