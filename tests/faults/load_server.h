// gistd over a fake engine that takes its time, as a process of its own, and
// what can be seen of it from outside.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "client/gist_client.h"
#include "core/base/clock.h"
#include "tests/integration/gistd_process.h"

namespace gist {

class LoadServer {
 public:
  // Each step of the engine takes `step`: 16 tokens read, one token of all
  // answers, or one gist pass. Keeps database and log below `folder`. Returns
  // when it serves; throws std::runtime_error if it ends before.
  LoadServer(const std::string& folder, std::chrono::microseconds step,
             std::vector<std::string> flags = {});
  // What a sanitizer said in its log is a failed test.
  ~LoadServer();

  GistdProcess& process() { return gistd_; }
  client::ClientOptions Options(double timeout_seconds = 60) const;

  // The sum of a metric's series whose labels hold `labels`, like
  // "code=\"OK\"".
  double Metric(std::string_view name, std::string_view labels = "") const;
  int Running() const { return int(Metric("gist_requests_running")); }
  int Waiting() const { return int(Metric("gist_requests_waiting")); }
  // Calls of `rpc` that ended so far.
  int Ended(std::string_view rpc, std::string_view code = "") const;
  // Polls until `is_so`. Seconds since `start`, or, after `limit` of them, a
  // failed test.
  template <typename Condition>
  double SecondsUntil(Condition is_so, Clock::time_point start,
                      double limit = 20) const;

 private:
  void FailLate(double limit) const;

  GistdProcess gistd_;
  std::string address_, admin_;
};

// Time and memory under a sanitizer are its own: how much wider bars are there.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr double kWider = 10;
#else
inline constexpr double kWider = 1;
#endif

// What a process holds, as /proc says.
int64_t ResidentBytes(pid_t pid);
int Threads(pid_t pid);
int OpenFiles(pid_t pid);

// The least and the most memory that a process had resident since the start or
// the last Reset.
class MemoryWatch {
 public:
  explicit MemoryWatch(pid_t pid);
  void Reset();
  int64_t least_bytes() const { return least_; }
  int64_t most_bytes() const { return most_; }

 private:
  const pid_t pid_;
  std::atomic<int64_t> least_, most_;
  std::jthread thread_;  // the last member: it uses all the others
};

// 0 to 1, of at least one value, by nearest rank.
double Quantile(std::vector<double> values, double share);

// `words` words of at least `word_bytes`, of a small vocabulary, another text
// for each `number`: the fake engine remembers every word that it ever saw.
std::string TextOf(uint64_t number, int words, size_t word_bytes = 7);
// The text's passkey.
std::string KeyOf(uint64_t number);

template <typename Condition>
double LoadServer::SecondsUntil(Condition is_so, Clock::time_point start,
                                double limit) const {
  while (!is_so()) {
    if (SecondsSince(start) > limit) {
      FailLate(limit);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return SecondsSince(start);
}

}  // namespace gist
