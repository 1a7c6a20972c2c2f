// The words around a document and a question that the model was tuned on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"

namespace gist {

// ChatML, recognised from the model's own Jinja template. The default system
// message is the one that the template carries; without one, the system turn is
// left out.
class ChatTemplate {
 public:
  // `jinja`: tokenizer.chat_template of the model file. kUnimplemented: not
  // ChatML; the message shows the start of what was found.
  static absl::StatusOr<ChatTemplate> Recognise(std::string_view jinja,
                                                const Tokenizer& tokenizer);

  // The shared prefix: the system turn, up to the start of the user's text.
  const std::vector<int32_t>& prefix() const { return prefix_; }
  // "\n\n" + question, the end of the user's turn, the start of the
  // assistant's.
  absl::StatusOr<std::vector<int32_t>> Question(
      std::string_view question, const Tokenizer& tokenizer) const;
  // Ends an answer.
  int32_t end_of_turn() const { return end_of_turn_; }

 private:
  std::vector<int32_t> prefix_;
  std::vector<int32_t> suffix_;  // after the question
  int32_t end_of_turn_ = 0;
};

}  // namespace gist
