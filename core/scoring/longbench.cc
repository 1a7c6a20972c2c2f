#include "core/scoring/longbench.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"
#include "core/data/json_lines.h"
#include "core/scoring/chinese.h"
#include "core/scoring/code_similarity.h"
#include "core/scoring/metrics.h"
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

enum class Metric {
  kF1,
  kChineseF1,
  kRouge,
  kChineseRouge,
  kClassification,
  kCount,
  kRetrieval,
  kChineseRetrieval,
  kCode
};
constexpr std::string_view kMetricNames[] = {"f1",
                                             "f1_zh_characters",
                                             "rouge_l",
                                             "rouge_l_zh_characters",
                                             "class",
                                             "count",
                                             "retrieval",
                                             "retrieval_zh",
                                             "code_similarity"};

// How LongBench asks and scores one of its datasets.
struct Dataset {
  std::string_view name;
  Metric metric;
  int answer_tokens;
  // What is asked; "{}" is the record's input.
  std::string_view question;
};

constexpr std::string_view kPassages =
    "Answer the question from the passages. Give only the answer.\n"
    "Question: {}";
constexpr std::string_view kNextLine =
    "{}What is the next line of this code? Write only that line.";

// Sources: dataset2metric of LongBench/eval.py, config/dataset2maxlen.json,
// both as of commit 2e00731 of github.com/THUDM/LongBench. The questions are
// shorter than those of config/dataset2prompt.json, which stand around the
// text; ours come after it.
constexpr Dataset kDatasets[] = {
    {"2wikimqa", Metric::kF1, 32, kPassages},
    {"dureader", Metric::kChineseRouge, 128,
     "请基于给定的文章回答下述问题。\n问题：{}\n回答："},
    {"gov_report", Metric::kRouge, 512,
     "Write a one-page summary of the report."},
    {"hotpotqa", Metric::kF1, 32, kPassages},
    {"lcc", Metric::kCode, 64, kNextLine},
    {"lsht", Metric::kClassification, 64, "请判断给定新闻的类别。\n{}"},
    {"multi_news", Metric::kRouge, 512,
     "Write a one-page summary of all the news."},
    {"multifieldqa_en", Metric::kF1, 64,
     "Answer the question from the text. Give only the answer.\n"
     "Question: {}"},
    {"multifieldqa_zh", Metric::kChineseF1, 64,
     "请基于文章回答问题，只给出答案。\n问题：{}\n回答："},
    {"musique", Metric::kF1, 32, kPassages},
    {"narrativeqa", Metric::kF1, 128,
     "Answer the question from the story, in one short phrase.\n"
     "Question: {}"},
    {"passage_count", Metric::kCount, 32,
     "Some of the paragraphs may be repeated. How many different paragraphs "
     "are there? Give only the number."},
    {"passage_retrieval_en", Metric::kRetrieval, 32,
     "Which paragraph is this abstract from? Answer as \"Paragraph 1\".\n"
     "Abstract: {}"},
    {"passage_retrieval_zh", Metric::kChineseRetrieval, 32,
     "下面的摘要出自哪个段落？请按“段落1”的格式回答。\n摘要：{}"},
    {"qasper", Metric::kF1, 128,
     "Answer the question from the article, as briefly as you can; if it "
     "cannot be answered, write \"unanswerable\".\nQuestion: {}"},
    {"qmsum", Metric::kRouge, 512,
     "Answer the query about the meeting in one or more sentences.\n"
     "Query: {}"},
    {"repobench-p", Metric::kCode, 64, kNextLine},
    {"samsum", Metric::kRouge, 128,
     "Summarize the dialogue as in the examples.\n{}"},
    {"trec", Metric::kClassification, 64,
     "Say the type of the question as in the examples.\n{}"},
    {"triviaqa", Metric::kF1, 32,
     "Answer the question as in the examples. Give only the answer.\n{}"},
    {"vcsum", Metric::kChineseRouge, 512, "请总结会议的内容。"},
};

// "hotpotqa_e" is "hotpotqa".
absl::StatusOr<const Dataset*> FindDataset(std::string_view name) {
  const std::string_view base =
      name.ends_with("_e") ? name.substr(0, name.size() - 2) : name;
  std::string known;
  for (const Dataset& dataset : kDatasets) {
    if (dataset.name == base) return &dataset;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", dataset.name);
  }
  return absl::UnimplementedError(fmt::format(
      "dataset \"{}\" cannot be scored here; those that can: {}", name, known));
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
    case Metric::kChineseF1:
      return ChineseF1Score(prediction, truth);
    case Metric::kRouge:
      return RougeLScore(prediction, truth);
    case Metric::kChineseRouge:
      return ChineseRougeLScore(prediction, truth);
    case Metric::kClassification:
      return ClassificationScore(prediction, truth, classes);
    case Metric::kCount:
      return CountScore(prediction, truth);
    case Metric::kRetrieval:
      return RetrievalScore(prediction, truth);
    case Metric::kChineseRetrieval:
      return ChineseRetrievalScore(prediction, truth);
    case Metric::kCode:
      return CodeSimilarityScore(prediction, truth);
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

absl::StatusOr<std::vector<LongBenchRecord>> ParseLongBench(
    std::string_view text, std::string_view name) {
  return ParseLines(text, name, "", ParseLongBenchRecord);
}

absl::StatusOr<std::vector<LongBenchRecord>> ReadLongBench(
    const std::string& path) {
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseLongBench(text, path);
}

absl::StatusOr<double> LongBenchScore(const LongBenchRecord& record,
                                      std::string_view prediction) {
  GIST_ASSIGN_OR_RETURN(const Dataset* dataset, FindDataset(record.dataset));
  if (TakesFirstLine(record.dataset)) {
    prediction = WithoutLeadingNewlines(prediction);
    prediction = prediction.substr(0, prediction.find('\n'));
  }
  double best = 0;
  for (const std::string& answer : record.answers) {
    best = std::max(
        best, Score(dataset->metric, prediction, answer, record.all_classes));
  }
  return best;
}

absl::StatusOr<LongBenchTask> TaskOf(const LongBenchRecord& record) {
  GIST_ASSIGN_OR_RETURN(const Dataset* dataset, FindDataset(record.dataset));
  const size_t mark = dataset->question.find("{}");
  std::string question(dataset->question.substr(0, mark));
  if (mark != dataset->question.npos) {
    question += record.input;
    question += dataset->question.substr(mark + 2);
  }
  return LongBenchTask{
      .question = std::move(question),
      .answer_tokens = dataset->answer_tokens,
      .metric = std::string(kMetricNames[size_t(dataset->metric)])};
}

}  // namespace gist
