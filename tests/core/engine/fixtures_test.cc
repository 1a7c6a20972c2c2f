// The engine with each architecture: a document as text, as its stored keys and
// as gists, through chunks, batches and one prompt.
#include "tests/core/model/fixtures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "core/engine/torch_engine.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;

class EngineFixtureTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string folder = FixtureFolder(GetParam());
    // One thread: for models this small a second one only costs.
    auto engine = MakeTorchEngine({.model_path = folder + "/model.gguf",
                                   .adapter_path = folder,
                                   .threads = 1});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    const Golden golden = FixtureGolden(GetParam());
    text_ = golden.Ids("document_ids");
    question_ = golden.Ids("question_ids");
  }

  CompressedKv Compressed(size_t chunk, const CompressionSpec& spec) {
    auto document = engine_->StartDocument(spec.rung);
    EXPECT_TRUE(document.ok()) << document.status();
    for (size_t i = 0; i < text_.size(); i += chunk) {
      const auto part =
          std::span(text_).subspan(i, std::min(chunk, text_.size() - i));
      EXPECT_TRUE(engine_->Prefill(**document, part).ok());
    }
    auto kv = engine_->Compress(**document, spec);
    EXPECT_TRUE(kv.ok()) << kv.status();
    return kv.ok() ? *std::move(kv) : CompressedKv();
  }

  // Greedy tokens behind `kv`, or behind the text.
  Ids Answer(const CompressedKv* kv) {
    auto prompt = engine_->StartPrompt({}).value();
    EXPECT_TRUE((kv != nullptr ? engine_->LoadKv(*prompt, *kv)
                               : engine_->Prefill(*prompt, text_))
                    .ok());
    EXPECT_TRUE(engine_->Prefill(*prompt, question_).ok());
    PromptSequence* batch[] = {prompt.get()};
    Ids ids;
    for (int i = 0; i < 24; ++i) {
      const auto tokens = engine_->Decode(batch);
      EXPECT_TRUE(tokens.ok()) << tokens.status();
      if (!tokens.ok()) return ids;
      ids.push_back((*tokens)[0].id);
    }
    return ids;
  }

  std::unique_ptr<Engine> engine_;
  Ids text_, question_;
};

TEST_P(EngineFixtureTest, AFullRepresentationAnswersAsTheText) {
  const CompressedKv full = Compressed(
      7, {.rung = Rung::kFull, .ratio = 1, .storage = KvStorage::kF32});
  EXPECT_EQ(Answer(&full), Answer(nullptr));
}

TEST_P(EngineFixtureTest, GistsAreTheSameThroughChunksAndChangeTheAnswer) {
  const CompressionSpec spec{.rung = Rung::kGist,
                             .gist_tokens = engine_->adapter().gist_tokens};
  const GistKv whole = ToDense(Compressed(text_.size(), spec));
  const CompressedKv pieces = Compressed(5, spec);
  EXPECT_LT(MaxDifference(ToDense(pieces).keys, whole.keys), 1e-3f);
  EXPECT_LT(MaxDifference(ToDense(pieces).values, whole.values), 1e-3f);
  EXPECT_EQ(Answer(&pieces).size(), 24u);
  EXPECT_NE(Answer(&pieces), Answer(nullptr));
}

INSTANTIATE_TEST_SUITE_P(Architectures, EngineFixtureTest,
                         testing::ValuesIn(Fixtures()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace gist
