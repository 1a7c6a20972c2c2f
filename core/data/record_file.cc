#include "core/data/record_file.h"

#include <algorithm>
#include <cmath>

#include "core/base/status.h"
#include "core/data/json_lines.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

absl::Status WrongKey(std::string_view key, const Json& value,
                      std::string_view wanted) {
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is {}, wanted {}", key, value.type_name(), wanted));
}

absl::Status ReadText(const Json& line, const char* key, bool required,
                      std::string* text) {
  const auto found = line.find(key);
  if (found == line.end()) {
    if (!required) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("no \"{}\"; wanted are context, question and answer", key));
  }
  if (!found->is_string()) return WrongKey(key, *found, "a string");
  *text = found->get<std::string>();
  if (!required || !text->empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("\"{}\" is empty", key));
}

// Integers that are out of T's range, or fractions where T has none, are
// errors.
template <typename T>
absl::Status ReadNumber(const Json& line, const char* key, T* number) {
  const auto found = line.find(key);
  if (found == line.end()) return absl::OkStatus();
  if (!found->is_number()) return WrongKey(key, *found, "a number");
  if constexpr (std::is_floating_point_v<T>) {
    *number = found->get<T>();
    return absl::OkStatus();
  } else {
    if (found->is_number_unsigned() &&
        found->get<uint64_t>() <= uint64_t(std::numeric_limits<T>::max())) {
      *number = found->get<T>();
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is {}, wanted an integer from 0 to {}", key,
                    found->dump(), std::numeric_limits<T>::max()));
  }
}

// Strings that are not empty; `least` of them or, without the key, none.
absl::Status ReadTexts(const Json& line, const char* key, size_t least,
                       std::vector<std::string>* texts) {
  const auto found = line.find(key);
  if (found == line.end()) return absl::OkStatus();
  if (!found->is_array()) return WrongKey(key, *found, "a list of strings");
  for (const Json& text : *found) {
    if (!text.is_string()) return WrongKey(key, text, "strings");
    texts->push_back(text.get<std::string>());
    if (!texts->back().empty()) continue;
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" holds an empty string", key));
  }
  if (texts->size() >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "\"{}\" holds {} strings, wanted {} or more", key, texts->size(), least));
}

// Also checks `answer`, which may be missing beside `answers`.
absl::Status ReadAnswers(const Json& line, Record* record) {
  std::vector<std::string>& answers = record->answers;
  GIST_RETURN_IF_ERROR(ReadTexts(line, "answers", 1, &answers));
  GIST_RETURN_IF_ERROR(
      ReadText(line, "answer", answers.empty(), &record->answer));
  if (!answers.empty()) {
    if (record->answer.empty()) record->answer = answers.front();
    std::erase(answers, record->answer);
    answers.insert(answers.begin(), record->answer);
  }
  GIST_RETURN_IF_ERROR(ReadTexts(line, "options", 2, &record->options));
  if (record->options.empty()) return absl::OkStatus();
  const auto is_option = [record](const std::string& answer) {
    return std::ranges::count(record->options, answer) > 0;
  };
  const bool all_are = answers.empty()
                           ? is_option(record->answer)
                           : std::ranges::all_of(answers, is_option);
  if (all_are) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "\"options\" do not hold every right answer");
}

absl::StatusOr<Record> FromJson(const Json& line) {
  if (!line.is_object()) {
    return absl::InvalidArgumentError(
        fmt::format("is {}, wanted a JSON object", line.type_name()));
  }
  Record record;
  GIST_RETURN_IF_ERROR(ReadText(line, "context", true, &record.context));
  GIST_RETURN_IF_ERROR(ReadText(line, "question", true, &record.question));
  GIST_RETURN_IF_ERROR(ReadAnswers(line, &record));
  GIST_RETURN_IF_ERROR(ReadText(line, "needle", false, &record.needle));
  GIST_RETURN_IF_ERROR(
      ReadNumber(line, "needle_position", &record.needle_position));
  GIST_RETURN_IF_ERROR(
      ReadNumber(line, "context_length_chars", &record.context_length_chars));
  GIST_RETURN_IF_ERROR(ReadText(line, "language", false, &record.language));
  GIST_RETURN_IF_ERROR(ReadText(line, "frame", false, &record.frame));
  GIST_RETURN_IF_ERROR(ReadNumber(line, "tokens", &record.tokens));
  GIST_RETURN_IF_ERROR(ReadNumber(line, "depth", &record.depth));
  GIST_RETURN_IF_ERROR(ReadText(line, "filler", false, &record.filler));
  GIST_RETURN_IF_ERROR(ReadNumber(line, "seed", &record.seed));
  GIST_RETURN_IF_ERROR(ReadText(line, "family", false, &record.family));
  return record;
}

}  // namespace

std::string ToJsonLine(const Record& record) {
  nlohmann::ordered_json line = {
      {"context", record.context},
      {"question", record.question},
      {"answer", record.answer},
      {"needle", record.needle},
      {"needle_position", record.needle_position},
      {"context_length_chars", record.context_length_chars},
      {"language", record.language},
      {"frame", record.frame},
      {"tokens", record.tokens},
      {"depth", record.depth},
      {"filler", record.filler},
      {"seed", record.seed},
      {"family", record.family}};
  if (!record.answers.empty()) line["answers"] = record.answers;
  if (!record.options.empty()) line["options"] = record.options;
  return line.dump() + "\n";
}

absl::StatusOr<Record> ParseRecord(std::string_view line) {
  // Without exceptions: nlohmann's messages quote the text.
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return absl::InvalidArgumentError(
        "is not JSON in UTF-8; wanted is one object a line with context, "
        "question and answer");
  }
  return FromJson(json);
}

absl::StatusOr<std::vector<Record>> ParseRecords(std::string_view text,
                                                 std::string_view name) {
  return ParseLines(text, name,
                    "; wanted is JSON Lines with context, question and answer",
                    ParseRecord);
}

absl::StatusOr<std::vector<Record>> ReadRecords(const std::string& path) {
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseRecords(text, path);
}

}  // namespace gist
