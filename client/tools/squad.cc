#include "client/tools/squad.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "client/terminal/files.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/status.h"
#include "core/data/json_lines.h"
#include "core/data/niah_tasks.h"
#include "core/data/record_file.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gist::client {
namespace {

using Json = nlohmann::json;

absl::Status Wrong(std::string_view place, std::string_view problem) {
  return absl::InvalidArgumentError(fmt::format(
      "{}: {}; wanted is SQuAD's format: data, paragraphs, context, qas, "
      "question, answers, text",
      place, problem));
}

absl::StatusOr<const Json*> ListIn(const Json& object, const char* key,
                                   std::string_view place) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found != object.end() && found->is_array()) return &*found;
  return Wrong(place, fmt::format("no list \"{}\"", key));
}

absl::StatusOr<std::string> TextIn(const Json& object, const char* key,
                                   std::string_view place) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end() || !found->is_string())
    return Wrong(place, fmt::format("no string \"{}\"", key));
  std::string text = found->get<std::string>();
  if (text.find_first_not_of(" \t\r\n") != text.npos) return text;
  return Wrong(place, fmt::format("\"{}\" is empty", key));
}

// Syllables U+AC00 to U+D7A3 in UTF-8: EA B0 80 to ED 9E A3.
bool HoldsHangul(std::string_view text) {
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    const std::string_view three = text.substr(i, 3);
    if (three >= "\xea\xb0\x80" && three <= "\xed\x9e\xa3") return true;
  }
  return false;
}

absl::Status ReadAnswers(const Json& question, std::string_view place,
                         Record* record) {
  const auto impossible = question.find("is_impossible");
  const bool is_impossible = impossible != question.end() &&
                             impossible->is_boolean() &&
                             impossible->get<bool>();
  if (!is_impossible && question.contains("answers")) {
    GIST_ASSIGN_OR_RETURN(const Json* const answers,
                          ListIn(question, "answers", place));
    for (const Json& answer : *answers) {
      GIST_ASSIGN_OR_RETURN(std::string text, TextIn(answer, "text", place));
      if (std::ranges::count(record->answers, text) == 0)
        record->answers.push_back(std::move(text));
    }
  }
  if (!record->answers.empty()) {
    record->answer = record->answers.front();
  } else {
    record->family = "absent";
    record->answer = NotMentioned(record->language == "ko" ? "ko" : "en");
  }
  if (record->answers.size() == 1) record->answers.clear();
  return absl::OkStatus();
}

// The questions of one paragraph.
absl::Status ReadParagraph(const Json& paragraph, const std::string& place,
                           const std::string& language, SquadRecords* squad) {
  GIST_ASSIGN_OR_RETURN(const std::string context,
                        TextIn(paragraph, "context", place));
  GIST_ASSIGN_OR_RETURN(const Json* const questions,
                        ListIn(paragraph, "qas", place));
  for (size_t i = 0; i < questions->size(); ++i) {
    const std::string its_place = fmt::format("{}.qas[{}]", place, i);
    const Json& question = questions->at(i);
    Record record;
    record.context = context;
    GIST_ASSIGN_OR_RETURN(record.question,
                          TextIn(question, "question", its_place));
    record.context_length_chars = std::ranges::count_if(
        context, [](char c) { return (c & 0xc0) != 0x80; });
    record.language = !language.empty()              ? language
                      : HoldsHangul(record.question) ? "ko"
                                                     : "en";
    GIST_RETURN_IF_ERROR(ReadAnswers(question, its_place, &record));
    ++(record.family == "absent" ? squad->unanswerable : squad->answerable);
    squad->records.push_back(std::move(record));
  }
  return absl::OkStatus();
}

std::string OutputOf(const SquadArguments& arguments) {
  if (!arguments.out.empty()) return arguments.out;
  return std::filesystem::path(arguments.file).stem().string() + ".jsonl";
}

}  // namespace

absl::StatusOr<SquadRecords> ParseSquad(std::string_view text,
                                        const std::string& language) {
  // Without exceptions: nlohmann's messages quote the text.
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Wrong("the file", "is not JSON in UTF-8");
  GIST_ASSIGN_OR_RETURN(const Json* const articles,
                        ListIn(json, "data", "the file"));
  SquadRecords squad;
  for (size_t i = 0; i < articles->size(); ++i) {
    const std::string place = fmt::format("data[{}]", i);
    GIST_ASSIGN_OR_RETURN(const Json* const paragraphs,
                          ListIn(articles->at(i), "paragraphs", place));
    for (size_t j = 0; j < paragraphs->size(); ++j) {
      GIST_RETURN_IF_ERROR(ReadParagraph(
          paragraphs->at(j), fmt::format("{}.paragraphs[{}]", place, j),
          language, &squad));
    }
  }
  if (squad.records.empty()) return Wrong("data", "holds no question");
  return squad;
}

absl::Status RunSquad(const SquadArguments& arguments) {
  GIST_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(arguments.file));
  auto squad = ParseSquad(text, arguments.language);
  if (!squad.ok()) return Within(arguments.file, squad.status());
  const std::string path = OutputOf(arguments);
  GIST_ASSIGN_OR_RETURN(OutputFile file,
                        OutputFile::Create(path, arguments.overwrite));
  for (const Record& record : squad->records)
    GIST_RETURN_IF_ERROR(file.Write(ToJsonLine(record)));
  GIST_RETURN_IF_ERROR(file.Commit());
  PrintNote(fmt::format(
      "{}: {} questions that the text answers, {} that it "
      "does not",
      path, FormatCount(squad->answerable), FormatCount(squad->unanswerable)));
  return absl::OkStatus();
}

}  // namespace gist::client
