#include "client/eval/sample.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/data/json_lines.h"
#include "core/data/record_file.h"
#include "core/scoring/answer_kind.h"
#include "nlohmann/json.hpp"

namespace gist::client {
namespace {

constexpr std::string_view kChoices[] = {"topic", "mention", "order"};

std::string ShortHash(std::string_view bytes) {
  return Sha256Hex(bytes).substr(0, 16);
}

std::string FileName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

bool IsLongBench(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return false;
  const std::string_view line =
      text.substr(begin, text.find('\n', begin) - begin);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  return json.is_object() && json.contains("input") && json.contains("answers");
}

// The needles of an overview stand in many places.
bool HasOneNeedle(const Record& record) {
  return !record.needle.empty() && record.family != "overview";
}

void ReadChoice(Sample* sample) {
  const auto choice = ReadChoiceQuestion(sample->language, sample->question);
  if (!choice) return;  // of a user's own wording: containment will do
  sample->metric = "choice";
  sample->choice = kChoices[size_t(choice->kind)];
  sample->options.assign(choice->options.begin(), choice->options.end());
}

// The question with its options, each in a line of its own, where it does not
// name them all.
std::string WithOptions(std::string question,
                        const std::vector<std::string>& options) {
  if (std::ranges::all_of(options, [&question](const std::string& option) {
        return Names(question, option);
      })) {
    return question;
  }
  question += "\nAnswer with one of these:";
  for (const std::string& option : options) question += "\n- " + option;
  return question;
}

Sample FromRecord(Record record) {
  Sample sample;
  const bool needle = HasOneNeedle(record);
  if (needle) {
    sample.depth = record.depth > 0 ? record.depth : record.needle_position;
  }
  sample.context = std::move(record.context);
  sample.question = std::move(record.question);
  sample.answers = std::move(record.answers);
  if (sample.answers.empty()) sample.answers = {std::move(record.answer)};
  sample.language = record.language.empty() ? "en" : record.language;
  sample.family = !record.family.empty() ? record.family
                  : needle               ? "needle"
                                         : "custom";
  sample.frame = std::move(record.frame);
  sample.tokens = record.tokens;
  sample.seed = record.seed;
  sample.metric = sample.family == "custom" ? "f1"
                  : sample.IsAbsent()       ? "refusal"
                                            : "containment";
  if (sample.family == "overview") ReadChoice(&sample);
  if (!record.options.empty()) {
    sample.metric = "choice";
    sample.choice = "options";
    sample.options = std::move(record.options);
    sample.question = WithOptions(std::move(sample.question), sample.options);
  }
  return sample;
}

absl::StatusOr<Sample> FromLongBench(LongBenchRecord record) {
  GIST_ASSIGN_OR_RETURN(LongBenchTask task, TaskOf(record));
  Sample sample;
  sample.context = std::exchange(record.context, {});
  sample.question = std::move(task.question);
  sample.answers = record.answers;
  sample.language = record.language;
  sample.family = record.dataset;
  sample.metric = std::move(task.metric);
  sample.answer_tokens = task.answer_tokens;
  sample.longbench = std::move(record);
  return sample;
}

absl::StatusOr<std::vector<Sample>> Parse(const std::string& path,
                                          std::string_view text,
                                          bool longbench) {
  std::vector<Sample> samples;
  if (!longbench) {
    GIST_ASSIGN_OR_RETURN(auto records, ParseRecords(text, path));
    for (Record& record : records) {
      samples.push_back(FromRecord(std::move(record)));
    }
    return samples;
  }
  GIST_ASSIGN_OR_RETURN(auto records, ParseLongBench(text, path));
  for (LongBenchRecord& record : records) {
    auto sample = FromLongBench(std::move(record));
    if (!sample.ok()) return Within(path, sample.status());
    samples.push_back(*std::move(sample));
  }
  return samples;
}

void Identify(Sample* sample, std::map<std::string, int>* seen) {
  sample->document = ShortHash(sample->context);
  std::string key = sample->document + '\0' + sample->question;
  for (const std::string& answer : sample->answers) key += '\0' + answer;
  sample->id = ShortHash(key);
  const int times = ++(*seen)[sample->id];
  if (times > 1) sample->id += fmt::format("-{}", times);
}

}  // namespace

bool Sample::IsFact() const {
  return family == "passkey" || family == "keyed" || family == "needle" ||
         family == "overview";
}

absl::StatusOr<SampleSet> ReadSamples(const std::vector<std::string>& paths,
                                      int64_t limit) {
  SampleSet set;
  std::map<std::string, int> seen;
  for (const std::string& path : paths) {
    GIST_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
    const bool longbench = IsLongBench(text);
    GIST_ASSIGN_OR_RETURN(auto samples, Parse(path, text, longbench));
    if (limit > 0 && int64_t(samples.size()) > limit) {
      samples.resize(size_t(limit));
    }
    set.files.push_back({.path = path,
                         .sha256 = Sha256Hex(text),
                         .format = longbench ? "longbench" : "records",
                         .samples = int64_t(samples.size())});
    for (Sample& sample : samples) {
      sample.dataset = FileName(path);
      Identify(&sample, &seen);
      set.samples.push_back(std::move(sample));
    }
  }
  return set;
}

}  // namespace gist::client
