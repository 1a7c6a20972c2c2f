#include "core/data/longbench.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "core/base/status.h"
#include "core/data/metrics.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

absl::StatusOr<const Json*> Member(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found != line.end()) return &*found;
  return absl::InvalidArgumentError(fmt::format(
      "no \"{}\"; a LongBench line has input, context, answers, length, "
      "dataset, language, all_classes and _id",
      key));
}

absl::Status ReadText(const Json& line, const char* key, std::string* text) {
  GIST_ASSIGN_OR_RETURN(const Json* value, Member(line, key));
  if (!value->is_string()) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is {}, wanted a string", key, value->type_name()));
  }
  *text = value->get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadTexts(const Json& line, const char* key, bool may_be_null,
                       std::vector<std::string>* texts) {
  GIST_ASSIGN_OR_RETURN(const Json* value, Member(line, key));
  if (may_be_null && value->is_null()) return absl::OkStatus();
  const bool all_text =
      value->is_array() &&
      std::all_of(value->begin(), value->end(),
                  [](const Json& text) { return text.is_string(); });
  if (!all_text) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is no list of strings", key));
  }
  *texts = value->get<std::vector<std::string>>();
  return absl::OkStatus();
}

std::string_view WithoutLeadingNewlines(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

enum class Metric { kF1, kRouge, kClassification, kCount, kRetrieval };

// Source: dataset2metric of LongBench/eval.py, without what needs Chinese words
// or fuzzywuzzy.
absl::StatusOr<Metric> MetricOf(std::string_view dataset) {
  static const std::map<std::string, Metric, std::less<>> kMetrics = {
      {"narrativeqa", Metric::kF1},
      {"qasper", Metric::kF1},
      {"multifieldqa_en", Metric::kF1},
      {"hotpotqa", Metric::kF1},
      {"2wikimqa", Metric::kF1},
      {"musique", Metric::kF1},
      {"triviaqa", Metric::kF1},
      {"gov_report", Metric::kRouge},
      {"qmsum", Metric::kRouge},
      {"multi_news", Metric::kRouge},
      {"samsum", Metric::kRouge},
      {"trec", Metric::kClassification},
      {"lsht", Metric::kClassification},
      {"passage_count", Metric::kCount},
      {"passage_retrieval_en", Metric::kRetrieval}};
  const std::string_view base =
      dataset.ends_with("_e") ? dataset.substr(0, dataset.size() - 2) : dataset;
  const auto found = kMetrics.find(base);
  if (found != kMetrics.end()) return found->second;
  std::string known;
  for (const auto& [name, metric] : kMetrics) {
    known += (known.empty() ? "" : ", ") + name;
  }
  return absl::UnimplementedError(
      fmt::format("dataset \"{}\" cannot be scored here; those that can: {}",
                  dataset, known));
}

// These answer in their first line. Source: scorer of LongBench/eval.py.
bool TakesFirstLine(std::string_view dataset) {
  for (const std::string_view name : {"trec", "triviaqa", "samsum", "lsht"}) {
    if (dataset == name) return true;
  }
  return false;
}

double Score(Metric metric, std::string_view prediction, std::string_view truth,
             const std::vector<std::string>& classes) {
  switch (metric) {
    case Metric::kF1:
      return F1Score(prediction, truth);
    case Metric::kRouge:
      return RougeLScore(prediction, truth);
    case Metric::kClassification:
      return ClassificationScore(prediction, truth, classes);
    case Metric::kCount:
      return CountScore(prediction, truth);
    case Metric::kRetrieval:
      return RetrievalScore(prediction, truth);
  }
  return 0;
}

}  // namespace

absl::StatusOr<LongBenchRecord> ParseLongBenchRecord(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("is no JSON object in UTF-8");
  }
  LongBenchRecord record;
  GIST_RETURN_IF_ERROR(ReadText(json, "input", &record.input));
  GIST_RETURN_IF_ERROR(ReadText(json, "context", &record.context));
  GIST_RETURN_IF_ERROR(ReadTexts(json, "answers", false, &record.answers));
  GIST_RETURN_IF_ERROR(ReadText(json, "dataset", &record.dataset));
  GIST_RETURN_IF_ERROR(ReadText(json, "language", &record.language));
  GIST_RETURN_IF_ERROR(
      ReadTexts(json, "all_classes", true, &record.all_classes));
  GIST_RETURN_IF_ERROR(ReadText(json, "_id", &record.id));
  GIST_ASSIGN_OR_RETURN(const Json* length, Member(json, "length"));
  if (!length->is_number_unsigned()) {
    return absl::InvalidArgumentError(
        fmt::format("\"length\" is {}, wanted a count", length->dump()));
  }
  record.length = length->get<int64_t>();
  return record;
}

absl::StatusOr<std::vector<LongBenchRecord>> ReadLongBench(
    const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<LongBenchRecord> records;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    auto record = ParseLongBenchRecord(line);
    if (!record.ok()) {
      return Within(fmt::format("{}:{}", path, number), record.status());
    }
    records.push_back(*std::move(record));
  }
  if (!file.eof()) {
    return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  }
  if (!records.empty()) return records;
  return absl::InvalidArgumentError(fmt::format("{}: holds no record", path));
}

absl::StatusOr<double> LongBenchScore(const LongBenchRecord& record,
                                      std::string_view prediction) {
  GIST_ASSIGN_OR_RETURN(const Metric metric, MetricOf(record.dataset));
  if (TakesFirstLine(record.dataset)) {
    prediction = WithoutLeadingNewlines(prediction);
    prediction = prediction.substr(0, prediction.find('\n'));
  }
  double best = 0;
  for (const std::string& answer : record.answers) {
    best =
        std::max(best, Score(metric, prediction, answer, record.all_classes));
  }
  return best;
}

}  // namespace gist
