// What a model reads in front of questions and of passages.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/embed/encoder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/embed/encoder_golden.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr char kTiny[] = "tests/data/embed/tiny";

class EncoderPromptsTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy(kTiny, folder_, fs::copy_options::recursive);
    plain_ = Load();
  }

  // With this file beside the model.
  std::unique_ptr<SentenceEncoder> Load(const std::string& config = "") {
    if (!config.empty()) Write(config);
    auto encoder = SentenceEncoder::Load(folder_.string());
    EXPECT_THAT(encoder, IsOk());
    return encoder.ok() ? *std::move(encoder) : nullptr;
  }
  void Write(const std::string& config) const {
    std::ofstream(folder_ / "config_sentence_transformers.json") << config;
  }
  static std::vector<float> Encode(const SentenceEncoder& encoder,
                                   std::string_view text, TextKind kind) {
    auto row = encoder.Encode({&text, 1}, kind);
    EXPECT_THAT(row, IsOk());
    return row.ok() ? *std::move(row) : std::vector<float>();
  }
  void ExpectReads(const SentenceEncoder& encoder, TextKind kind,
                   const std::string& prompt) const {
    for (const std::string text : {"The cat sits outside.", "", "비밀번호"}) {
      EXPECT_EQ(Encode(encoder, text, kind),
                Encode(*plain_, prompt + text, TextKind::kPassage))
          << prompt << text;
    }
  }

  const TempDir temp_;
  const fs::path folder_ = temp_ / "model";
  std::unique_ptr<SentenceEncoder> plain_;
};

TEST_F(EncoderPromptsTest, StandInFrontOfTheText) {
  const auto encoder =
      Load(R"({"prompts": {"query": "query: ", "document": "passage: "}})");
  ASSERT_NE(encoder, nullptr);
  ExpectReads(*encoder, TextKind::kQuery, "query: ");
  ExpectReads(*encoder, TextKind::kPassage, "passage: ");
}

TEST_F(EncoderPromptsTest, NoneIsTheModelAlone) {
  const auto encoder = Load(R"({"prompts": {"query": "", "document": ""}})");
  ASSERT_NE(encoder, nullptr);
  ExpectReads(*encoder, TextKind::kQuery, "");
  ExpectReads(*encoder, TextKind::kPassage, "");
  EXPECT_EQ(encoder->fingerprint(), plain_->fingerprint());
  EXPECT_EQ(encoder->max_text_tokens(), plain_->max_text_tokens());
}

TEST_F(EncoderPromptsTest, GoByTheirOtherNamesAndTheDefault) {
  const auto named =
      Load(R"({"prompts": {"corpus": "p: ", "passage": "w: "}})");
  ASSERT_NE(named, nullptr);
  ExpectReads(*named, TextKind::kQuery, "");
  ExpectReads(*named, TextKind::kPassage, "w: ");
  const auto by_default = Load(
      R"({"prompts": {"query": "q: ", "all": "a: "}, "default_prompt_name": "all"})");
  ASSERT_NE(by_default, nullptr);
  ExpectReads(*by_default, TextKind::kQuery, "q: ");
  ExpectReads(*by_default, TextKind::kPassage, "a: ");
}

TEST_F(EncoderPromptsTest, LeaveLessRoomForTheText) {
  const auto encoder = Load(R"({"prompts": {"query": "a. b. c. "}})");
  ASSERT_NE(encoder, nullptr);
  const auto prompt = plain_->tokenizer().Encode("a. b. c. ");
  EXPECT_EQ(encoder->max_text_tokens() + int(prompt->size()),
            plain_->max_text_tokens());
}

TEST_F(EncoderPromptsTest, AnotherPromptIsAnotherFingerprint) {
  const auto a = Load(R"({"prompts": {"query": "q: ", "document": "p: "}})");
  const auto b = Load(R"({"prompts": {"query": "p: ", "document": "q: "}})");
  ASSERT_NE(a, nullptr);
  ASSERT_NE(b, nullptr);
  EXPECT_NE(a->fingerprint(), b->fingerprint());
  EXPECT_NE(a->fingerprint(), plain_->fingerprint());
}

TEST_F(EncoderPromptsTest, AreNamedWhenATextIsBroken) {
  const auto encoder = Load(R"({"prompts": {"query": "q: "}})");
  ASSERT_NE(encoder, nullptr);
  const std::string_view text = "b\xFF";
  EXPECT_THAT(encoder->Encode({&text, 1}, TextKind::kQuery),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("text 0 of 1, behind \"q: \": text: byte 4")));
}

TEST_F(EncoderPromptsTest, AreRefusedWhereTheyCannotBeRead) {
  const auto refused = [this](const std::string& config) {
    Write(config);
    return SentenceEncoder::Load(folder_.string());
  };
  EXPECT_THAT(
      refused(R"({"prompts": {"query": 7}})"),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("want a text for each")));
  EXPECT_THAT(refused(R"({"prompts": "query: "})"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("prompts is")));
  std::string words;
  for (int i = 0; i < 30; ++i) words += ". ";
  EXPECT_THAT(refused(R"({"prompts": {"query": ")" + words + R"("}})"),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("a prompt has 30 tokens, want at most 21")));
}

TEST_F(EncoderPromptsTest, MustBePooledToo) {
  Write(R"({"prompts": {"query": "q: "}})");
  std::ofstream(folder_ / "1_Pooling/config.json")
      << R"({"pooling_mode_mean_tokens": true, "include_prompt": false})";
  EXPECT_THAT(
      SentenceEncoder::Load(folder_.string()),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("include_prompt")));
}

}  // namespace
}  // namespace gist
