#include "core/model/model_file.h"

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/format/gguf.h"
#include "core/text/tokenizer_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/core/format/gguf_writer.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Values = std::map<std::string, GgufValue>;

constexpr char kText[] = "Jun-ho  signed\n\uD55C\uAD6D \U0001F600.";

Json Golden() {
  std::ifstream file("tests/data/pre_tokenizers/llama2.json");
  return Json::parse(file);
}

// Llama 2's kind of vocabulary as a GGUF file has it.
Values SentencePieceValues() {
  const Json golden = Golden();
  const TokenizerSpec spec = *FromTokenizerJson(golden["tokenizer"].dump());
  std::vector<int64_t> types = spec.token_types;
  types[0] = 2;
  return {{"tokenizer.ggml.model", std::string("llama")},
          {"tokenizer.ggml.tokens", spec.tokens},
          {"tokenizer.ggml.scores",
           golden["gguf"]["scores"].get<std::vector<double>>()},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.bos_token_id", int64_t{1}},
          {"tokenizer.ggml.eos_token_id", int64_t{2}}};
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Read(const Values& values) {
  const std::string bytes = WriteGguf(values, {}, 32);
  const auto file = Gguf::Parse(bytes);
  if (!file.ok()) return file.status();
  return TokenizerFromGguf(*file);
}

std::vector<int32_t> Ids(const Values& values) {
  const auto tokenizer = Read(values);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *(*tokenizer)->Encode(kText) : std::vector<int32_t>();
}

TEST(ModelFileTest, ReadsSentencePieceByItsScores) {
  const auto wanted =
      *Tokenizer::Create(*FromTokenizerJson(Golden()["tokenizer"].dump()));
  Values values = SentencePieceValues();
  EXPECT_EQ(Ids(values), *wanted->Encode(kText));
  const auto tokenizer = *Read(values);
  EXPECT_TRUE(tokenizer->add_bos()) << "where the file does not say";
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(2));

  values["tokenizer.ggml.add_space_prefix"] = false;
  values["tokenizer.ggml.add_bos_token"] = false;
  const auto plain = *Read(values);
  EXPECT_FALSE(plain->adds_space_prefix());
  EXPECT_FALSE(plain->add_bos());
  EXPECT_NE(Ids(values), *wanted->Encode(kText));
}

TEST(ModelFileTest, ExtraSpacesGoWhereTheFileSaysSo) {
  Values values = SentencePieceValues();
  const auto with = Ids(values);
  values["tokenizer.ggml.remove_extra_whitespaces"] = true;
  EXPECT_LT(Ids(values).size(), with.size());
}

TEST(ModelFileTest, AWholeTokenizerJsonComesFirst) {
  const auto wanted = Ids(SentencePieceValues());
  const Values values = {
      {"tokenizer.huggingface.json", Golden()["tokenizer"].dump()},
      {"tokenizer.ggml.eos_token_ids", std::vector<int64_t>{2, 3}}};
  EXPECT_EQ(Ids(values), wanted);
  const auto tokenizer = *Read(values);
  EXPECT_EQ(tokenizer->bos_id(), 1) << "its post-processor puts <s> in front";
  EXPECT_THAT(tokenizer->end_ids(), ElementsAre(2, 3));
}

TEST(ModelFileTest, NamesWhatIsWrong) {
  const auto error = [](const char* key, const GgufValue& value) {
    Values values = SentencePieceValues();
    values[key] = value;
    return Read(values).status().ToString();
  };
  EXPECT_THAT(error("tokenizer.ggml.model", std::string("t5")),
              HasSubstr("tokenizer \"t5\", supported: \"gpt2\""));
  EXPECT_THAT(error("tokenizer.ggml.scores", std::string("none")),
              HasSubstr("tokenizer.ggml.scores"));
  EXPECT_THAT(error("tokenizer.ggml.scores", std::vector<double>{1.0}),
              HasSubstr("1 scores for"));
  EXPECT_THAT(error("tokenizer.ggml.eos_token_id", int64_t{1} << 40),
              HasSubstr("want 0 to"));
  EXPECT_THAT(error("tokenizer.ggml.bos_token_id", int64_t{-1}),
              HasSubstr("want 0 to"));
}

}  // namespace
}  // namespace gist
