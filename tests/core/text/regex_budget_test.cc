// What the patterns of known tokenizers take of a text's budget.
#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"
#include "core/text/tokenizer_files.h"
#include "core/text/words/named_pre_tokenizers.h"
#include "core/text/words/normalizer.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/core/text/vocabulary.h"

namespace gist {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Its lines, and all of them as one text.
std::vector<std::string> Texts() {
  std::ifstream file("tests/data/tokenizer/lines.jsonl");
  std::vector<std::string> texts;
  std::string all;
  for (std::string line; std::getline(file, line);) {
    texts.push_back(Json::parse(line));
    all.append(texts.back()).append("\n");
  }
  texts.push_back(all);
  return texts;
}

struct KnownPatterns {
  std::string name;
  std::vector<NormalizerStep> normalizer;
  std::vector<SplitStep> words;
};

std::vector<KnownPatterns> AllKnown() {
  std::vector<KnownPatterns> all;
  for (const char* name :
       {"gpt2", "mpt", "smollm", "command-r", "llama-bpe", "dbrx", "qwen2",
        "stablelm2", "qwen35", "tekken", "gpt-4o", "deepseek-llm",
        "deepseek-coder", "deepseek-v3", "falcon", "bloom", "viking"}) {
    all.push_back({name, {}, FindPreTokenizer(name)->steps});
  }
  for (const char* name : {"gemma", "llama2", "mistral"}) {
    std::ifstream file(fmt::format("tests/data/pre_tokenizers/{}.json", name));
    const auto spec = FromTokenizerJson(Json::parse(file)["tokenizer"].dump());
    all.push_back({name, spec->normalizer, spec->words});
  }
  return all;
}

// Steps of a text, in twentieths of its budget.
double Share(const Normalizer& normalizer, const PreTokenizer& words,
             const std::string& text) {
  RegexBudget budget(text.size());
  const auto normalized = normalizer.Apply(text, true, false, &budget);
  if (!normalized.ok() || !words.Words(*normalized, &budget).ok()) return 1e9;
  const double most =
      double(RegexBudget::kStepsPerByte) * double(text.size()) +
      (text.size() > 10'000 ? 0 : double(RegexBudget::kBaseSteps));
  return 20 * double(budget.spent()) / most;
}

TEST(RegexBudgetTest, KnownPatternsTakeATwentieth) {
  const std::vector<std::string> texts = Texts();
  for (const KnownPatterns& known : AllKnown()) {
    const auto normalizer = Normalizer::Create(known.normalizer);
    const auto words = PreTokenizer::Create(known.words);
    ASSERT_TRUE(normalizer.ok() && words.ok());
    double worst = 0;
    for (const std::string& text : texts)
      worst = std::max(worst, Share(*normalizer, *words, text));
    EXPECT_LE(worst, 1) << known.name;
    RecordProperty(known.name, fmt::format("{:.3f}", worst));
  }
}

// Parts between special tokens share the budget of the whole text; the error
// names the file that the pattern comes from.
TEST(RegexBudgetTest, AWholeTextHasOneBudget) {
  TokenizerSpec spec = ByteVocabulary("");
  spec.words = {{"(a+)+b"}};
  spec.tokens[0] = "@@";
  spec.token_types[0] = 4;  // found in a text
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "aaaaaaaaaaaacb" + spec.tokens[0];
  const auto status = (*Tokenizer::Create(spec))->Encode(text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.ToString(),
              AllOf(HasSubstr("tokenizer.json: pattern \"(a+)+b\" spent"),
                    HasSubstr(fmt::format("of {} bytes", text.size()))));
}

// A Replace may not make a text grow without end.
TEST(RegexBudgetTest, CountsWhatIsPutIn) {
  const NormalizerStep grows = {NormalizerStep::Kind::kReplace, "a",
                                "aaaaaaaa"};
  const auto normalizer =
      Normalizer::Create(std::vector<NormalizerStep>(12, grows));
  EXPECT_EQ(normalizer->Apply("a", true, false).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace gist
