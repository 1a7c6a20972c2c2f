#include "core/text/chat_template.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "core/text/chat_families.h"
#include "fmt/format.h"

namespace gist {
namespace {

// A tokenizer that puts a space in front of a text gives the document the one
// that the template has there, and its markers take what follows them.
void FitSpaces(const ChatFrame& frame, const Tokenizer& tokenizer,
               std::string* before, std::string* after) {
  if (!tokenizer.adds_space_prefix()) return;
  if (before->ends_with(' ')) before->pop_back();
  if (!frame.markers_take_space) return;
  for (std::string* text : {before, after}) {
    absl::StrReplaceAll({{"|>\n", "|>"}}, text);
  }
}

// `text` with the vocabulary's own eos token.
void SetEos(const ChatFrame& frame, const Tokenizer& tokenizer,
            std::string* text) {
  if (frame.eos_mark.empty()) return;
  for (const std::string_view name : frame.ends) {
    if (!tokenizer.SpecialId(name).ok()) continue;
    absl::StrReplaceAll(
        {{absl::string_view(frame.eos_mark.data(), frame.eos_mark.size()),
          absl::string_view(name.data(), name.size())}},
        text);
    return;
  }
}

// All tokens that end an answer, the template's own first.
absl::StatusOr<std::vector<int32_t>> EndsOf(const ChatFrame& frame,
                                            const Tokenizer& tokenizer) {
  std::vector<int32_t> ends;
  for (const std::string_view marker : frame.ends) {
    const auto id = tokenizer.SpecialId(marker);
    if (id.ok()) ends.push_back(*id);
  }
  for (const int32_t id : tokenizer.end_ids()) {
    if (std::ranges::find(ends, id) == ends.end()) ends.push_back(id);
  }
  if (!ends.empty()) return ends;
  return absl::NotFoundError(fmt::format(
      "chat template: no token ends an answer; the vocabulary has none of {}, "
      "and the model file names no eos token",
      fmt::join(frame.ends, ", ")));
}

}  // namespace

absl::StatusOr<ChatTemplate> ChatTemplate::Recognise(
    std::string_view jinja, const Tokenizer& tokenizer,
    std::optional<std::string_view> system) {
  GIST_ASSIGN_OR_RETURN(ChatFrame frame, FrameOf(jinja, system));
  SetEos(frame, tokenizer, &frame.before);
  SetEos(frame, tokenizer, &frame.after);
  for (const std::string_view marker : frame.markers) {
    GIST_RETURN_IF_ERROR(tokenizer.SpecialId(marker).status());
  }
  std::string before = frame.before, after = frame.after;
  FitSpaces(frame, tokenizer, &before, &after);

  ChatTemplate chat;
  chat.trims_ = frame.trims;
  GIST_ASSIGN_OR_RETURN(chat.ends_, EndsOf(frame, tokenizer));
  const bool bos =
      tokenizer.bos_id() && (frame.writes_bos || tokenizer.add_bos());
  if (bos) chat.prefix_.push_back(*tokenizer.bos_id());
  const TextBegin begin = bos ? TextBegin::kBehindToken : TextBegin::kNothing;
  GIST_ASSIGN_OR_RETURN(
      const auto prefix,
      tokenizer.Encode(before, {.begin = begin, .special = true}));
  chat.prefix_.insert(chat.prefix_.end(), prefix.begin(), prefix.end());
  // Behind a space that was taken away or a marker, the document brings one.
  if (!before.empty() && before == frame.before && !before.ends_with('>')) {
    chat.document_begin_ = TextBegin::kBehindText;
  }
  GIST_ASSIGN_OR_RETURN(
      chat.suffix_, tokenizer.Encode(after, {.begin = TextBegin::kBehindText,
                                             .special = true}));
  return chat;
}

absl::StatusOr<std::vector<int32_t>> ChatTemplate::Document(
    std::string_view text, const Tokenizer& tokenizer) const {
  return tokenizer.Encode(text, {.begin = document_begin_});
}

absl::StatusOr<std::vector<int32_t>> ChatTemplate::Question(
    std::string_view question, const Tokenizer& tokenizer) const {
  // Checked here, so that the message counts bytes of the question alone.
  if (const size_t bad = FirstInvalidUtf8(question); bad != question.size()) {
    return absl::InvalidArgumentError(
        fmt::format("question: byte {} is 0x{:02X}, want valid UTF-8", bad,
                    static_cast<unsigned char>(question[bad])));
  }
  std::string text = fmt::format("\n\n{}", question);
  if (trims_) absl::StripTrailingAsciiWhitespace(&text);
  GIST_ASSIGN_OR_RETURN(
      auto ids, tokenizer.Encode(text, {.begin = TextBegin::kBehindText}));
  ids.insert(ids.end(), suffix_.begin(), suffix_.end());
  return ids;
}

bool ChatTemplate::IsEndOfTurn(int32_t id) const {
  return std::ranges::find(ends_, id) != ends_.end();
}

}  // namespace gist
