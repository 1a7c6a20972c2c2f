// The fast path (segments, then a gist pass over cached keys) against the
// Python reference's single forward under the 4D mask.
#include <gtest/gtest.h>

#include "core/gist/mask.h"
#include "core/model/adapter.h"
#include "core/model/transformer.h"
#include "tests/core/golden.h"
#include "tests/core/model/tiny_model.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;
constexpr float kTolerance = 1e-4f;

class GistsTest : public testing::Test {
 protected:
  void Use(const std::string& adapter_folder) {
    model_ = LoadModel("tests/data/tiny/tiny.f32.gguf");
    ASSERT_NE(model_.transformer, nullptr);
    auto adapter = Adapter::Load("tests/data/tiny/" + adapter_folder,
                                 model().config(), model_.fingerprint, "cpu");
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    adapter_ = *std::move(adapter);
  }
  const Transformer& model() const { return *model_.transformer; }

  KvCache Prefix(const Golden& golden) const {
    KvCache cache = model().NewCache();
    const Ids ids = golden.Ids("prefix_ids");
    const ForwardItem item{.cache = &cache, .ids = ids};
    EXPECT_TRUE(model().Forward({&item, 1}).ok());
    return cache;
  }

  // `gist_tokens` 0: the adapter's own number.
  MaskShape Shape(int prefix_tokens, int context_tokens,
                  int gist_tokens = 0) const {
    const AdapterConfig& config = adapter_->config();
    return {.context_tokens = context_tokens,
            .gist_tokens = gist_tokens > 0 ? gist_tokens : config.gist_tokens,
            .prefix_tokens = prefix_tokens,
            .gists_per_block = config.gists_per_block,
            .block_overlap_tokens = config.block_overlap_tokens,
            .segment_tokens = config.segment_tokens};
  }

  // Reads `ids` in segments as the adapter wants them and writes the gists.
  GistKv Compress(const KvCache& prefix, const Ids& ids,
                  int gist_tokens = 0) const {
    const size_t segment = adapter_->config().segment_tokens > 0
                               ? size_t(adapter_->config().segment_tokens)
                               : ids.size();
    KvCache plain = model().NewCache();
    for (size_t begin = 0; begin < ids.size(); begin += segment) {
      KvCache cache = prefix.Clone();
      const auto part =
          std::span(ids).subspan(begin, std::min(segment, ids.size() - begin));
      const ForwardItem item{.cache = &cache, .ids = part, .plain = &plain};
      EXPECT_TRUE(model().Forward({&item, 1}).ok());
    }
    auto gists = model().WriteGists(
        prefix, plain, Shape(prefix.tokens(), int(ids.size()), gist_tokens),
        *adapter_);
    EXPECT_TRUE(gists.ok()) << gists.status();
    return gists.ok() ? *std::move(gists) : GistKv();
  }

  std::vector<float> Read(KvCache* cache, const Ids& ids,
                          LogitRows rows) const {
    const ForwardItem item{.cache = cache, .ids = ids, .logits = rows};
    auto logits = model().Forward({&item, 1});
    EXPECT_TRUE(logits.ok()) << logits.status();
    return logits.ok() ? (*logits)[0] : std::vector<float>();
  }

  Ids Greedy(KvCache* cache, std::vector<float> logits, size_t count) const {
    Ids ids;
    while (ids.size() < count) {
      ids.push_back(Argmax(logits));
      logits = Read(cache, {ids.back()}, LogitRows::kLast);
    }
    return ids;
  }

  // The question's logits behind `gists`, and the answer, are those that the
  // golden file has under `name`.
  void ExpectAnswer(const Golden& golden, const std::vector<GistKv>& gists,
                    const std::string& name) const {
    KvCache prompt = Prefix(golden);
    for (const GistKv& kv : gists)
      ASSERT_TRUE(model().LoadGists(kv, &prompt).ok());
    const auto logits =
        Read(&prompt, golden.Ids("question_ids"), LogitRows::kLast);
    EXPECT_LT(MaxDifference(logits, golden.Floats(name + "question_logits")),
              kTolerance);
    EXPECT_EQ(Greedy(&prompt, logits, 16), golden.Ids(name + "answer_ids"));
  }

  LoadedModel model_;
  std::unique_ptr<Adapter> adapter_;
};

struct MaskCase {
  std::string adapter;
  std::string golden;
};

class MaskedForwardTest : public GistsTest,
                          public testing::WithParamInterface<MaskCase> {};

TEST_P(MaskedForwardTest, FastPathEqualsOneForwardUnderTheMask) {
  ASSERT_NO_FATAL_FAILURE(Use(GetParam().adapter));
  const Golden golden(GetParam().golden);
  KvCache prompt = Prefix(golden);
  const GistKv gists = Compress(prompt, golden.Ids("context_ids"));
  EXPECT_LT(MaxDifference(gists.keys, golden.Floats("keys")), kTolerance);
  EXPECT_LT(MaxDifference(gists.values, golden.Floats("values")), kTolerance);
  ASSERT_TRUE(model().LoadGists(gists, &prompt).ok());
  const auto logits = Read(&prompt, golden.Ids("tail_ids"), LogitRows::kAll);
  EXPECT_LT(MaxDifference(logits, golden.Floats("tail_logits")), kTolerance);
}

TEST_P(MaskedForwardTest, MaskEqualsTheReference) {
  ASSERT_NO_FATAL_FAILURE(Use(GetParam().adapter));
  const Golden golden(GetParam().golden);
  MaskShape shape = Shape(int(golden.Ids("prefix_ids").size()),
                          int(golden.Ids("context_ids").size()));
  shape.question_tokens = int(golden.Ids("question_ids").size());
  shape.answer_tokens =
      int(golden.Ids("tail_ids").size()) - shape.question_tokens;
  const std::vector<float> want = golden.Floats("may_attend");
  const std::vector<float> mask = AttentionMask(shape);
  ASSERT_EQ(mask.size(), want.size());
  for (size_t i = 0; i < mask.size(); ++i) {
    ASSERT_EQ(mask[i] == 0.0f, want[i] == 1.0f) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Adapters, MaskedForwardTest,
    testing::Values(MaskCase{"adapter_whole", "tiny/gists_whole.safetensors"},
                    MaskCase{"adapter_mlp", "tiny/gists_mlp.safetensors"}),
    [](const auto& test) { return test.param.adapter; });

TEST_F(GistsTest, SegmentsAndBlocksEqualTheReference) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  const GistKv gists = Compress(Prefix(golden), golden.Ids("context_ids"));
  EXPECT_LT(MaxDifference(gists.keys, golden.Floats("keys")), kTolerance);
  EXPECT_LT(MaxDifference(gists.values, golden.Floats("values")), kTolerance);
  ExpectAnswer(golden, {gists}, "");
}

TEST_F(GistsTest, TwoDocumentsJoinedEqualTheReference) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  const KvCache prefix = Prefix(golden);
  const GistKv first = Compress(prefix, golden.Ids("context_ids"));
  const GistKv second = Compress(prefix, golden.Ids("other_context_ids"));
  EXPECT_LT(MaxDifference(second.keys, golden.Floats("other_keys")),
            kTolerance);
  ExpectAnswer(golden, {first, second}, "joined_");
}

TEST_F(GistsTest, AdapterChangesTheGistsButNeverTheText) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_whole"));
  const Golden golden("tiny/gists_whole.safetensors");
  const KvCache prefix = Prefix(golden);
  const GistKv whole = Compress(prefix, golden.Ids("context_ids"));
  auto other = Adapter::Load("tests/data/tiny/adapter_mlp", model().config(),
                             model_.fingerprint, "cpu");
  ASSERT_TRUE(other.ok()) << other.status();
  adapter_ = *std::move(other);
  EXPECT_GT(MaxDifference(whole.values,
                          Compress(prefix, golden.Ids("context_ids")).values),
            1e-2f);
}

TEST_F(GistsTest, LastBlockMayHaveFewerGists) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_left_over.safetensors");
  const KvCache prefix = Prefix(golden);
  const GistKv gists = Compress(prefix, golden.Ids("context_ids"), 5);
  EXPECT_LT(MaxDifference(gists.keys, golden.Floats("keys")), kTolerance);
  EXPECT_LT(MaxDifference(gists.values, golden.Floats("values")), kTolerance);
}

TEST_F(GistsTest, RefusesShapesThatDoNotBelongTogether) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  KvCache prefix = Prefix(golden);
  KvCache empty = model().NewCache();
  MaskShape shape = Shape(prefix.tokens(), 0);
  shape.gists_per_block = 3;  // the adapter has two slots
  EXPECT_TRUE(absl::IsInvalidArgument(
      model().WriteGists(prefix, empty, shape, *adapter_).status()));
  shape.gists_per_block = 2;
  shape.context_tokens = 5;  // the cache holds none
  EXPECT_TRUE(absl::IsInvalidArgument(
      model().WriteGists(prefix, empty, shape, *adapter_).status()));

  GistKv foreign{.layers = 2,
                 .kv_heads = 2,
                 .gist_tokens = 1,
                 .head_dim = 16,
                 .keys = std::vector<float>(64),
                 .values = std::vector<float>(64)};
  const int before = prefix.tokens();
  EXPECT_TRUE(absl::IsInvalidArgument(model().LoadGists(foreign, &prefix)));
  EXPECT_EQ(prefix.tokens(), before);
}

}  // namespace
}  // namespace gist
