// LongBench's samples and how it scores answers to them. Source: Bai et al.
// 2023 (arXiv:2308.14508), github.com/THUDM/LongBench, LongBench/eval.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

// The fields are the keys of a line, but for `id`, which is "_id".
struct LongBenchRecord {
  std::string input;    // the question; may be empty, for a summary
  std::string context;  // the document
  std::vector<std::string> answers;      // each is right
  int64_t length = 0;                    // words or characters of all, as given
  std::string dataset;                   // "hotpotqa", "trec"
  std::string language;                  // "en", "zh"
  std::vector<std::string> all_classes;  // of classification; else empty
  std::string id;
};

// kInvalidArgument says what is wrong with which key. all_classes may be null.
absl::StatusOr<LongBenchRecord> ParseLongBenchRecord(std::string_view line);
// A whole file's text, JSON Lines; errors begin with `name` and the line's
// number.
absl::StatusOr<std::vector<LongBenchRecord>> ParseLongBench(
    std::string_view text, std::string_view name);
// The same of a file. kNotFound: it cannot be read.
absl::StatusOr<std::vector<LongBenchRecord>> ReadLongBench(
    const std::string& path);

// 0 to 1: the best over all answers by the dataset's own metric; "hotpotqa_e"
// is scored as "hotpotqa". Chinese words are characters:
// core/scoring/chinese.h. kUnimplemented: a dataset that is not LongBench's.
absl::StatusOr<double> LongBenchScore(const LongBenchRecord& record,
                                      std::string_view prediction);

struct LongBenchTask {
  std::string question;   // never empty, with the record's input in it
  int answer_tokens = 0;  // the longest answer that LongBench takes
  std::string metric;     // "f1", "rouge_l_zh_characters": what scores it
};
// How the record's dataset is asked. kUnimplemented as above.
absl::StatusOr<LongBenchTask> TaskOf(const LongBenchRecord& record);

}  // namespace gist
