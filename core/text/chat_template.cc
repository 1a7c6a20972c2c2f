#include "core/text/chat_template.h"

#include <optional>
#include <string>

#include "absl/strings/str_replace.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr std::string_view kStart = "<|im_start|>";
constexpr std::string_view kEnd = "<|im_end|>";
constexpr std::string_view kSystem = "<|im_start|>system";
constexpr std::string_view kAssistant = "<|im_start|>assistant\n";

absl::Status Unknown(std::string_view jinja) {
  return absl::UnimplementedError(
      fmt::format("chat template: found {}, want ChatML (<|im_start|>, a role, "
                  "a newline, the text, <|im_end|>), the only one supported",
                  Quoted(jinja)));
}

// Jinja's string literals may spell a newline or a quote as an escape.
std::string Unescaped(std::string_view jinja) {
  return absl::StrReplaceAll({jinja.data(), jinja.size()},
                             {{"\\n", "\n"}, {"\\'", "'"}, {"\\\"", "\""}});
}

// Does `text`, which begins inside a string literal that `quote` opened (or,
// where `quote` is a brace, in plain template text), stay inside?
bool StaysLiteral(std::string_view text, char quote) {
  const bool plain = quote == '}' || quote == '{';
  for (size_t i = 0; i < text.size(); ++i) {
    if (plain ? text[i] == '{' : text[i] == quote) return false;
    if (text[i] == '\\') ++i;
  }
  return true;
}

// What the template puts into a system turn of its own.
std::optional<std::string> DefaultSystem(std::string_view jinja) {
  size_t at = 0;
  while ((at = jinja.find(kSystem, at)) != jinja.npos) {
    const size_t opened = jinja.substr(0, at).find_last_of("'\"{}");
    const char quote = opened == jinja.npos ? '}' : jinja[opened];
    at += kSystem.size();
    const size_t end = jinja.find(kEnd, at);
    if (end == jinja.npos) break;
    const std::string_view message = jinja.substr(at, end - at);
    if (!StaysLiteral(message, quote)) continue;
    const std::string text = Unescaped(message);
    if (text.starts_with('\n')) return text.substr(1);
  }
  return std::nullopt;
}

// Appends the encoding of `text`, in which nothing is special.
absl::Status Append(const Tokenizer& tokenizer, std::string_view text,
                    std::vector<int32_t>* ids) {
  GIST_ASSIGN_OR_RETURN(const auto more, tokenizer.Encode(text));
  ids->insert(ids->end(), more.begin(), more.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::Recognise(
    std::string_view jinja, const Tokenizer& tokenizer) {
  const std::string chatml = Unescaped(jinja);
  if (chatml.find(kAssistant) == chatml.npos ||
      chatml.find(kEnd) == chatml.npos) {
    return Unknown(jinja);
  }
  GIST_ASSIGN_OR_RETURN(const int32_t start, tokenizer.SpecialId(kStart));
  GIST_ASSIGN_OR_RETURN(const int32_t end, tokenizer.SpecialId(kEnd));

  ChatTemplate chat;
  chat.end_of_turn_ = end;
  if (const auto system = DefaultSystem(jinja)) {
    chat.prefix_.push_back(start);
    GIST_RETURN_IF_ERROR(
        Append(tokenizer, fmt::format("system\n{}", *system), &chat.prefix_));
    chat.prefix_.push_back(end);
    GIST_RETURN_IF_ERROR(Append(tokenizer, "\n", &chat.prefix_));
  }
  chat.prefix_.push_back(start);
  GIST_RETURN_IF_ERROR(Append(tokenizer, "user\n", &chat.prefix_));

  chat.suffix_.push_back(end);
  GIST_RETURN_IF_ERROR(Append(tokenizer, "\n", &chat.suffix_));
  chat.suffix_.push_back(start);
  GIST_RETURN_IF_ERROR(Append(tokenizer, "assistant\n", &chat.suffix_));
  return chat;
}

absl::StatusOr<std::vector<int32_t>> ChatTemplate::Question(
    std::string_view question, const Tokenizer& tokenizer) const {
  // Checked here, so that the message counts bytes of the question alone.
  if (const size_t bad = FirstInvalidUtf8(question); bad != question.size()) {
    return absl::InvalidArgumentError(
        fmt::format("question: byte {} is 0x{:02X}, want valid UTF-8", bad,
                    static_cast<unsigned char>(question[bad])));
  }
  std::vector<int32_t> ids;
  GIST_RETURN_IF_ERROR(
      Append(tokenizer, fmt::format("\n\n{}", question), &ids));
  ids.insert(ids.end(), suffix_.begin(), suffix_.end());
  return ids;
}

}  // namespace gist
