// Each architecture's serving passes against PyTorch: logits and greedy tokens
// of transformers, gists of one forward under a 4D mask.
#include "tests/core/model/fixtures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/model/adapter.h"
#include "core/model/base_model.h"
#include "core/model/loadable.h"
#include "core/model/transformer.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;
constexpr int kPrompts = 5, kGreedyTokens = 64;
constexpr float kTolerance = 1e-3f;
constexpr float kGistTolerance = 2e-4f;  // of the largest number

std::vector<float> Read(const Transformer& model, KvCache* cache,
                        std::span<const int32_t> ids,
                        LogitRows rows = LogitRows::kAll) {
  const ForwardItem item{.cache = cache, .ids = ids, .logits = rows};
  auto logits = model.Forward({&item, 1});
  EXPECT_TRUE(logits.ok()) << logits.status();
  return logits.ok() ? std::move((*logits)[0]) : std::vector<float>();
}

class FixtureTest : public testing::TestWithParam<std::string> {
 protected:
  Ids Prompt(int i) const {
    return golden_.Ids("prompt" + std::to_string(i) + "_ids");
  }
  std::vector<float> Logits(int i) const {
    return golden_.Floats("logits" + std::to_string(i));
  }
  std::unique_ptr<Transformer> Load(
      WeightStorage weights = WeightStorage::kFloat32) const {
    return LoadFixture(GetParam(), weights).transformer;
  }

  const Golden golden_ = FixtureGolden(GetParam());
};

TEST_P(FixtureTest, LogitsEqualTransformers) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  for (int i = 0; i < kPrompts; ++i) {
    KvCache cache = model->NewCache();
    const auto rows = i == 0 ? LogitRows::kAll : LogitRows::kLast;
    EXPECT_LT(MaxDifference(Read(*model, &cache, Prompt(i), rows), Logits(i)),
              kTolerance)
        << i;
  }
}

// All prompts in one batch, which decodes by single rows over caches that are
// longer than a window.
TEST_P(FixtureTest, GreedyTokensEqualTransformers) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  std::vector<KvCache> caches;
  std::vector<Ids> next, greedy(kPrompts);
  for (int i = 0; i < kPrompts; ++i) {
    caches.push_back(model->NewCache());
    next.push_back(Prompt(i));
  }
  for (int step = 0; step < kGreedyTokens; ++step) {
    std::vector<ForwardItem> items;
    for (size_t i = 0; i < kPrompts; ++i) {
      items.push_back(
          {.cache = &caches[i], .ids = next[i], .logits = LogitRows::kLast});
    }
    const auto logits = model->Forward(items);
    ASSERT_TRUE(logits.ok()) << logits.status();
    for (size_t i = 0; i < kPrompts; ++i) {
      next[i] = {Argmax((*logits)[i])};
      greedy[i].push_back(next[i][0]);
    }
  }
  for (size_t i = 0; i < kPrompts; ++i) {
    EXPECT_EQ(greedy[i], golden_.Ids("greedy" + std::to_string(i) + "_ids"))
        << i;
  }
}

TEST_P(FixtureTest, PiecesGiveTheLogitsOfTheWhole) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  const Ids ids = Prompt(2);
  KvCache whole = model->NewCache(), pieces = model->NewCache();
  const std::vector<float> want = Read(*model, &whole, ids);
  std::vector<float> got;
  for (size_t begin = 0; begin < ids.size();) {
    const size_t count = std::min(ids.size() - begin, 1 + begin);
    const auto part =
        Read(*model, &pieces, std::span(ids).subspan(begin, count));
    got.insert(got.end(), part.begin(), part.end());
    begin += count;
  }
  EXPECT_LT(MaxDifference(got, want), kTolerance);
}

// The mean counts: single logits of a random model move far.
double Moved(const std::vector<float>& want, const std::vector<float>& got) {
  EXPECT_EQ(got.size(), want.size());
  double moved = 0, size = 0;
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    moved += std::abs(double(got[i]) - want[i]);
    size += std::abs(double(want[i]));
  }
  EXPECT_GT(moved, 0);  // the storage is in use
  return moved / size;
}

// A bfloat16 number has 8 bits.
TEST_P(FixtureTest, Bfloat16WeightsMoveLogitsLittle) {
  const auto model = Load(WeightStorage::kBfloat16);
  ASSERT_NE(model, nullptr);
  KvCache cache = model->NewCache();
  EXPECT_LT(Moved(Logits(0), Read(*model, &cache, Prompt(0))), 0.05);
}

// The CPU pass: whole prompts, pieces of all sizes, and a batch of single rows.
TEST_P(FixtureTest, QuantizedWeightsMoveLogitsLittle) {
  const auto model = Load(WeightStorage::kQuantized);
  ASSERT_NE(model, nullptr);
  KvCache whole = model->NewCache();
  const std::vector<float> together = Read(*model, &whole, Prompt(0));
  EXPECT_LT(Moved(Logits(0), together), 0.05);
  KvCache pieces = model->NewCache(), other = model->NewCache();
  std::vector<float> got;
  const Ids ids = Prompt(0), others = Prompt(1);
  for (size_t begin = 0; begin < ids.size();) {
    const size_t count = std::min(ids.size() - begin, 1 + begin % 7);
    const ForwardItem items[] = {
        {.cache = &other, .ids = std::span(others).first(1)},
        {.cache = &pieces,
         .ids = std::span(ids).subspan(begin, count),
         .logits = LogitRows::kAll}};
    const auto logits = model->Forward(items);
    ASSERT_TRUE(logits.ok()) << logits.status();
    got.insert(got.end(), (*logits)[1].begin(), (*logits)[1].end());
    begin += count;
  }
  EXPECT_LT(MaxDifference(got, together), 0.05f);
}

// The full rung: a text's keys before RoPE, stored and placed behind a prefix.
TEST_P(FixtureTest, StoredKeysGiveTheLogitsOfTheText) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  const Ids prefix = golden_.Ids("prefix_ids");
  const Ids text = golden_.Ids("document_ids");
  const Ids question = golden_.Ids("question_ids");
  KvCache read = model->NewCache(), plain = model->NewCache();
  Read(*model, &read, prefix);
  KvCache placed = read.Clone();
  const ForwardItem item{.cache = &read, .ids = text, .plain = &plain};
  ASSERT_TRUE(model->Forward({&item, 1}).ok());
  GistKv stored{.layers = model->config().layers,
                .kv_heads = model->config().kv_heads,
                .gist_tokens = int(text.size()),
                .head_dim = model->config().head_dim,
                .keys = {},
                .values = {}};
  stored.keys.resize(stored.Elements());
  stored.values.resize(stored.Elements());
  plain.CopyTo(stored.keys.data(), stored.values.data());
  ASSERT_TRUE(model->LoadGists(stored, &placed).ok());
  EXPECT_LT(MaxDifference(Read(*model, &placed, question),
                          Read(*model, &read, question)),
            kTolerance);
}

class FixtureGistsTest : public FixtureTest {
 protected:
  void SetUp() override {
    model_ = LoadFixture(GetParam());
    ASSERT_NE(model_.transformer, nullptr);
    auto adapter =
        Adapter::Load(FixtureFolder(GetParam()), model_.transformer->config(),
                      model_.fingerprint, "cpu");
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    adapter_ = *std::move(adapter);
  }

  // In isolated segments behind the prefix.
  KvCache ReadDocument(const KvCache& prefix, const Ids& ids) const {
    const auto segment = size_t(adapter_->config().segment_tokens);
    KvCache plain = model_.transformer->NewCache();
    for (size_t begin = 0; begin < ids.size(); begin += segment) {
      KvCache cache = prefix.Clone();
      const ForwardItem item{.cache = &cache,
                             .ids = std::span(ids).subspan(
                                 begin, std::min(segment, ids.size() - begin)),
                             .plain = &plain};
      EXPECT_TRUE(model_.transformer->Forward({&item, 1}).ok());
    }
    return plain;
  }

  void ExpectNear(const std::vector<float>& got,
                  const std::string& name) const {
    const std::vector<float> want = golden_.Floats(name);
    const std::vector<float> zero(want.size(), 0);
    EXPECT_LT(MaxDifference(got, want),
              kGistTolerance * MaxDifference(want, zero))
        << name;
  }

  LoadedModel model_;
  std::unique_ptr<Adapter> adapter_;
};

TEST_P(FixtureGistsTest, GistsAndTheirAnswersEqualPyTorch) {
  const Transformer& model = *model_.transformer;
  KvCache prompt = model.NewCache();
  Read(model, &prompt, golden_.Ids("prefix_ids"));
  const KvCache document = ReadDocument(prompt, golden_.Ids("document_ids"));
  const AdapterConfig& config = adapter_->config();
  const auto gists =
      model.WriteGists(prompt, document,
                       {.context_tokens = document.tokens(),
                        .gist_tokens = config.gist_tokens,
                        .prefix_tokens = prompt.tokens(),
                        .gists_per_block = config.gists_per_block,
                        .block_overlap_tokens = config.block_overlap_tokens,
                        .segment_tokens = config.segment_tokens},
                       *adapter_);
  ASSERT_TRUE(gists.ok()) << gists.status();
  ExpectNear(gists->keys, "keys");
  ExpectNear(gists->values, "values");
  ASSERT_TRUE(model.LoadGists(*gists, &prompt).ok());
  Ids tail = golden_.Ids("question_ids");
  const Ids answer = golden_.Ids("answer_ids");
  tail.insert(tail.end(), answer.begin(), answer.end() - 1);
  ExpectNear(Read(model, &prompt, tail), "tail_logits");
}

std::string NameOf(const testing::TestParamInfo<std::string>& test) {
  return test.param;
}
// What `gist plan` looks at before it says that gistd can run a model.
TEST_P(FixtureTest, LoadsAsPlanned) {
  const std::string path = FixtureFolder(GetParam()) + "/model.gguf";
  const auto source = ModelSource::Open(path);
  ASSERT_TRUE(source.ok()) << source.status();
  const absl::Status said = CheckLoadable(**source, "");
  EXPECT_TRUE(said.ok()) << said;
  const auto model = LoadBaseModel(path, "cpu");
  EXPECT_TRUE(model.ok()) << model.status();
}

INSTANTIATE_TEST_SUITE_P(Architectures, FixtureTest,
                         testing::ValuesIn(Fixtures()), NameOf);
INSTANTIATE_TEST_SUITE_P(Architectures, FixtureGistsTest,
                         testing::ValuesIn(Fixtures()), NameOf);

}  // namespace
}  // namespace gist
