#include "core/data/niah_generator.h"

#include <algorithm>
#include <cmath>

#include "core/base/status.h"
#include "core/base/utf8.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

constexpr int kLeastTokens = 64;
constexpr int kMostTokens = 1'000'000;
// What a token of prose is taken to have at first; and at most.
constexpr size_t kFillerBytesPerToken = 7;
constexpr size_t kMostBytesPerToken = 100;
constexpr size_t kSpareFillerBytes = 4000;
constexpr double kFilledShare = 0.97;  // of the length: filler was not short

absl::Status CheckTokens(int tokens) {
  if (tokens >= kLeastTokens && tokens <= kMostTokens) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("documents of {} tokens; wanted are {} to {}", tokens,
                  kLeastTokens, kMostTokens));
}

absl::Status Check(const NiahFileOptions& options) {
  for (const int tokens : options.tokens) {
    GIST_RETURN_IF_ERROR(CheckTokens(tokens));
  }
  GIST_RETURN_IF_ERROR(CheckTokens(options.min_tokens));
  GIST_RETURN_IF_ERROR(CheckTokens(options.max_tokens));
  if (options.min_tokens > options.max_tokens) {
    return absl::InvalidArgumentError(
        fmt::format("the shortest document has {} tokens, the longest {}",
                    options.min_tokens, options.max_tokens));
  }
  if (options.depths.empty()) {
    return absl::InvalidArgumentError("no depth is given");
  }
  for (const DepthRange& depth : options.depths) {
    if (depth.low >= 0 && depth.low <= depth.high && depth.high <= 1) continue;
    return absl::InvalidArgumentError(
        fmt::format("depth {} to {}; wanted is a range within 0 to 1",
                    depth.low, depth.high));
  }
  return absl::OkStatus();
}

// A random depth for each needle: one needle's is within `range`, several are
// spread over the whole text in their order.
std::vector<double> Depths(size_t count, DepthRange range, Rng& rng) {
  if (count == 1) return {rng.Uniform(range.low, range.high)};
  std::vector<double> depths;
  for (size_t i = 0; i < count; ++i) {
    depths.push_back((double(i) + rng.Uniform()) / double(count));
  }
  return depths;
}

int64_t CodePoints(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xc0) != 0x80; });
}

}  // namespace

absl::StatusOr<NiahGenerator> NiahGenerator::Create(
    std::shared_ptr<const NiahSource> source, NiahFileOptions options,
    CountTokens count_tokens) {
  GIST_RETURN_IF_ERROR(Check(options));
  return NiahGenerator(std::move(source), std::move(options),
                       std::move(count_tokens));
}

// Multiples of the golden ratio, modulo 1, fill the range evenly however many
// there are.
int NiahGenerator::Length() const {
  if (!options_.tokens.empty()) {
    return options_.tokens[documents_ % options_.tokens.size()];
  }
  const double share =
      std::fmod(0.5 + double(documents_) * 0.6180339887498949, 1.0);
  const int range = options_.max_tokens - options_.min_tokens + 1;
  return options_.min_tokens + int(share * range);
}

// Draws more filler from the same place on where tokens turn out longer.
absl::StatusOr<Haystack> NiahGenerator::Hide(
    const std::string& language, std::span<const PlacedNeedle> needles,
    const Rng& rng, std::string* filler_name) const {
  const int length = Length();
  size_t bytes = size_t(length) * kFillerBytesPerToken + kSpareFillerBytes;
  while (true) {
    Rng draw = rng;
    const FillerText filler = source_->NamedFiller(language, bytes, draw);
    GIST_ASSIGN_OR_RETURN(
        Haystack haystack,
        BuildHaystack(needles, filler.sentences, length, count_tokens_));
    *filler_name = filler.name;
    if (haystack.tokens > length * kFilledShare ||
        bytes > size_t(length) * kMostBytesPerToken) {
      return haystack;
    }
    bytes *= 2;
  }
}

absl::Status NiahGenerator::MakeDocument() {
  Rng rng(HashText(
      fmt::format("{} {} {}", options_.seed, options_.series, documents_)));
  const TaskSet set = source_->NextTasks(rng);
  const DepthRange range = options_.depths[documents_ % options_.depths.size()];
  std::vector<PlacedNeedle> needles;
  for (const Task& task : set.tasks) {
    const std::vector<double> depths = Depths(task.needles.size(), range, rng);
    for (size_t i = 0; i < depths.size(); ++i) {
      needles.push_back({task.needles[i], depths[i]});
    }
  }
  std::string filler_name;
  GIST_ASSIGN_OR_RETURN(const Haystack haystack,
                        Hide(set.language, needles, rng, &filler_name));
  Record record;
  record.context = haystack.text;
  record.context_length_chars = CodePoints(haystack.text);
  record.language = set.language;
  record.tokens = haystack.tokens;
  record.filler = filler_name;
  record.seed = options_.seed;
  size_t first_needle = 0;
  for (const Task& task : set.tasks) {
    if (source_->Asks(task.family)) {
      GIST_RETURN_IF_ERROR(AddRecord(record, task, haystack, first_needle));
    }
    first_needle += task.needles.size();
  }
  ++documents_;
  return absl::OkStatus();
}

absl::Status NiahGenerator::AddRecord(Record record, const Task& task,
                                      const Haystack& haystack,
                                      size_t first_needle) {
  record.question = task.question;
  record.answer = task.answer;
  record.family = task.family;
  record.frame = task.frame;
  if (!task.needles.empty()) {
    const std::string_view before =
        std::string_view(haystack.text)
            .substr(0, haystack.offsets[first_needle]);
    GIST_ASSIGN_OR_RETURN(const int tokens, count_tokens_(before));
    record.needle = fmt::format("{}", fmt::join(task.needles, " "));
    record.needle_position =
        double(CodePoints(before)) / double(record.context_length_chars);
    record.depth = double(tokens) / double(record.tokens);
  }
  ready_.push_back(std::move(record));
  return absl::OkStatus();
}

absl::StatusOr<Record> NiahGenerator::Next() {
  while (ready_.empty()) {
    GIST_RETURN_IF_ERROR(MakeDocument());
  }
  Record record = std::move(ready_.front());
  ready_.pop_front();
  return record;
}

}  // namespace gist
