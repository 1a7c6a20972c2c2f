#include "tests/bench/table_plan.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/base/identity.h"
#include "fmt/format.h"

namespace gist::bench {
namespace {

// What an answer takes beside reading the document: question, decoding, and for
// cut texts the search for their length.
constexpr double kAnswerWork = 200, kCutWork = 400;
// A full context's later tokens attend to all earlier ones.
constexpr double kCausalFactor = 1.5;
constexpr int kAnswerRoom = 160;  // tokens of prefix, question and answer
constexpr size_t kMostOthers = 3;

// Is it asked once for a sample, not once for each number of gists?
bool IsWithoutGists(Source source) { return source == Source::kFull; }

// A sample's cell, but for what it is answered from.
using CellKey = std::tuple<std::string, std::string, std::string, int>;
CellKey CellOf(const Sample& sample) {
  return {sample.set, sample.record.family, sample.record.language,
          sample.length};
}

// What shows that an answer comes from the gists: asked for the first number of
// gists alone.
bool IsControl(Source source) {
  switch (source) {
    case Source::kNone:
    case Source::kOther:
    case Source::kFirst:
    case Source::kLast:
    case Source::kRandom:
      return true;
    default:
      return false;
  }
}

size_t OthersNeeded(Source source) {
  if (source == Source::kJoined4) return 3;
  return source == Source::kOther || source == Source::kJoined2 ? 1 : 0;
}

// Samples of other documents in the same language: the one before, then those
// that follow, in a ring.
std::vector<const Record*> Others(std::span<const Sample> samples, size_t at) {
  const Sample& own = samples[at];
  const size_t n = samples.size();
  std::vector<const Record*> others;
  const auto consider = [&](const Sample& sample) {
    const Record& record = sample.record;
    if (record.language != own.record.language ||
        record.context == own.record.context)
      return;
    const auto same = [&](const Record* seen) {
      return seen->context == record.context;
    };
    if (std::ranges::none_of(others, same)) others.push_back(&record);
  };
  for (size_t back = 1; back <= at && others.empty(); ++back)
    consider(samples[at - back]);
  for (size_t next = 1; next < n && others.size() < kMostOthers; ++next) {
    consider(samples[(at + next) % n]);
  }
  return others;
}

double WorkOf(const Sample& sample, Source source, bool is_read) {
  const double tokens = sample.record.tokens;
  if (source == Source::kFull) return kAnswerWork + kCausalFactor * tokens;
  if (source == Source::kFirst || source == Source::kLast)
    return kAnswerWork + kCutWork;
  if (source == Source::kNone || source == Source::kOther || is_read)
    return kAnswerWork;
  return kAnswerWork + tokens;
}

bool Fits(const Sample& sample, const PlanOptions& options) {
  return sample.record.tokens + kAnswerRoom <= options.max_context_tokens;
}

}  // namespace

std::string SampleId(const Record& record) {
  return Sha256Hex(fmt::format("{}\n{}\n{}", Sha256Hex(record.context),
                               record.question, record.answer))
      .substr(0, 16);
}

std::string StepKey(const std::string& sample, Source source, int gists) {
  return fmt::format("{}|{}|{}", sample, TitleOf(source), gists);
}

std::vector<Step> MakeSteps(std::span<const Sample> samples,
                            const PlanOptions& options,
                            const std::set<std::string>& done) {
  std::vector<Step> steps;
  std::set<std::string_view> read;  // texts: the server keeps them in memory
  const auto add = [&](size_t at, Source source, int gists) {
    const Sample& sample = samples[at];
    if (done.contains(StepKey(sample.id, source, gists))) return;
    const bool is_read = read.contains(sample.record.context);
    Step step{.sample = at,
              .ask = {&sample.record, source, gists, {}},
              .work = WorkOf(sample, source, is_read)};
    if (OthersNeeded(source) > 0) step.ask.others = Others(samples, at);
    if (step.ask.others.size() < OthersNeeded(source)) return;
    if (step.work > sample.record.tokens) read.insert(sample.record.context);
    steps.push_back(std::move(step));
  };
  std::map<CellKey, int> controlled;
  for (size_t at = 0; at < samples.size(); ++at) {
    const bool has_controls =
        ++controlled[CellOf(samples[at])] <= options.controls ||
        options.controls == 0;
    for (const int gists : options.gists) {
      for (const Source source : options.sources) {
        const bool left_out = IsControl(source) &&
                              (gists != options.gists.front() || !has_controls);
        if (!IsWithoutGists(source) && !left_out) add(at, source, gists);
      }
    }
    for (const Source source : options.sources) {
      if (IsWithoutGists(source) && has_controls && Fits(samples[at], options))
        add(at, source, 0);
    }
  }
  return steps;
}

std::vector<Sample> KeepCount(std::vector<Sample> samples, int count) {
  if (count == 0) return samples;
  std::map<CellKey, int> kept;
  std::erase_if(samples, [&](const Sample& sample) {
    return ++kept[CellOf(sample)] > count;
  });
  return samples;
}

}  // namespace gist::bench
