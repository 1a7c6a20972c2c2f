#include "core/text/tokenizer_files.h"

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Golden(const std::string& name) {
  std::ifstream file("tests/data/pre_tokenizers/" + name + ".json");
  return Json::parse(file)["tokenizer"];
}

TEST(TokenizerFilesTest, ReadsAddedTokensAndBos) {
  const auto spec = FromTokenizerJson(Golden("llama-bpe").dump());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->kind, TokenizerKind::kByteLevel);
  EXPECT_TRUE(spec->ignore_merges);
  EXPECT_EQ(spec->bos_id, 0);
  EXPECT_EQ(spec->add_bos, true);
  EXPECT_EQ(spec->token_types[1], 3) << "<|im_start|> is special";
  EXPECT_EQ(spec->tokens.back(), "한국");
  EXPECT_EQ(spec->token_types.back(), 4) << "not special";
}

TEST(TokenizerFilesTest, ReadsSentencePiece) {
  const auto spec = FromTokenizerJson(Golden("llama2").dump());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->kind, TokenizerKind::kSentencePiece);
  EXPECT_EQ(spec->unknown_id, 0);
  EXPECT_EQ(spec->token_types[3], 6) << spec->tokens[3];
  const auto tokenizer = Tokenizer::Create(*spec);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE((*tokenizer)->adds_space_prefix());
  const auto ids = *(*tokenizer)->Encode("the \U0001F600\n");
  std::string text;
  for (const int32_t id : ids) text += (*tokenizer)->Bytes(id);
  EXPECT_EQ(text, " the \U0001F600\n");
  const auto goes_on =
      *(*tokenizer)->Encode("\x01", {.begin = TextBegin::kBehindText});
  EXPECT_THAT(goes_on, ElementsAre(3 + 1));
}

TEST(TokenizerFilesTest, TemplatesHaveSpecialTokensTextsHaveNot) {
  Json file = Golden("qwen2");
  file["added_tokens"][1]["rstrip"] = true;
  const auto tokenizer = *Tokenizer::Create(*FromTokenizerJson(file.dump()));
  const int32_t start = *tokenizer->SpecialId("<|im_start|>");
  const int32_t end = *tokenizer->SpecialId("<|im_end|>");
  EXPECT_THAT(
      *tokenizer->Encode("<|im_start|>\n <|im_end|>", {.special = true}),
      ElementsAre(start, end));
  EXPECT_THAT(*tokenizer->Encode("<|im_start|>"),
              testing::Not(testing::Contains(start)));
  EXPECT_THAT(*tokenizer->Encode("<think>"),
              ElementsAre(*tokenizer->SpecialId("<think>")));
}

TEST(TokenizerFilesTest, NamesWhatItDoesNotSupport) {
  struct Case {
    std::function<void(Json*)> change;
    absl::StatusCode code;
    std::string wanted;
  };
  using absl::StatusCode;
  const Case cases[] = {
      {[](Json* f) { (*f)["model"]["type"] = "Unigram"; },
       StatusCode::kUnimplemented, "Unigram"},
      {[](Json* f) { (*f)["model"]["end_of_word_suffix"] = "</w>"; },
       StatusCode::kUnimplemented, "end_of_word_suffix"},
      {[](Json* f) {
         (*f)["normalizer"] = {{"type", "Lowercase"}};
       },
       StatusCode::kUnimplemented, "Lowercase"},
      {[](Json* f) {
         (*f)["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
       },
       StatusCode::kUnimplemented, "BertPreTokenizer"},
      {[](Json* f) { (*f)["added_tokens"][0]["id"] = 1u << 30; },
       StatusCode::kDataLoss, "want 0 to"},
      {[](Json* f) { (*f)["model"]["vocab"]["!"] = -1; }, StatusCode::kDataLoss,
       "the id of \"!\""},
      {[](Json* f) { (*f)["model"]["vocab"]["!"] = 7; }, StatusCode::kDataLoss,
       "one for each token"},
      {[](Json* f) { (*f)["model"]["merges"][0] = 5; }, StatusCode::kDataLoss,
       "a merge is \"5\""},
      {[](Json* f) { (*f)["model"] = nullptr; }, StatusCode::kDataLoss,
       "model.vocab"},
      {[](Json* f) { (*f)["model"]["unk_token"] = "<none>"; },
       StatusCode::kDataLoss, "unk_token"}};
  for (const auto& [change, code, wanted] : cases) {
    Json file = Golden("qwen2");
    change(&file);
    const auto status = FromTokenizerJson(file.dump()).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(status.ToString(), HasSubstr(wanted));
  }
  EXPECT_FALSE(FromTokenizerJson("[]").ok());
  EXPECT_FALSE(FromTokenizerJson("{").ok());
  const std::string deep = std::string(1000, '[') + std::string(1000, ']');
  EXPECT_THAT(FromTokenizerJson(deep).status().ToString(), HasSubstr("64 levels"));
}

}  // namespace
}  // namespace gist
