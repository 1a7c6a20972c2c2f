#include "core/model/transformer.h"

#include <gtest/gtest.h>

#include "tests/core/golden.h"
#include "tests/core/model/tiny_model.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;

class TransformerTest : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Transformer> Load(const std::string& variant) {
    return LoadModel("tests/data/tiny/tiny." + variant + ".gguf").transformer;
  }
  // The logits of `ids` after `cache`; all rows.
  static std::vector<float> Read(const Transformer& model, KvCache* cache,
                                 std::span<const int32_t> ids) {
    const ForwardItem item{
        .cache = cache, .ids = ids, .logits = LogitRows::kAll};
    auto logits = model.Forward({&item, 1});
    EXPECT_TRUE(logits.ok()) << logits.status();
    return logits.ok() ? std::move((*logits)[0]) : std::vector<float>();
  }
};

TEST_P(TransformerTest, LogitsEqualTransformers) {
  const auto model = Load(GetParam());
  ASSERT_NE(model, nullptr);
  const Golden golden("tiny/logits." + GetParam() + ".safetensors");
  KvCache cache = model->NewCache();
  const Ids ids = golden.Ids("input_ids");
  EXPECT_LT(MaxDifference(Read(*model, &cache, ids), golden.Floats("logits")),
            1e-3f);
  EXPECT_EQ(cache.tokens(), int(ids.size()));
}

TEST_P(TransformerTest, GreedyTokensEqualTransformers) {
  const auto model = Load(GetParam());
  ASSERT_NE(model, nullptr);
  const Golden golden("tiny/logits." + GetParam() + ".safetensors");
  KvCache cache = model->NewCache();
  const size_t vocab = size_t(model->config().vocab_size);
  std::vector<float> logits = Read(*model, &cache, golden.Ids("input_ids"));
  Ids greedy;
  for (size_t i = 0; i < 32; ++i) {
    ASSERT_GE(logits.size(), vocab);
    greedy.push_back(Argmax(std::span(logits).last(vocab)));
    logits = Read(*model, &cache, {&greedy.back(), 1});
  }
  EXPECT_EQ(greedy, golden.Ids("greedy_ids"));
}

INSTANTIATE_TEST_SUITE_P(Types, TransformerTest,
                         testing::Values("f32", "f16", "q8_0", "q4_0", "q4_1"),
                         [](const auto& test) { return test.param; });

TEST_F(TransformerTest, PiecesGiveTheLogitsOfTheWhole) {
  const auto model = Load("f32");
  const Ids ids = Golden("tiny/logits.f32.safetensors").Ids("input_ids");
  KvCache whole = model->NewCache(), pieces = model->NewCache();
  const std::vector<float> want = Read(*model, &whole, ids);
  std::vector<float> got;
  const std::span<const int32_t> rest(ids);
  for (const auto& [begin, count] :
       {std::pair{0, 1}, {1, 25}, {26, 33}, {59, 1}}) {
    const auto part =
        Read(*model, &pieces, rest.subspan(size_t(begin), size_t(count)));
    got.insert(got.end(), part.begin(), part.end());
  }
  EXPECT_LT(MaxDifference(got, want), 1e-4f);
}

TEST_F(TransformerTest, BatchGivesEachItemItsOwnAnswer) {
  const auto model = Load("f32");
  const Ids ids = Golden("tiny/logits.f32.safetensors").Ids("input_ids");
  const std::span<const int32_t> all(ids);
  const std::vector<std::span<const int32_t>> starts = {
      all.first(40), all.subspan(10, 7), all.subspan(30, 1)};
  std::vector<KvCache> alone, together;
  std::vector<std::vector<float>> want;
  std::vector<ForwardItem> items;
  for (const auto& start : starts) {
    alone.push_back(model->NewCache());
    together.push_back(model->NewCache());
    want.push_back(Read(*model, &alone.back(), start));
    want.back() = Read(*model, &alone.back(), all.last(1));
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    items.push_back({.cache = &together[i], .ids = starts[i]});
  }
  ASSERT_TRUE(model->Forward(items).ok());
  for (ForwardItem& item : items) {
    item.ids = all.last(1);
    item.logits = LogitRows::kLast;
  }
  const auto got = model->Forward(items);
  ASSERT_TRUE(got.ok()) << got.status();
  for (size_t i = 0; i < starts.size(); ++i) {
    EXPECT_LT(MaxDifference((*got)[i], want[i]), 1e-4f) << i;
  }
}

TEST_F(TransformerTest, RefusedTokensLeaveTheCacheAsItWas) {
  const auto model = Load("f32");
  const Ids ids = {5, 6, 7};
  KvCache touched = model->NewCache(), fresh = model->NewCache();
  Read(*model, &touched, ids);
  Read(*model, &fresh, ids);
  const Ids bad = {8, 300};
  const ForwardItem item{.cache = &touched, .ids = bad};
  EXPECT_TRUE(absl::IsInvalidArgument(model->Forward({&item, 1}).status()));
  EXPECT_EQ(touched.tokens(), 3);
  EXPECT_EQ(Read(*model, &touched, ids), Read(*model, &fresh, ids));
}

TEST_F(TransformerTest, CloneIsIndependent) {
  const auto model = Load("f32");
  const Ids ids = {5, 6, 7}, other = {9, 10};
  KvCache cache = model->NewCache();
  Read(*model, &cache, ids);
  KvCache copy = cache.Clone(), untouched = cache.Clone();
  Read(*model, &copy, other);
  EXPECT_EQ(cache.tokens(), 3);
  copy.Truncate(3);
  EXPECT_EQ(Read(*model, &copy, ids), Read(*model, &untouched, ids));
}

}  // namespace
}  // namespace gist
