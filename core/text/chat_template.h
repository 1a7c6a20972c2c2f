// The words around a document and a question that the model was tuned on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"

namespace gist {

// One turn of a chat, recognised from the model's own Jinja template, of one of
// the families in core/text/chat_families.h. Thinking is off: models that can
// are handed an empty thought.
class ChatTemplate {
 public:
  // `jinja`: tokenizer.chat_template of the model file. `system`: the system
  // message, which may hold special tokens as the template does; none: the
  // template's own, and no system turn if it has none. Errors: FrameOf's;
  // kNotFound: a special token that the vocabulary lacks.
  static absl::StatusOr<ChatTemplate> Recognise(
      std::string_view jinja, const Tokenizer& tokenizer,
      std::optional<std::string_view> system = std::nullopt);

  // The shared prefix: bos where the model wants it, the system turn, up to the
  // start of the user's text.
  const std::vector<int32_t>& prefix() const { return prefix_; }
  // After the question: the end of the user's turn, the start of the
  // assistant's.
  const std::vector<int32_t>& suffix() const { return suffix_; }
  // A document behind the prefix.
  absl::StatusOr<std::vector<int32_t>> Document(
      std::string_view text, const Tokenizer& tokenizer) const;
  // "\n\n" + question, the end of the user's turn, the start of the
  // assistant's.
  absl::StatusOr<std::vector<int32_t>> Question(
      std::string_view question, const Tokenizer& tokenizer) const;

  // Ends an answer as the template writes it.
  int32_t end_of_turn() const { return ends_.front(); }
  // Does the token end an answer? The model file may name several.
  bool IsEndOfTurn(int32_t id) const;

 private:
  std::vector<int32_t> prefix_;
  std::vector<int32_t> suffix_;
  std::vector<int32_t> ends_;  // the template's own first; at least one
  TextBegin document_begin_ = TextBegin::kNothing;
  bool trims_ = false;
};

}  // namespace gist
