// Hours of ordinary calls, or minutes, or seconds: what the server holds stays
// as it is. GIST_SOAK_SECONDS says how long; the bars are those of half an
// hour.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "fmt/format.h"
#include "tests/faults/load_server.h"
#include "tests/faults/rounds.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using client::GistClient;
using client::Mode;
using std::chrono::steady_clock;

constexpr int kClients = 4;
constexpr size_t kDocuments = 25;  // that a client keeps
constexpr double kShortest = 600;  // seconds; before that nothing is settled
// Of the time, before it counts: RocksDB's cache of 16 MB was full after eleven
// of 25 minutes, at 38 calls/s.
constexpr double kWarmUp = 0.5;

struct Sample {
  double seconds = 0;
  double resident_bytes = 0;
  double heap_bytes = 0;  // what malloc has handed out
  double open_files = 0, threads = 0, stored_files = 0, stored_bytes = 0;
};
struct Call {
  double end_seconds = 0, seconds = 0;
};

double MeanOf(std::span<const Sample> samples, double Sample::*member) {
  double sum = 0;
  for (const Sample& sample : samples) sum += sample.*member;
  return sum / double(samples.size());
}

struct Slope {
  double each_second = 0, error = 0;  // standard
};
// Least squares over the means of ten parts of the time: RocksDB fills a buffer
// and drops it again, so that what follows soon after says nothing new.
Slope SlopeOf(std::span<const Sample> samples, double Sample::*member) {
  constexpr size_t kParts = 10;
  const size_t size = samples.size() / kParts;
  if (size == 0) return {};
  std::array<double, kParts> x, y;
  for (size_t i = 0; i < kParts; ++i) {
    x[i] = MeanOf(samples.subspan(i * size, size), &Sample::seconds);
    y[i] = MeanOf(samples.subspan(i * size, size), member);
  }
  const double x_mean = std::accumulate(x.begin(), x.end(), 0.0) / kParts;
  const double y_mean = std::accumulate(y.begin(), y.end(), 0.0) / kParts;
  double xx = 0, xy = 0, rest = 0;
  for (size_t i = 0; i < kParts; ++i) {
    xx += (x[i] - x_mean) * (x[i] - x_mean);
    xy += (x[i] - x_mean) * (y[i] - y_mean);
  }
  for (size_t i = 0; i < kParts; ++i) {
    const double off = y[i] - y_mean - xy / xx * (x[i] - x_mean);
    rest += off * off;
  }
  return {xy / xx, std::sqrt(rest / (kParts - 2) / xx)};
}

double MostOf(std::span<const Sample> samples, double Sample::*member) {
  return std::ranges::max(samples, {}, member).*member;
}
// The mean of the second half, over that of the first one. Files come with each
// flush and go with the next compaction: where their most stands is chance.
double MoreOf(std::span<const Sample> samples, double Sample::*member) {
  const size_t half = (samples.size() + 1) / 2;
  return MeanOf(samples.last(half), member) -
         MeanOf(samples.first(half), member);
}

// From the first tenth to the last one.
double GrowthOf(std::span<const Sample> samples, double Sample::*member) {
  const size_t tenth = std::max<size_t>(1, samples.size() / 10);
  return MeanOf(samples.last(tenth), member) -
         MeanOf(samples.first(tenth), member);
}

class Soak {
 public:
  Soak(uint64_t seed, double seconds)
      : seed_(seed),
        seconds_(seconds),
        // Small enough to be full long before the warm-up ends.
        server_(dir_.path(), std::chrono::microseconds(1000),
                {"--max-cached-kv-bytes", "4000000"}) {}

  void Run() {
    const auto start = steady_clock::now();
    std::vector<std::jthread> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([this, i, start] { Serve(i, start); });
    }
    for (int i = 1; SecondsSince(start) < seconds_; ++i) {
      std::this_thread::sleep_until(start + std::chrono::seconds(i));
      samples_.push_back(Look(SecondsSince(start)));
      if (i % 60 == 0) Print(samples_.back());
    }
  }

  // Those after the warm-up.
  std::span<const Sample> samples() const {
    const auto first = std::ranges::find_if(samples_, [this](const Sample& s) {
      return s.seconds > seconds_ * kWarmUp;
    });
    return {first, samples_.end()};
  }
  // The p99 of calls that ended in this part of the time after the warm-up.
  double P99(double from, double to) const {
    std::vector<double> values;
    const double warm = seconds_ * kWarmUp, rest = seconds_ - warm;
    for (const Call& call : calls_) {
      const double at = (call.end_seconds - warm) / rest;
      if (at >= from && at < to) values.push_back(call.seconds);
    }
    return values.empty() ? 0 : Quantile(values, 0.99);
  }
  size_t calls() const { return calls_.size(); }
  int wrong() const { return wrong_; }

 private:
  struct Document {
    uint64_t number = 0;
    std::string context_id;
  };

  void Serve(int client_number, steady_clock::time_point start) {
    std::mt19937_64 random(seed_ + uint64_t(client_number));
    const GistClient client(server_.Options());
    std::vector<Document> documents;
    while (SecondsSince(start) < seconds_ && wrong_ < 10) {
      const auto called = steady_clock::now();
      const absl::Status status = CallOnce(client, random, documents);
      const std::scoped_lock lock(mutex_);
      calls_.push_back({SecondsSince(start), SecondsSince(called)});
      if (status.ok()) continue;
      ++wrong_;
      ADD_FAILURE() << status;
    }
  }

  absl::Status CallOnce(const GistClient& client, std::mt19937_64& random,
                        std::vector<Document>& documents) {
    const uint64_t dice = random() % 100;
    if (documents.empty() || (dice < 25 && documents.size() < kDocuments)) {
      const uint64_t number = random();
      // Of 26 kB, so that the store's buffers and caches are full early.
      const auto done = client.Compress(
          TextOf(number, 100 + int(random() % 400), /*word_bytes=*/85), {});
      if (done.ok())
        documents.push_back({number, done->context().context_id()});
      return done.status();
    }
    const size_t place = random() % documents.size();
    if (dice < 45) {
      const absl::Status done =
          client.DeleteContext(documents[place].context_id);
      documents.erase(documents.begin() + std::ptrdiff_t(place));
      return done;
    }
    if (dice < 50) {
      return client.ListContexts(
          [](const client::Context&) { return absl::OkStatus(); });
    }
    return Ask(client, documents[place], client::kModes[random() % 4]);
  }
  static absl::Status Ask(const GistClient& client, const Document& document,
                          Mode mode) {
    std::string answer;
    const auto done = client.Ask({.context_ids = {document.context_id},
                                  .text = "What is the secret passkey ?",
                                  .mode = mode,
                                  .retrieval = {}},
                                 [&](std::string_view piece) {
                                   answer += piece;
                                   return absl::OkStatus();
                                 });
    if (!done.ok()) return done.status();
    if (answer.starts_with("Found " + KeyOf(document.number)))
      return absl::OkStatus();
    return absl::DataLossError(fmt::format("{}: {}, want {}",
                                           client::ModeName(mode), answer,
                                           KeyOf(document.number)));
  }

  Sample Look(double seconds) {
    const pid_t pid = server_.process().pid();
    Sample sample{.seconds = seconds,
                  .resident_bytes = double(ResidentBytes(pid)),
                  .heap_bytes = server_.Metric("gist_process_heap_bytes"),
                  .open_files = double(OpenFiles(pid)),
                  .threads = double(Threads(pid))};
    std::error_code gone;  // files come and go
    for (const auto& file :
         std::filesystem::directory_iterator(dir_ / "data", gone)) {
      if (!file.is_regular_file(gone)) continue;
      sample.stored_files += 1;
      const auto bytes = file.file_size(gone);
      if (!gone) sample.stored_bytes += double(bytes);
    }
    return sample;
  }
  void Print(const Sample& sample) {
    const std::scoped_lock lock(mutex_);
    std::printf(
        "%6.0f s: %.1f MB, heap %.1f MB, %.0f open files, %.0f threads, %.0f "
        "files of %.1f MB, %zu calls\n",
        sample.seconds, sample.resident_bytes / 1e6, sample.heap_bytes / 1e6,
        sample.open_files, sample.threads, sample.stored_files,
        sample.stored_bytes / 1e6, calls_.size());
    std::fflush(stdout);
  }

  const uint64_t seed_;
  const double seconds_;
  TempDir dir_;
  LoadServer server_;
  std::vector<Sample> samples_;
  std::mutex mutex_;  // guards all below
  std::vector<Call> calls_;
  std::atomic<int> wrong_ = 0;
};

TEST(SoakTest, HoldsNoMoreAtTheEndThanAtTheBeginning) {
  const char* const wanted = std::getenv("GIST_SOAK_SECONDS");
  const double seconds = wanted == nullptr ? 5 : std::atof(wanted);
  Soak soak(Seed(), seconds);
  soak.Run();
  EXPECT_EQ(soak.wrong(), 0);
  EXPECT_GT(double(soak.calls()), seconds) << "the soak does something";
  const auto samples = soak.samples();
  ASSERT_FALSE(samples.empty());

  const double mean = MeanOf(samples, &Sample::resident_bytes);
  const Slope slope = SlopeOf(samples, &Sample::resident_bytes);
  const Slope heap = SlopeOf(samples, &Sample::heap_bytes);
  const double grown = GrowthOf(samples, &Sample::resident_bytes);
  const double open_files = MoreOf(samples, &Sample::open_files);
  const double threads = MoreOf(samples, &Sample::threads);
  const double stored_files = MoreOf(samples, &Sample::stored_files);
  PrintFigure(fmt::format(
      "soak: {:.0f} s, {} calls, {} wrong; after {:.0f} s: memory {:.1f} MB on "
      "average, {:.1f} at the most; slope {:+.1f} MB/h, standard error {:.1f}; "
      "last tenth {:+.2f} MB over the first; heap {:.1f} MB on average, slope "
      "{:+.1f} MB/h, standard error {:.1f}",
      seconds, soak.calls(), soak.wrong(), seconds * kWarmUp, mean / 1e6,
      MostOf(samples, &Sample::resident_bytes) / 1e6,
      slope.each_second * 3600 / 1e6, slope.error * 3600 / 1e6, grown / 1e6,
      MeanOf(samples, &Sample::heap_bytes) / 1e6, heap.each_second * 3600 / 1e6,
      heap.error * 3600 / 1e6));
  PrintFigure(fmt::format(
      "soak: at the most {:.0f} open files, {:.0f} threads, {:.0f} files of "
      "{:.1f} MB stored; second half over first: {:+.1f}, {:+.1f}, {:+.1f}, "
      "{:+.1f} MB; p99 of the first third {:.0f} ms, of the last {:.0f} ms",
      MostOf(samples, &Sample::open_files), MostOf(samples, &Sample::threads),
      MostOf(samples, &Sample::stored_files),
      MostOf(samples, &Sample::stored_bytes) / 1e6, open_files, threads,
      stored_files, MoreOf(samples, &Sample::stored_bytes) / 1e6,
      soak.P99(0, 1. / 3) * 1e3, soak.P99(2. / 3, 2) * 1e3));
  if (seconds < kShortest) return;
  EXPECT_LE(grown, 32e6);
  EXPECT_LE((slope.each_second - 2 * slope.error) * 3600 / mean, 0.01);
  EXPECT_LE(threads, 2);
  // One flush of nine families: four are there before they are compacted.
  EXPECT_LE(open_files, 9);
  EXPECT_LE(stored_files, 9);
}

}  // namespace
}  // namespace gist
