#include "server/record_lines.h"

#include <string>
#include <utility>

#include "core/base/status.h"
#include "core/base/utf8.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

template <typename T>
absl::Status Take(const Json& object, const char* key, bool required,
                  T& field) {
  constexpr bool kIsText = std::is_same_v<T, std::string>;
  const auto found = object.find(key);
  if (found == object.end()) {
    if (!required) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format(
        "the key \"{}\" is missing; want context, question and answer", key));
  }
  const bool fits = kIsText ? found->is_string() : found->is_number();
  if (!fits) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is of type {}, want a {}", key, found->type_name(),
                    kIsText ? "string" : "number"));
  }
  field = found->get<T>();
  return absl::OkStatus();
}

absl::StatusOr<Record> ParseLine(std::string_view line) {
  if (const size_t bad = FirstInvalidUtf8(line); bad < line.size()) {
    return absl::InvalidArgumentError(
        fmt::format("byte {} is not UTF-8; convert the file first", bad));
  }
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError("want one JSON object");
  }
  Record record;
  for (const auto& [key, field] : {std::pair("context", &record.context),
                                   std::pair("question", &record.question),
                                   std::pair("answer", &record.answer)}) {
    GIST_RETURN_IF_ERROR(Take(object, key, /*required=*/true, *field));
    if (field->empty()) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is empty, want text", key));
    }
  }
  for (const auto& [key, field] : {std::pair("needle", &record.needle),
                                   std::pair("language", &record.language),
                                   std::pair("family", &record.family),
                                   std::pair("frame", &record.frame),
                                   std::pair("filler", &record.filler)}) {
    GIST_RETURN_IF_ERROR(Take(object, key, /*required=*/false, *field));
  }
  GIST_RETURN_IF_ERROR(
      Take(object, "needle_position", false, record.needle_position));
  GIST_RETURN_IF_ERROR(
      Take(object, "context_length_chars", false, record.context_length_chars));
  GIST_RETURN_IF_ERROR(Take(object, "tokens", false, record.tokens));
  GIST_RETURN_IF_ERROR(Take(object, "depth", false, record.depth));
  GIST_RETURN_IF_ERROR(Take(object, "seed", false, record.seed));
  return record;
}

}  // namespace

absl::StatusOr<std::vector<Record>> ParseRecordLines(std::string_view text) {
  std::vector<Record> records;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    auto record = ParseLine(line);
    if (!record.ok()) {
      return Within(fmt::format("line {}", number), record.status());
    }
    records.push_back(*std::move(record));
  }
  if (records.empty()) {
    return absl::InvalidArgumentError(
        "the dataset holds no line, want one JSON object or more");
  }
  return records;
}

}  // namespace gist
