// A server that is killed again and again while it compresses and deletes.
//
// The oracle follows RocksDB's db_crashtest: what was acknowledged is certain,
// what was under way when the server died may have happened or not, and is
// settled by what the next start shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "client/gist_client.h"
#include "core/base/identity.h"
#include "fmt/format.h"
#include "tests/faults/rounds.h"
#include "tests/faults/server_process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using client::GistClient;

enum class State { kAbsent, kPresent, kUnknown };

// One document of many: its text is its number's.
struct Expected {
  State state = State::kAbsent;
  bool pinned = false;
  bool pin_is_known = true;
  std::string context_id;  // once it was compressed
};

std::string KeyOf(int document) { return fmt::format("KEY{:03}", document); }
std::string TextOf(int document) {
  return "The secret passkey is " + KeyOf(document) + " ." +
         std::string(size_t(document % 7) * 400, 'x');
}

class KillLoop {
 public:
  static constexpr int kDocuments = 60, kWriters = 3;

  KillLoop(uint64_t seed, const std::string& folder)
      : random_(seed), folder_(folder), expected_(kDocuments) {}

  // Starts a server, lets writers at it, kills it.
  void Round() {
    ServerProcess server(folder_);
    slowest_start_ = std::max(slowest_start_, server.start_seconds());
    Settle(server);
    std::atomic<bool> killed = false;
    std::vector<std::thread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer, seed = random_()] {
        Write(writer, seed, server.address(), killed);
      });
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds(50 + random_() % 500));
    killed = true;
    server.Kill();
    for (std::thread& writer : writers) writer.join();
  }
  void SettleOnce() {
    ServerProcess server(folder_);
    Settle(server);
  }

  std::string Figure() const {
    return fmt::format(
        "kill: {} acknowledged writes and deletions, {} pending at a kill; "
        "lost {}, back from deletion {}, damaged {}; slowest start {:.2f} s",
        acknowledged_, pending_, lost_, resurrected_, damaged_, slowest_start_);
  }
  int wrong() const { return lost_ + resurrected_ + damaged_; }
  int acknowledged() const { return acknowledged_; }
  double slowest_start() const { return slowest_start_; }

 private:
  // Documents of one writer: no two change the same one.
  void Write(int writer, uint64_t seed, const std::string& address,
             const std::atomic<bool>& killed) {
    std::mt19937_64 random(seed);
    const GistClient client({.target = address, .timeout_seconds = 20});
    while (!killed) {
      const int document =
          int(random() % (kDocuments / kWriters)) * kWriters + writer;
      Expected& expected = expected_[size_t(document)];
      if (expected.state == State::kAbsent) {
        Compress(client, document, expected, random() % 2 == 0);
      } else if (random() % 3 == 0) {
        Pin(client, expected, random() % 2 == 0);
      } else {
        Delete(client, expected);
      }
      if (expected.state == State::kUnknown) return;  // the server is gone
    }
  }

  void Compress(const GistClient& client, int document, Expected& expected,
                bool pinned) {
    expected.state = State::kUnknown;
    const auto done =
        client.Compress(TextOf(document), {.retention = {.pinned = pinned}});
    if (!done.ok()) return Unanswered(done.status());
    expected.state = State::kPresent;
    expected.context_id = done->context().context_id();
    expected.pinned = pinned;
    expected.pin_is_known = true;
    ++acknowledged_;
  }
  void Delete(const GistClient& client, Expected& expected) {
    expected.state = State::kUnknown;
    const absl::Status done = client.DeleteContext(expected.context_id);
    if (!done.ok()) return Unanswered(done);
    expected.state = State::kAbsent;
    ++acknowledged_;
  }
  void Pin(const GistClient& client, Expected& expected, bool pinned) {
    expected.pin_is_known = false;
    const auto done =
        client.UpdateContext(expected.context_id, {.pinned = pinned});
    if (!done.ok()) return;
    expected.pinned = pinned;
    expected.pin_is_known = true;
    ++acknowledged_;
  }
  void Unanswered(const absl::Status& status) {
    ++pending_;
    EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsCancelled(status))
        << status.ToString();
  }

  // What the restarted server shows, against what is expected of it.
  void Settle(const ServerProcess& server) {
    const GistClient client(
        {.target = server.address(), .timeout_seconds = 60});
    std::map<std::string, client::Context> there;
    const absl::Status listed =
        client.ListContexts([&](const client::Context& context) {
          there[context.context_id()] = context;
          return absl::OkStatus();
        });
    ASSERT_THAT(listed, IsOk());
    std::set<std::string> known;
    for (int document = 0; document < kDocuments; ++document) {
      Expected& expected = expected_[size_t(document)];
      if (expected.context_id.empty() && expected.state == State::kUnknown)
        expected.context_id = Find(there, document);
      const auto found = there.find(expected.context_id);
      const bool is_there = found != there.end();
      if (is_there) known.insert(expected.context_id);
      if (expected.state == State::kPresent && !is_there) ++lost_;
      if (expected.state == State::kAbsent && is_there) ++resurrected_;
      if (is_there) {
        if (!AnswersRight(client, document, expected.context_id)) ++damaged_;
        if (expected.state == State::kPresent && expected.pin_is_known &&
            found->second.retention().pinned() != expected.pinned)
          ++lost_;
        expected.pinned = found->second.retention().pinned();
        expected.pin_is_known = true;
      }
      expected.state = is_there ? State::kPresent : State::kAbsent;
    }
    EXPECT_EQ(known.size(), there.size()) << "contexts that nobody made";
  }
  // The context of a document whose compression was never acknowledged.
  static std::string Find(const std::map<std::string, client::Context>& there,
                          int document) {
    const auto bytes = int64_t(TextOf(document).size());
    for (const auto& [id, context] : there) {
      if (context.document_bytes() == bytes &&
          context.document_id() == DocumentIdOf(document))
        return id;
    }
    return "";
  }
  static std::string DocumentIdOf(int document) {
    return DocumentId(/*tenant_salt=*/"", TextOf(document));
  }

  // From the gists, and from the text: both are there as a whole.
  static bool AnswersRight(const GistClient& client, int document,
                           const std::string& id) {
    for (const client::Mode mode : {client::Mode::kGist, client::Mode::kFull}) {
      std::string answer;
      const auto done = client.Ask(
          {.context_ids = {id}, .text = "Q", .mode = mode, .retrieval = {}},
          [&](std::string_view piece) {
            answer += piece;
            return absl::OkStatus();
          });
      if (!done.ok() || !answer.starts_with("Found " + KeyOf(document))) {
        ADD_FAILURE() << id << ": " << done.status().ToString() << " "
                      << answer;
        return false;
      }
    }
    return true;
  }

  std::mt19937_64 random_;
  const std::string folder_;
  std::vector<Expected> expected_;  // each is one writer's, between settlings
  std::atomic<int> acknowledged_ = 0, pending_ = 0;
  int lost_ = 0, resurrected_ = 0, damaged_ = 0;
  double slowest_start_ = 0;
};

TEST(KillLoopTest, LosesNothingAcknowledgedAndBringsNothingBack) {
  TempDir dir;
  KillLoop loop(Seed(), dir / "data");
  const int rounds = Rounds(20);
  for (int round = 0; round < rounds && !testing::Test::HasFatalFailure();
       ++round) {
    loop.Round();
  }
  loop.SettleOnce();
  PrintFigure(fmt::format("{} rounds, {}", rounds, loop.Figure()));
  EXPECT_EQ(loop.wrong(), 0);
  EXPECT_GT(loop.acknowledged(), rounds) << "the loop does something";
  EXPECT_LE(loop.slowest_start(), 5.0);
}

}  // namespace
}  // namespace gist
