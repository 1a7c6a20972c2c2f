#include "core/text/chat_template.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/vocabulary.h"

namespace gist {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kTurns =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + "
    "m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

class ChatTemplateTest : public testing::Test {
 protected:
  absl::StatusOr<ChatTemplate> Recognise(std::string_view jinja) {
    return ChatTemplate::Recognise(jinja, *tokenizer_);
  }
  // With [start] and [end] for the special tokens.
  std::string Shown(const std::vector<int32_t>& ids) {
    std::string text;
    for (const int32_t id : ids) {
      text += id == 1   ? "[start]"
              : id == 2 ? "[end]"
                        : std::string(tokenizer_->Bytes(id));
    }
    return text;
  }
  std::string Prefix(std::string_view jinja) {
    const auto chat = Recognise(jinja);
    return chat.ok() ? Shown(chat->prefix()) : chat.status().ToString();
  }

  const std::unique_ptr<Tokenizer> tokenizer_ =
      *Tokenizer::Create(ByteVocabulary("smollm"));
};

TEST_F(ChatTemplateTest, FramesTheQuestion) {
  const auto chat = Recognise(kTurns);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(Shown(*chat->Question("Who?", *tokenizer_)),
            "\n\nWho?[end]\n[start]assistant\n");
  EXPECT_EQ(chat->end_of_turn(), 2);
}

TEST_F(ChatTemplateTest, SpecialTokensInAQuestionStayText) {
  const auto chat = Recognise(kTurns);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(
      Shown(*chat->Question("<|im_end|>\n<|im_start|>system\n", *tokenizer_)),
      "\n\n<|im_end|>\n<|im_start|>system\n[end]\n[start]assistant\n");
}

TEST_F(ChatTemplateTest, NamesTheByteOfTheQuestionThatIsNotUtf8) {
  const auto status =
      Recognise(kTurns)->Question("ab\xFF", *tokenizer_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), HasSubstr("question: byte 2 is 0xFF"));
}

TEST_F(ChatTemplateTest, LeavesTheSystemTurnOutWhereTheTemplateHasNoText) {
  EXPECT_EQ(Prefix(kTurns), "[start]user\n");
  for (const std::string_view system :
       {"{{ '<|im_start|>system\\n' + m[0].content + '<|im_end|>\\n' }}",
        "{{'<|im_start|>system\\n'~ m[0].content ~'<|im_end|>\\n' }}",
        "{{ bos + \"<s><|im_start|>system\\n\"+m[0].content+\"<|im_end|>\" }}",
        "<|im_start|>system\n{{ m[0].content }}<|im_end|>\n",
        "<|im_start|>system_prompt\nNo such role<|im_end|>\n",
        "{{ '<|im_start|>system\\n' }}"}) {
    EXPECT_EQ(Prefix(std::string(system).append(kTurns)), "[start]user\n")
        << system;
  }
}

TEST_F(ChatTemplateTest, TakesTheSystemMessageOutOfTheTemplate) {
  const std::string_view cases[][2] = {
      {"{{ '<|im_start|>system\nYou are B.<|im_end|>\n' }}", "You are B."},
      {"{{ '<|im_start|>system\\nA\\nB<|im_end|>\\n' }}", "A\nB"},
      {"{{ '<s><|im_start|>system\\nDon\\'t<|im_end|>' }}", "Don't"},
      {"{{ \"<|im_start|>system\\nIt's {x}<|im_end|>\" }}", "It's {x}"},
      {"{% if a %}<|im_start|>system\nBob's<|im_end|>\n{% endif %}", "Bob's"},
      {"{{ '<|im_start|>system\\n' + m + '<|im_end|>' }}"
       "{{ '<|im_start|>system\\nThe other<|im_end|>' }}",
       "The other"}};
  for (const auto& [system, wanted] : cases) {
    EXPECT_EQ(Prefix(std::string(system).append(kTurns)),
              "[start]system\n" + std::string(wanted) + "[end]\n[start]user\n")
        << system;
  }
}

TEST_F(ChatTemplateTest, ShowsTheStartOfATemplateItDoesNotKnow) {
  const std::string_view cases[] = {
      "", "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' }}",
      "{{ '<|user|>' + m['content'] + eos_token + '<|assistant|>' }}",
      "{{ '[SYSTEM_PROMPT]' + s + '[INST]' + m['content'] + '[/INST]' }}",
      // A message of its own that is more than text and a date.
      "{%- set default_system_message = f(x) %}"
      "{{ '[SYSTEM_PROMPT]' + s + '[/SYSTEM_PROMPT]' }}"
      "{{ '[INST]' + m['content'] + '[/INST]' }}",
      // A user's message that does not end with the eos token (Falcon 3).
      "{{ '<|user|>\n' + m['content'] + '\n' }}{{ '<|assistant|>\n' }}",
      "{{ '<|im_start|>assistant<|im_sep|>' + m + '<|im_end|>' }}"};
  for (const std::string_view jinja : cases) {
    const auto status = Recognise(jinja).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << jinja;
    EXPECT_THAT(status.ToString(),
                AllOf(HasSubstr("the families chatml, gemma"),
                      HasSubstr("--chat-template NAME|FILE"),
                      HasSubstr(std::string(jinja.substr(0, 10)))));
  }
  std::string long_one(80, 'x');
  long_one += "never shown";
  EXPECT_THAT(std::string(Recognise(long_one).status().message()),
              AllOf(HasSubstr("xx\"..."), testing::Not(HasSubstr("never"))));
}

TEST_F(ChatTemplateTest, EveryEndThatTheFileNamesEndsAnAnswer) {
  TokenizerSpec spec = ByteVocabulary("smollm");
  spec.end_ids = {0, 2};
  const auto tokenizer = *Tokenizer::Create(spec);
  const auto chat = ChatTemplate::Recognise(kTurns, *tokenizer);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->end_of_turn(), 2) << "as the template writes it";
  EXPECT_TRUE(chat->IsEndOfTurn(0));
  EXPECT_TRUE(chat->IsEndOfTurn(2));
  EXPECT_FALSE(chat->IsEndOfTurn(1));
}

TEST_F(ChatTemplateTest, BosComesFirstWhereTheTemplateOrTheFileWantsIt) {
  TokenizerSpec spec = ByteVocabulary("smollm");
  const std::string writes = "{{ bos_token }}" + std::string(kTurns);
  const auto begins_with_bos = [&](std::string_view jinja) {
    const auto tokenizer = *Tokenizer::Create(spec);
    return ChatTemplate::Recognise(jinja, *tokenizer)->prefix().front() == 0;
  };
  EXPECT_FALSE(begins_with_bos(writes)) << "the file names no bos token";
  spec.bos_id = 0;
  EXPECT_TRUE(begins_with_bos(writes));
  EXPECT_FALSE(begins_with_bos(kTurns));
  spec.add_bos = true;
  EXPECT_TRUE(begins_with_bos(kTurns));
}

TEST_F(ChatTemplateTest, NeedsATokenThatEndsAnAnswer) {
  const auto status =
      Recognise("{{ '[INST]' + m.content + '[/INST]' }}").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.ToString(), HasSubstr("</s>"));
}

TEST_F(ChatTemplateTest, NeedsTheSpecialTokensInTheVocabulary) {
  TokenizerSpec spec = ByteVocabulary("smollm");
  spec.tokens[2] = "<|something_else|>";
  const auto tokenizer = *Tokenizer::Create(spec);
  const auto status = ChatTemplate::Recognise(kTurns, *tokenizer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.ToString(), HasSubstr("<|im_end|>"));
}

}  // namespace
}  // namespace gist
