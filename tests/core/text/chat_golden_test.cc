// One turn of each family of chat templates against transformers'
// apply_chat_template (tests/reference/make_chat_golden.py).
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/chat_families.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_files.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

Json ReadJson(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

// The vocabulary of a case, with the family's special tokens behind.
TokenizerSpec SpecOf(const Json& golden) {
  const Json words =
      ReadJson(fmt::format("tests/data/pre_tokenizers/{}.json",
                           golden["tokenizer"].get<std::string>()));
  TokenizerSpec spec = *FromTokenizerJson(words["tokenizer"].dump());
  spec.bos_id.reset();
  spec.add_bos = false;
  const auto id_of = [&](const std::string& token) {
    const auto at = std::ranges::find(spec.tokens, token);
    return static_cast<int32_t>(at - spec.tokens.begin());
  };
  for (const std::string token : golden["special"]) {
    int32_t id = id_of(token);
    if (id == int32_t(spec.tokens.size())) {
      spec.tokens.push_back(token);
      spec.token_types.push_back(3);
    }
    spec.token_types[id] = 3;
    if (golden["rstrip"]) spec.space_around[id].strip_right = true;
  }
  if (!golden["bos"].is_null()) spec.bos_id = id_of(golden["bos"]);
  return spec;
}

class ChatGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  static inline const Json all_ = ReadJson("tests/data/chat.json");
  const Json& golden_ = all_[GetParam()];

  // All of the prompt.
  static Ids Prompt(const ChatTemplate& chat, const Tokenizer& tokenizer) {
    const std::string user = all_["user"];
    const size_t blank = user.find("\n\n");
    Ids ids = chat.prefix();
    for (const auto& part :
         {*chat.Document(user.substr(0, blank), tokenizer),
          *chat.Question(user.substr(blank + 2), tokenizer)}) {
      ids.insert(ids.end(), part.begin(), part.end());
    }
    return ids;
  }

  static std::string Shown(const Ids& ids, const TokenizerSpec& spec,
                           const Tokenizer& tokenizer) {
    std::string text;
    for (const int32_t id : ids) {
      text += spec.token_types[id] == 3 ? spec.tokens[id]
                                        : std::string(tokenizer.Bytes(id));
    }
    return text;
  }
};

TEST_P(ChatGoldenTest, EqualsTransformersWithAndWithoutASystemMessage) {
  const TokenizerSpec spec = SpecOf(golden_);
  const auto tokenizer = *Tokenizer::Create(spec);
  const std::string jinja = golden_["template"], system = all_["system"];
  for (const bool has_system : {false, true}) {
    const Json& wanted = golden_[has_system ? "system" : "plain"];
    SCOPED_TRACE(has_system ? "with a system message" : "without");
    const auto chat = ChatTemplate::Recognise(
        jinja, *tokenizer,
        has_system ? std::optional<std::string_view>(system) : std::nullopt);
    if (wanted.is_null()) {
      EXPECT_EQ(chat.status().code(), absl::StatusCode::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(chat.ok()) << chat.status();
    const Ids ids = Prompt(*chat, *tokenizer);
    EXPECT_EQ(ids, wanted["ids"].get<Ids>())
        << Shown(ids, spec, *tokenizer) << "\nwanted\n"
        << wanted["text"].get<std::string>();
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ChatGoldenTest,
    testing::Values("chatml", "qwen2.5", "qwen3", "smollm3", "llama3",
                    "llama3.1", "llama2", "mistral-0.1", "mistral-0.2",
                    "mistral-0.3", "mistral-nemo", "mistral-large-2411",
                    "mistral-v7-tekken", "mistral-small-3", "zephyr",
                    "zephyr-tight", "gemma2", "gemma3", "phi3", "phi4-mini"),
    [](const auto& test) {
      std::string name = test.param;
      for (char& c : name) c = std::isalnum(c) ? c : '_';
      return name;
    });

// A name gives what the template of its family gives.
TEST(ChatNamesTest, NamesGiveTheFamiliesFrames) {
  const Json all = ReadJson("tests/data/chat.json");
  const std::pair<const char*, const char*> names[] = {
      {"chatml", "chatml"},       {"gemma", "gemma3"},
      {"llama2", "llama2"},       {"llama3", "llama3"},
      {"mistral", "mistral-0.3"}, {"mistral-v7-tekken", "mistral-v7-tekken"},
      {"zephyr", "zephyr"},       {"phi3", "phi3"},
      {"qwen3", "qwen3"},         {"smollm3", "smollm3"}};
  EXPECT_EQ(std::ranges::count(TemplateNames(), ',') + 1, std::size(names));
  for (const auto& [name, known] : names) {
    ASSERT_TRUE(TemplateNamed(name).has_value()) << name;
    for (const std::optional<std::string_view> system :
         {std::optional<std::string_view>(), {"Be brief."}}) {
      const auto frame = FrameOf(*TemplateNamed(name), system);
      const auto wanted =
          FrameOf(all[known]["template"].get<std::string>(), system);
      ASSERT_TRUE(frame.ok()) << name << frame.status();
      EXPECT_EQ(frame->before, wanted->before) << name;
      EXPECT_EQ(frame->after, wanted->after) << name;
      EXPECT_EQ(frame->writes_bos, wanted->writes_bos) << name;
      EXPECT_EQ(frame->trims, wanted->trims) << name;
    }
  }
  EXPECT_FALSE(TemplateNamed("ChatML").has_value());
}

}  // namespace
}  // namespace gist
