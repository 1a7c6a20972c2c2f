// The families of chat templates: what a template writes around a user's text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

// A prompt of one turn: bos, `before`, the user's text, `after`, the answer.
struct ChatFrame {
  bool writes_bos = false;  // does the template begin with the bos token?
  std::string before, after;
  bool trims = false;  // white space behind the user's text goes
  // The markers take the white space behind them where the tokenizer puts a
  // space in front of a text (Phi-3).
  bool markers_take_space = false;
  std::vector<std::string_view> markers;  // special tokens that it needs
  std::vector<std::string_view> ends;     // tokens that end an answer, if known
  // Not empty: in `before` and `after` it stands for the first of `ends` that
  // the vocabulary has.
  std::string_view eos_mark;
};

// The frame of a Jinja template, by what transformers' apply_chat_template
// makes of it with add_generation_prompt, enable_thinking=False and the date
// that the template has for its default, else 8 July 2025. `system`: the system
// message; none: the template's own. kUnimplemented: of none of the families;
// the message names them and shows the start of what was found.
// kInvalidArgument: a system message for a template that refuses one.
absl::StatusOr<ChatFrame> FrameOf(std::string_view jinja,
                                  std::optional<std::string_view> system);

// A short template of the family `name`; nullopt: no such family.
std::optional<std::string_view> TemplateNamed(std::string_view name);
// All names, with commas between.
std::string TemplateNames();

}  // namespace gist
