#include "core/data/record_file.h"

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

absl::StatusOr<Record> FromJson(const Json& line) {
  if (!line.is_object()) {
    return absl::InvalidArgumentError(
        fmt::format("is {}, wanted a JSON object", line.type_name()));
  }
  Record record;
  GIST_RETURN_IF_ERROR(ReadText(line, "context", true, &record.context));
  GIST_RETURN_IF_ERROR(ReadText(line, "question", true, &record.question));
  GIST_RETURN_IF_ERROR(ReadText(line, "answer", true, &record.answer));
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
  const nlohmann::ordered_json line = {
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
