#include "client/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "core/base/clock.h"
#include "core/base/status.h"

namespace gist::client {
namespace {

constexpr size_t kSampleCharacters = 4000;  // tells characters of a token
constexpr char kLongQuestion[] = "Write a long story about a harbour.";
constexpr char kShortQuestion[] = "Which bridge was inspected last?";

// Sentences of about `characters`, which no other run and no other call makes.
std::string MakeText(size_t characters) {
  static int made = 0;
  std::string text = fmt::format(
      "Report {}-{}.\n",
      std::chrono::system_clock::now().time_since_epoch().count(), ++made);
  for (int i = 0; text.size() < characters; ++i) {
    text += fmt::format(
        "The committee inspected bridge {}, counted its cables and described "
        "every broken valve. ",
        i);
  }
  return text;
}

// One call of Ask.
struct Asked {
  AskResult result;
  double seconds = 0;              // of the whole call
  double first_token_seconds = 0;  // likewise, to the first text
};

class Measurement {
 public:
  Measurement(const GistClient& client, const BenchOptions& options,
              std::stop_token stop, const BenchStep& on_step)
      : client_(client), options_(options), stop_(stop), on_step_(on_step) {}
  ~Measurement() {
    for (const std::string& id : made_) (void)client_.DeleteContext(id);
  }
  Measurement(const Measurement&) = delete;
  Measurement& operator=(const Measurement&) = delete;

  absl::StatusOr<BenchFigures> Run();

 private:
  bool Has(BenchPart part) const {
    return std::ranges::count(options_.parts, part) > 0;
  }
  absl::Status Begin(int round, std::string what);
  absl::Status CountCharacters();
  absl::Status MeasureLength(int length);
  absl::StatusOr<Context> Compress(int length, CompressFigures& figures);
  absl::StatusOr<Asked> Ask(const Context& context, Mode mode,
                            const char* question, int max_tokens) const;
  absl::Status FirstTokens(const Context& context, FirstTokenFigures& figures);
  absl::Status Decode(const Context& context, DecodeFigures& figures);
  absl::Status Answers(const Context& context);

  const GistClient& client_;
  const BenchOptions& options_;
  const std::stop_token stop_;
  const BenchStep& on_step_;
  double characters_per_token_ = 4;
  std::vector<std::string> made_;  // contexts
  BenchFigures figures_;
};

absl::StatusOr<BenchFigures> Measurement::Run() {
  GIST_RETURN_IF_ERROR(CountCharacters());
  for (const int at_once : options_.at_once)
    figures_.answers.push_back({.at_once = at_once});
  for (const int length : options_.lengths)
    GIST_RETURN_IF_ERROR(MeasureLength(length));
  if (!Has(BenchPart::kAnswers)) figures_.answers.clear();
  return std::move(figures_);
}

absl::Status Measurement::Begin(int round, std::string what) {
  if (stop_.stop_requested()) return absl::CancelledError("interrupted");
  on_step_(fmt::format("round {} of {}: {}", round + 1, options_.rounds, what));
  return absl::OkStatus();
}

// Of the server's own tokenizer.
absl::Status Measurement::CountCharacters() {
  const std::string text = MakeText(kSampleCharacters);
  GIST_ASSIGN_OR_RETURN(const AddResult added, client_.AddDocument(text, {}));
  made_.push_back(added.context().context_id());
  const int64_t tokens = added.context().document_tokens();
  if (tokens > 0) characters_per_token_ = double(text.size()) / double(tokens);
  return absl::OkStatus();
}

absl::Status Measurement::MeasureLength(int length) {
  CompressFigures compress;
  std::vector<FirstTokenFigures> first;
  std::vector<DecodeFigures> decode;
  for (const Mode mode : options_.modes) {
    first.push_back({.mode = mode});
    decode.push_back({.mode = mode});
  }
  for (int round = 0; round < options_.rounds; ++round) {
    GIST_RETURN_IF_ERROR(
        Begin(round, fmt::format("a text of {} tokens", length)));
    GIST_ASSIGN_OR_RETURN(const Context context, Compress(length, compress));
    for (size_t i = 0; i < options_.modes.size(); ++i) {
      if (Has(BenchPart::kFirstToken))
        GIST_RETURN_IF_ERROR(FirstTokens(context, first[i]));
      if (Has(BenchPart::kDecode))
        GIST_RETURN_IF_ERROR(Decode(context, decode[i]));
    }
    if (Has(BenchPart::kAnswers) && length == options_.lengths.front())
      GIST_RETURN_IF_ERROR(Answers(context));
  }
  if (Has(BenchPart::kCompress)) figures_.compress.push_back(compress);
  for (size_t i = 0; i < options_.modes.size(); ++i) {
    if (Has(BenchPart::kFirstToken)) figures_.first_token.push_back(first[i]);
    if (Has(BenchPart::kDecode)) figures_.decode.push_back(decode[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Context> Measurement::Compress(int length,
                                              CompressFigures& figures) {
  const std::string text =
      MakeText(size_t(double(length) * characters_per_token_));
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(const CompressResult result,
                        client_.Compress(text, {}));
  const double seconds = SecondsSince(start);
  made_.push_back(result.context().context_id());
  const auto tokens = double(result.context().document_tokens());
  figures.tokens.push_back(tokens);
  figures.seconds.push_back(seconds);
  figures.tokens_per_second.push_back(tokens / seconds);
  if (const double prefill = result.timings().prefill_seconds(); prefill > 0)
    figures.over_prefill.push_back(seconds / prefill);
  return result.context();
}

absl::StatusOr<Asked> Measurement::Ask(const Context& context, Mode mode,
                                       const char* question,
                                       int max_tokens) const {
  Asked asked;
  const Clock::time_point start = Clock::now();
  const auto on_text = [&](std::string_view) {
    if (asked.first_token_seconds == 0)
      asked.first_token_seconds = SecondsSince(start);
    return absl::OkStatus();
  };
  GIST_ASSIGN_OR_RETURN(asked.result,
                        client_.Ask({.context_ids = {context.context_id()},
                                     .text = question,
                                     .mode = mode,
                                     .max_tokens = max_tokens},
                                    on_text));
  asked.seconds = SecondsSince(start);
  // An answer without text ends with its first token.
  if (asked.first_token_seconds == 0) asked.first_token_seconds = asked.seconds;
  return asked;
}

absl::Status Measurement::FirstTokens(const Context& context,
                                      FirstTokenFigures& figures) {
  figures.tokens.push_back(double(context.document_tokens()));
  for (int i = 0; i <= options_.repeats; ++i) {
    GIST_ASSIGN_OR_RETURN(const Asked asked,
                          Ask(context, figures.mode, kShortQuestion, 1));
    if (i == 0) {
      figures.first.push_back(asked.first_token_seconds);
      continue;
    }
    figures.again.push_back(asked.first_token_seconds);
    const v1::Timings& took = asked.result.timings();
    figures_.overhead.push_back(asked.seconds - took.queue_seconds() -
                                took.load_seconds() - took.index_seconds() -
                                took.search_seconds() - took.prefill_seconds() -
                                took.decode_seconds());
  }
  return absl::OkStatus();
}

absl::Status Measurement::Decode(const Context& context,
                                 DecodeFigures& figures) {
  GIST_ASSIGN_OR_RETURN(
      const Asked asked,
      Ask(context, figures.mode, kLongQuestion, options_.answer_tokens));
  figures.tokens.push_back(double(context.document_tokens()));
  const int more = asked.result.usage().answer_tokens() - 1;
  const double seconds = asked.result.timings().decode_seconds();
  if (more > 0 && seconds > 0)
    figures.tokens_per_second.push_back(more / seconds);
  return absl::OkStatus();
}

absl::Status Measurement::Answers(const Context& context) {
  for (AnswerFigures& figures : figures_.answers) {
    std::vector<absl::StatusOr<Asked>> all(size_t(figures.at_once),
                                           absl::UnknownError("not asked"));
    const Clock::time_point start = Clock::now();
    {
      std::vector<std::jthread> threads;
      for (absl::StatusOr<Asked>& mine : all) {
        threads.emplace_back([&] {
          mine =
              Ask(context, Mode::kGist, kLongQuestion, options_.answer_tokens);
        });
      }
    }
    const double seconds = SecondsSince(start);
    int64_t tokens = 0;
    for (const absl::StatusOr<Asked>& one : all) {
      GIST_RETURN_IF_ERROR(one.status());
      tokens += one->result.usage().answer_tokens();
    }
    figures.tokens_per_second.push_back(double(tokens) / seconds);
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view BenchPartName(BenchPart part) {
  switch (part) {
    case BenchPart::kCompress:
      return "compress";
    case BenchPart::kFirstToken:
      return "first_token";
    case BenchPart::kDecode:
      return "decode";
    case BenchPart::kAnswers:
      return "answers";
  }
  return "unknown";
}

double Median(Samples values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

absl::StatusOr<BenchFigures> MeasureServer(const GistClient& client,
                                           const BenchOptions& options,
                                           std::stop_token stop,
                                           const BenchStep& on_step) {
  return Measurement(client, options, std::move(stop), on_step).Run();
}

}  // namespace gist::client
