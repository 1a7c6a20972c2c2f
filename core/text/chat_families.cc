#include "core/text/chat_families.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "fmt/format.h"

namespace gist {
namespace {

using System = std::optional<std::string_view>;

constexpr std::string_view kNoThought = "<think>\n\n</think>\n";
// A prompt is read once and kept, so its date stands still: the day that
// SmolLM3 was released.
constexpr std::string_view kSmolLm3Date = "08 July 2025";

constexpr std::pair<std::string_view, std::string_view> kNamed[] = {
    {"chatml",
     R"({% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }})"
     R"({% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})"},
    {"gemma",
     R"({{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + m.role + '\n' }})"
     R"({{ first_user_prefix }}{{ m.content | trim + '<end_of_turn>\n' }}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %})"},
    {"llama2",
     R"({{ bos_token + '[INST] ' }}{% if system %}{{ '<<SYS>>\n' + system + '\n<</SYS>>\n\n' }})"
     R"({% endif %}{{ content.strip() + ' [/INST]' }})"},
    {"llama3",
     R"({{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + )"
     R"('<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %})"
     R"({{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }})"},
    {"mistral",
     R"({{ bos_token + '[INST] ' + system_message + '\n\n' + content + '[/INST]' }})"},
    {"phi3",
     R"({% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %})"
     R"({{ '<|assistant|>\n' }}{# <|user|> <|system|> #})"},
    {"qwen3",
     R"({% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }})"
     R"({% endfor %}{{ '<|im_start|>assistant\n' }}{% if enable_thinking is false %})"
     R"({{ '<think>\n\n</think>\n\n' }}{% endif %})"},
    {"smollm3",
     R"({{ '<|im_start|>system\n' }}{{ '## Metadata\n\n' }}{{ 'Knowledge Cutoff Date: June 2025\n' }})"
     R"({{ 'Today Date: ' ~ today ~ '\n' }}{{ 'Reasoning Mode: ' + reasoning_mode + '\n\n' }})"
     R"({{ '## Custom Instructions\n\n' }}{{ 'You are a helpful AI assistant named SmolLM, )"
     R"(trained by Hugging Face.\n\n' }}{{ '<|im_end|>' }}{{ '<|im_start|>assistant\n' }})"}};

// Jinja's string literals may spell a newline or a quote as an escape.
std::string Unescaped(std::string_view jinja) {
  return absl::StrReplaceAll({jinja.data(), jinja.size()},
                             {{"\\n", "\n"}, {"\\'", "'"}, {"\\\"", "\""}});
}

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

// What a template may write: its string literals, and its text outside of {}.
class TemplateTexts {
 public:
  explicit TemplateTexts(std::string_view jinja) : jinja_(jinja) {
    while (at_ < jinja_.size()) {
      const size_t open = FindBrace();
      Add(jinja_.substr(at_, open - at_));
      at_ = open;
      if (at_ < jinja_.size()) ReadBlock();
    }
  }

  // The first text with `part`; empty: there is none.
  std::string_view With(std::string_view part) const {
    for (const std::string& text : texts_) {
      if (Has(text, part)) return text;
    }
    return {};
  }
  // Between `begin` and `end`, of the first text with both.
  std::optional<std::string> Between(std::string_view begin,
                                     std::string_view end) const {
    for (const std::string_view text : texts_) {
      const size_t at = text.find(begin);
      if (at == text.npos) continue;
      const std::string_view rest = text.substr(at + begin.size());
      if (Has(rest, end)) return std::string(rest.substr(0, rest.find(end)));
    }
    return std::nullopt;
  }

 private:
  void Add(std::string_view text) {
    if (!text.empty()) texts_.push_back(Unescaped(text));
  }

  size_t FindBrace() const {
    size_t at = at_;
    while ((at = jinja_.find('{', at)) != jinja_.npos) {
      const char next = at + 1 < jinja_.size() ? jinja_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
      ++at;
    }
    return jinja_.size();
  }

  // {{ }}, {% %} or {# #} at at_.
  void ReadBlock() {
    const char kind = jinja_[at_ + 1];
    const char close[] = {kind == '{' ? '}' : kind, '}', '\0'};
    at_ += 2;
    while (at_ < jinja_.size() && !jinja_.substr(at_).starts_with(close)) {
      const char c = jinja_[at_++];
      if (kind != '#' && (c == '\'' || c == '"')) ReadLiteral(c);
    }
    at_ = std::min(at_ + 2, jinja_.size());
  }

  void ReadLiteral(char quote) {
    const size_t begin = at_;
    while (at_ < jinja_.size() && jinja_[at_] != quote) {
      at_ += jinja_[at_] == '\\' ? 2 : 1;
    }
    at_ = std::min(at_, jinja_.size());
    Add(jinja_.substr(begin, at_ - begin));
    ++at_;
  }

  const std::string_view jinja_;
  size_t at_ = 0;
  std::vector<std::string> texts_;
};

std::string SmolLm3Header(const TemplateTexts& texts, System system) {
  const std::string_view cutoff = texts.With("Knowledge Cutoff Date: ");
  std::string_view instructions = "You are a helpful AI assistant named SmolLM";
  instructions = texts.With(instructions);
  std::string own;
  if (system) {
    own = absl::StrReplaceAll({system->data(), system->size()},
                              {{"/no_think", ""}, {"/think", ""}});
    absl::StripTrailingAsciiWhitespace(&own);
    own += "\n\n";
    instructions = own;
  }
  // The longer of the template's two instructions is that of thinking.
  if (Has(instructions, "<think>")) {
    instructions =
        "You are a helpful AI assistant named SmolLM, trained by Hugging "
        "Face.\n\n";
  }
  return fmt::format(
      "<|im_start|>system\n## Metadata\n\n{}Today Date: {}\n"
      "Reasoning Mode: /no_think\n\n## Custom Instructions\n\n{}",
      cutoff, kSmolLm3Date, instructions);
}

ChatFrame ChatMl(std::string_view jinja, System system) {
  const TemplateTexts texts(jinja);
  ChatFrame frame;
  frame.markers = {"<|im_start|>", "<|im_end|>"};
  frame.ends = {"<|im_end|>"};
  frame.after = "<|im_end|>\n<|im_start|>assistant\n";
  if (!texts.With("Reasoning Mode: ").empty()) {
    frame.before = SmolLm3Header(texts, system);
    frame.after += kNoThought;
  } else {
    std::optional<std::string> own =
        texts.Between("<|im_start|>system\n", "<|im_end|>");
    if (system) own = std::string(*system);
    if (own) {
      frame.before = fmt::format("<|im_start|>system\n{}<|im_end|>\n", *own);
    }
    if (Has(jinja, "enable_thinking") &&
        !texts.With("<think>\n\n</think>\n\n").empty()) {
      frame.after.append(kNoThought).append("\n");
    }
  }
  frame.before += "<|im_start|>user\n";
  return frame;
}

ChatFrame Llama3(std::string_view jinja, System system) {
  const TemplateTexts texts(jinja);
  ChatFrame frame;
  frame.markers = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
  frame.ends = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"};
  frame.trims = true;
  std::string message;
  const std::string_view cutoff = texts.With("Cutting Knowledge Date: ");
  if (!cutoff.empty()) {  // since 3.1
    message = fmt::format("{}Today Date: 26 Jul 2024\n\n", cutoff);
  }
  if (system) {
    std::string trimmed(*system);
    absl::StripAsciiWhitespace(&trimmed);
    message += trimmed;
  }
  if (system || !cutoff.empty()) {
    frame.before = fmt::format(
        "<|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|>", message);
  }
  frame.before += "<|start_header_id|>user<|end_header_id|>\n\n";
  frame.after = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
  return frame;
}

ChatFrame Gemma(std::string_view, System system) {
  ChatFrame frame;
  frame.markers = {"<start_of_turn>", "<end_of_turn>"};
  frame.ends = {"<end_of_turn>", "<eos>"};
  frame.trims = true;
  frame.before = "<start_of_turn>user\n";
  if (system) frame.before.append(*system).append("\n\n");
  frame.after = "<end_of_turn>\n<start_of_turn>model\n";
  return frame;
}

ChatFrame Phi3(std::string_view jinja, System system) {
  const std::string text = Unescaped(jinja);
  // Phi-4-mini writes no newlines.
  const bool lines = Has(text, "<|assistant|>\n") || Has(text, "|>' + '\n'");
  const std::string_view line = lines ? "\n" : "";
  ChatFrame frame;
  frame.markers = {"<|user|>", "<|end|>", "<|assistant|>"};
  frame.ends = {"<|end|>", "<|endoftext|>"};
  frame.markers_take_space = true;
  if (system) {
    frame.before = fmt::format("<|system|>{0}{1}<|end|>{0}", line, *system);
  }
  frame.before += fmt::format("<|user|>{}", line);
  frame.after = fmt::format("<|end|>{0}<|assistant|>{0}", line);
  return frame;
}

// Llama 2, Mistral: the spaces around [INST] differ from file to file.
ChatFrame Instruct(std::string_view jinja, System system) {
  const TemplateTexts texts(jinja);
  ChatFrame frame;
  frame.before = texts.With("[INST]");
  frame.after = texts.With("[/INST]");
  frame.ends = {"</s>"};
  const bool is_llama2 = Has(jinja, "<<SYS>>");
  frame.trims = is_llama2;
  if (!system) return frame;
  frame.before += is_llama2 ? fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n", *system)
                            : fmt::format("{}\n\n", *system);
  return frame;
}

struct ChatFamily {
  std::string_view all_of[2];  // what a template of the family has
  ChatFrame (*frame)(std::string_view jinja, System system);
};

constexpr ChatFamily kFamilies[] = {
    {{"<|im_start|>assistant\n", "<|im_end|>"}, ChatMl},
    {{"<|start_header_id|>", "<|eot_id|>"}, Llama3},
    {{"<start_of_turn>model\n", "<end_of_turn>"}, Gemma},
    {{"<|end|>", "<|assistant|>"}, Phi3},
    {{"[INST]", "[/INST]"}, Instruct}};

// Its system message is the template's own program.
bool IsOutside(std::string_view text) {
  return Has(text, "[SYSTEM_PROMPT]") || Has(text, "<|channel|>");
}

}  // namespace

absl::StatusOr<ChatFrame> FrameOf(std::string_view jinja, System system) {
  const std::string text = Unescaped(jinja);
  for (const ChatFamily& family : kFamilies) {
    if (IsOutside(text) || !Has(text, family.all_of[0]) ||
        !Has(text, family.all_of[1])) {
      continue;
    }
    if (system && (Has(text, "System role not supported") ||
                   Has(text, "Only user and assistant roles are supported!"))) {
      return absl::InvalidArgumentError(
          "chat template: it has no place for a system message");
    }
    ChatFrame frame = family.frame(jinja, system);
    frame.writes_bos = Has(text, "bos_token");
    return frame;
  }
  return absl::UnimplementedError(fmt::format(
      "chat template: found {}, supported are the families {}; give another "
      "one with --chat-template NAME|FILE",
      Quoted(jinja), TemplateNames()));
}

std::optional<std::string_view> TemplateNamed(std::string_view name) {
  for (const auto& [known, jinja] : kNamed) {
    if (known == name) return jinja;
  }
  return std::nullopt;
}

std::string TemplateNames() {
  std::string names;
  for (const auto& [name, jinja] : kNamed) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  return names;
}

}  // namespace gist
