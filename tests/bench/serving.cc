// What a question waits for while a long text is read, and what answering many
// at a time yields: through the client, against a server that has nothing else
// to do. tests/bench/serving.sh starts one and says what is wanted.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/gist_client.h"
#include "core/base/clock.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist::bench {
namespace {

using client::GistClient;

struct Arguments {
  std::string server = client::kDefaultTarget;
  std::string document;  // the text that is asked about
  std::string reading;   // a long text, read meanwhile
  int questions = 40;
  int answer_tokens = 48;
  int rounds = 3;
};

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return absl::NotFoundError(path + ": cannot be read");
  return text;
}

double At(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const double place = share * double(values.size() - 1);
  return values[size_t(place + 0.5)];
}

void Print(const char* what, const std::vector<double>& seconds) {
  std::printf("%-44s %4zu  %7.3f %7.3f %7.3f %7.3f\n", what, seconds.size(),
              At(seconds, 0), At(seconds, 0.5), At(seconds, 0.95),
              At(seconds, 1));
  std::fflush(stdout);
}

absl::StatusOr<client::AskResult> Ask(const GistClient& client,
                                      const std::string& context_id,
                                      const std::string& question,
                                      int max_tokens) {
  client::Question asked;
  asked.context_ids = {context_id};
  asked.text = question;
  asked.max_tokens = max_tokens;
  return client.Ask(asked, [](std::string_view) { return absl::OkStatus(); });
}

absl::StatusOr<std::vector<double>> FirstTokens(
    const GistClient& client, const std::string& context_id, int questions,
    const std::atomic<bool>& go_on) {
  std::vector<double> seconds;
  for (int i = 0; i < questions && go_on; ++i) {
    GIST_ASSIGN_OR_RETURN(
        const client::AskResult took,
        Ask(client, context_id, "What is the secret passkey?", 8));
    seconds.push_back(took.timings().first_token_seconds());
    // Not in step with what the server does meanwhile.
    std::this_thread::sleep_for(std::chrono::milliseconds(17 * (i % 13)));
  }
  return seconds;
}

// Reads `text` again and again, each time as a text of its own.
class Reading {
 public:
  Reading(const GistClient& client, std::string text)
      : thread_([this, &client, text = std::move(text)] {
          for (int i = 0; !stop_ && status_.ok(); ++i) {
            const auto done =
                client.Compress(fmt::format("Copy {}.\n{}", i, text), {});
            status_ = done.status();
            if (done.ok()) tokens_ += done->context().document_tokens();
          }
        }) {}
  ~Reading() { (void)Stop(); }

  absl::Status Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return status_;
  }
  int64_t tokens() const { return tokens_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> tokens_ = 0;
  absl::Status status_;
  std::thread thread_;
};

absl::Status MeasureFirstTokens(const Arguments& arguments,
                                const GistClient& client,
                                const std::string& context_id) {
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadText(arguments.reading));
  const std::atomic<bool> go_on = true;
  std::printf("%-44s %4s  %7s %7s %7s %7s\n", "first token, seconds", "n",
              "min", "median", "p95", "max");
  GIST_ASSIGN_OR_RETURN(
      const std::vector<double> alone,
      FirstTokens(client, context_id, arguments.questions, go_on));
  Print("alone", alone);
  const Clock::time_point start = Clock::now();
  Reading reading(client, text);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  GIST_ASSIGN_OR_RETURN(
      const std::vector<double> beside,
      FirstTokens(client, context_id, arguments.questions, go_on));
  GIST_RETURN_IF_ERROR(reading.Stop());
  Print("while a long text is read", beside);
  const double seconds = SecondsSince(start);
  const double bound = 1.5 * At(alone, 0.95) + 0.15;
  std::printf(
      "p95 beside a long text: %.3f s, the bound 1.5 x %.3f + 0.150 = "
      "%.3f s is %s; meanwhile %.0f tokens/s were read\n",
      At(beside, 0.95), At(alone, 0.95), bound,
      At(beside, 0.95) <= bound ? "kept" : "MISSED",
      double(reading.tokens()) / seconds);
  return absl::OkStatus();
}

// Tokens of all answers in a second of wall time, reading the questions
// included: the default adapter's answers are a value of five tokens.
absl::StatusOr<double> Throughput(const Arguments& arguments,
                                  const GistClient& client,
                                  const std::string& context_id, int at_once) {
  std::vector<absl::StatusOr<client::AskResult>> took(
      size_t(at_once), absl::UnknownError("not asked"));
  const Clock::time_point start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (auto& mine : took) {
      threads.emplace_back([&] {
        mine = Ask(client, context_id, "Write a long story about a harbour.",
                   arguments.answer_tokens);
      });
    }
  }
  const double seconds = SecondsSince(start);
  int64_t tokens = 0;
  for (const auto& one : took) {
    if (!one.ok()) return one.status();
    tokens += one->usage().answer_tokens();
  }
  return double(tokens) / seconds;
}

absl::Status MeasureThroughput(const Arguments& arguments,
                               const GistClient& client,
                               const std::string& context_id) {
  std::printf("\n%-44s %7s %7s %7s\n", "answer tokens/s from gists", "min",
              "median", "max");
  std::vector<double> ratios;
  std::vector<double> medians;
  std::vector<std::vector<double>> all(4);
  for (int round = 0; round < arguments.rounds; ++round) {
    for (size_t i = 0; i < all.size(); ++i) {
      GIST_ASSIGN_OR_RETURN(const double speed,
                            Throughput(arguments, client, context_id, 1 << i));
      all[i].push_back(speed);
    }
    ratios.push_back(all[3].back() / all[0].back());
  }
  for (size_t i = 0; i < all.size(); ++i) {
    std::printf("%-44s %7.1f %7.1f %7.1f\n",
                fmt::format("{} at a time", 1 << i).c_str(), At(all[i], 0),
                At(all[i], 0.5), At(all[i], 1));
  }
  std::printf("8 at a time over 1: %.2f (min %.2f, max %.2f), wanted 3: %s\n",
              At(ratios, 0.5), At(ratios, 0), At(ratios, 1),
              At(ratios, 0.5) >= 3 ? "kept" : "MISSED");
  return absl::OkStatus();
}

absl::Status Run(const Arguments& arguments) {
  const GistClient client({.target = arguments.server});
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadText(arguments.document));
  GIST_ASSIGN_OR_RETURN(const auto compressed, client.Compress(text, {}));
  const std::string& id = compressed.context().context_id();
  GIST_RETURN_IF_ERROR(MeasureFirstTokens(arguments, client, id));
  return MeasureThroughput(arguments, client, id);
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("What serving many at a time costs each.", "gist_serving");
  app.add_option("--server", arguments.server, "HOST:PORT")
      ->envname("GIST_SERVER");
  app.add_option("--document", arguments.document, "text to ask about")
      ->required();
  app.add_option("--reading", arguments.reading, "long text to be read")
      ->required();
  app.add_option("--questions", arguments.questions, "for each row")
      ->check(CLI::Range(2, 10000));
  app.add_option("--answer-tokens", arguments.answer_tokens, "of each answer");
  app.add_option("--rounds", arguments.rounds, "of the throughput table")
      ->check(CLI::Range(1, 100));
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = Run(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(Message(status)).c_str());
  return 1;
}

}  // namespace
}  // namespace gist::bench

int main(int argc, char** argv) { return gist::bench::Main(argc, argv); }
