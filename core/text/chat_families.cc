#include "core/text/chat_families.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "core/base/quoted.h"
#include "core/base/status.h"
#include "core/text/template_texts.h"
#include "fmt/format.h"

namespace gist {
namespace {

using System = std::optional<std::string_view>;

constexpr std::string_view kNoThought = "<think>\n\n</think>\n";
// A prompt is read once and kept, so its date stands still: the day that
// SmolLM3 was released, for other templates too.
constexpr std::string_view kSmolLm3Date = "08 July 2025";
constexpr std::string_view kIsoDate = "2025-07-08";

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
    {"mistral-v7-tekken",
     R"({{ bos_token }}{% if system %}{{ '[SYSTEM_PROMPT]' + system + '[/SYSTEM_PROMPT]' }}{% endif %})"
     R"({{ '[INST]' + content + '[/INST]' }})"},
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
     R"(trained by Hugging Face.\n\n' }}{{ '<|im_end|>' }}{{ '<|im_start|>assistant\n' }})"},
    {"zephyr",
     R"({{ '<|system|>\n' + m.content + eos_token + '\n' }}{{ '<|user|>\n' + m.content + eos_token + '\n' }})"
     R"({{ '<|assistant|>\n' }})"}};

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

std::optional<ChatFrame> ChatMl(std::string_view jinja, System system) {
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

std::optional<ChatFrame> Llama3(std::string_view jinja, System system) {
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

std::optional<ChatFrame> Gemma(std::string_view, System system) {
  ChatFrame frame;
  frame.markers = {"<start_of_turn>", "<end_of_turn>"};
  frame.ends = {"<end_of_turn>", "<eos>"};
  frame.trims = true;
  frame.before = "<start_of_turn>user\n";
  if (system) frame.before.append(*system).append("\n\n");
  frame.after = "<end_of_turn>\n<start_of_turn>model\n";
  return frame;
}

std::optional<ChatFrame> Phi3(std::string_view jinja, System system) {
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
std::optional<ChatFrame> Instruct(std::string_view jinja, System system) {
  if (Has(jinja, "[SYSTEM_PROMPT]")) return std::nullopt;
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

// Mistral since its version 7: a system message has markers of its own.
std::optional<ChatFrame> Mistral7(std::string_view jinja, System system) {
  const TemplateTexts texts(jinja);
  // Each marker stands alone in its text, perhaps with a space.
  const auto marker = [&](std::string_view name) -> std::string_view {
    const std::string_view text = texts.With(name);
    return absl::StripAsciiWhitespace({text.data(), text.size()}) ==
                   absl::string_view(name.data(), name.size())
               ? text
               : "";
  };
  std::optional<std::string> message;
  if (system) {
    message = *system;
  } else if (Has(jinja, "default_system_message")) {
    message = AssignedText(jinja, "default_system_message", kIsoDate);
    if (!message) return std::nullopt;
  }
  ChatFrame frame;
  frame.markers = {"[INST]", "[/INST]"};
  if (message) {
    frame.markers.insert(frame.markers.end(),
                         {"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"});
    frame.before = fmt::format("{}{}{}", marker("[SYSTEM_PROMPT]"), *message,
                               marker("[/SYSTEM_PROMPT]"));
  }
  frame.before += marker("[INST]");
  frame.after = marker("[/INST]");
  frame.ends = {"</s>"};
  for (const char* name :
       {"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"}) {
    if (marker(name).empty()) return std::nullopt;
  }
  return frame;
}

bool IsContent(const std::string& term) {
  return term.ends_with("['content']") || term.ends_with("[\"content\"]") ||
         term.ends_with(".content");
}

// Zephyr, TinyLlama: roles in plain text, each message ends with eos.
std::optional<ChatFrame> Zephyr(std::string_view jinja, System system) {
  const std::vector<JinjaPrint> prints = JinjaPrints(jinja);
  // Behind {{ '<|role|>\n' + content + eos_token }}.
  const auto behind = [&](std::string_view role) -> std::optional<std::string> {
    for (const auto& [terms, line] : prints) {
      if (terms.size() < 3 || terms.size() > 4 || terms[0] != role ||
          !IsContent(terms[1]) || terms[2] != "eos_token") {
        continue;
      }
      if (terms.size() == 3) return line;
      if (terms[3].starts_with('\'')) return terms[3].substr(1) + line;
    }
    return std::nullopt;
  };
  const auto is_header = [](const JinjaPrint& print) {
    return print.terms.size() == 1 &&
           print.terms[0].starts_with("'<|assistant|>");
  };
  const auto header = std::ranges::find_if(prints, is_header);
  const auto user = behind("'<|user|>\n"), own = behind("'<|system|>\n");
  if (!user || header == prints.end() || (system && !own)) return std::nullopt;
  ChatFrame frame;
  frame.eos_mark = "</s>";
  frame.ends = {"</s>", "<|endoftext|>"};
  if (system) {
    frame.before = fmt::format("<|system|>\n{}</s>{}", *system, *own);
  }
  frame.before += "<|user|>\n";
  frame.after = fmt::format("</s>{}{}{}", *user, header->terms[0].substr(1),
                            header->behind);
  return frame;
}

struct ChatFamily {
  std::string_view all_of[2];  // what a template of the family has
  // nullopt: it is none of them after all.
  std::optional<ChatFrame> (*frame)(std::string_view jinja, System system);
};

constexpr ChatFamily kFamilies[] = {
    {{"<|im_start|>assistant\n", "<|im_end|>"}, ChatMl},
    {{"<|start_header_id|>", "<|eot_id|>"}, Llama3},
    {{"<start_of_turn>model\n", "<end_of_turn>"}, Gemma},
    {{"<|end|>", "<|assistant|>"}, Phi3},
    {{"[/SYSTEM_PROMPT]", "[/INST]"}, Mistral7},
    {{"[INST]", "[/INST]"}, Instruct},
    {{"<|user|>\n", "<|assistant|>"}, Zephyr}};

// Harmony: its answers come in channels.
bool IsOutside(std::string_view text) { return Has(text, "<|channel|>"); }

bool HasNoSystem(std::string_view text) {
  return !Has(text, "[SYSTEM_PROMPT]") &&
         (Has(text, "System role not supported") ||
          Has(text, "Only user and assistant roles are supported!"));
}

}  // namespace

absl::StatusOr<ChatFrame> FrameOf(std::string_view jinja, System system) {
  const std::string text = Unescaped(jinja);
  for (const ChatFamily& family : kFamilies) {
    if (IsOutside(text) || !Has(text, family.all_of[0]) ||
        !Has(text, family.all_of[1])) {
      continue;
    }
    std::optional<ChatFrame> frame = family.frame(jinja, system);
    if (!frame) continue;
    if (system && HasNoSystem(text)) {
      return absl::InvalidArgumentError(
          "chat template: it has no place for a system message");
    }
    frame->writes_bos = Has(text, "bos_token");
    return *std::move(frame);
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
