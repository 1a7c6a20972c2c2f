// The write pass of training against the one that serves.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include "core/model/adapter.h"
#include "core/train/dev_set.h"
#include "core/train/passes/gist_writer.h"
#include "tests/core/golden.h"
#include "tests/core/train/tiny_training.h"

namespace gist {
namespace {

constexpr float kTolerance = 1e-4f;

GistLayout BlocksLayout() {
  GistLayout layout;
  layout.gist_tokens = 6;
  layout.gists_per_block = 2;
  layout.block_overlap_tokens = 4;
  layout.segment_tokens = 16;
  return layout;
}

class WriterTest : public testing::Test {
 protected:
  void SetUp() override {
    auto adapter =
        Adapter::Load("tests/data/tiny/adapter_blocks",
                      base_.transformer->config(), base_.fingerprint, "cpu");
    ASSERT_TRUE(adapter.ok()) << adapter.status();
    adapter_ = *std::move(adapter);
    auto model = MakeBaseWeights(*base_.transformer, base_.chat.prefix());
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  const BaseModel base_ = LoadTinyModel();
  std::unique_ptr<Adapter> adapter_;
  std::optional<BaseWeights> model_;
};

TEST_F(WriterTest, EqualsTransformerWriteGistsOnSeveralDocumentsAtOnce) {
  const Golden golden("tiny/gists_blocks.safetensors");
  const GistLayout layout = BlocksLayout();
  const std::vector<TrainDocument> documents = {
      ReadDocument(*model_, golden.Ids("context_ids"), 16, 6, at::kFloat),
      ReadDocument(*model_, golden.Ids("other_context_ids"), 16, 6,
                   at::kFloat)};
  const WrittenGists gists =
      WriteGists(MakeWritePlan(*model_, layout, documents), adapter_->impl());
  const GistKv first = ToGistKv(gists, model_->config, 0, 6);
  const GistKv second = ToGistKv(gists, model_->config, 6, 6);
  EXPECT_LT(MaxDifference(first.keys, golden.Floats("keys")), kTolerance);
  EXPECT_LT(MaxDifference(first.values, golden.Floats("values")), kTolerance);
  EXPECT_LT(MaxDifference(second.keys, golden.Floats("other_keys")),
            kTolerance);
  EXPECT_LT(MaxDifference(second.values, golden.Floats("other_values")),
            kTolerance);
}

TEST_F(WriterTest, LastBlockMayHaveFewerGistsBesideWholeOnes) {
  const Golden golden("tiny/gists_left_over.safetensors");
  const Golden whole("tiny/gists_blocks.safetensors");
  const std::vector<int32_t> ids = golden.Ids("context_ids");
  const std::vector<TrainDocument> documents = {
      ReadDocument(*model_, ids, 16, 5, at::kFloat),
      ReadDocument(*model_, ids, 16, 6, at::kFloat)};
  const WrittenGists gists = WriteGists(
      MakeWritePlan(*model_, BlocksLayout(), documents), adapter_->impl());
  const GistKv five = ToGistKv(gists, model_->config, 0, 5);
  const GistKv six = ToGistKv(gists, model_->config, 5, 6);
  EXPECT_LT(MaxDifference(five.keys, golden.Floats("keys")), kTolerance);
  EXPECT_LT(MaxDifference(five.values, golden.Floats("values")), kTolerance);
  EXPECT_LT(MaxDifference(six.values, whole.Floats("values")), kTolerance);
}

TEST_F(WriterTest, Bfloat16ProductsMoveGistsLittle) {
  const Golden golden("tiny/gists_blocks.safetensors");
  const BaseWeights model = InBfloat16(*model_);
  const std::vector<TrainDocument> documents = {
      ReadDocument(model, golden.Ids("context_ids"), 16, 6)};
  const GistKv gists =
      ToGistKv(WriteGists(MakeWritePlan(model, BlocksLayout(), documents),
                          adapter_->impl()),
               model.config, 0, 6);
  // In the first layer nothing has added up yet; values reach 4.
  const std::vector<float> want = golden.Floats("values");
  const size_t layer = want.size() / 3;
  EXPECT_LT(MaxDifference(std::span(gists.values).first(layer),
                          std::span(want).first(layer)),
            0.05f);
}

}  // namespace
}  // namespace gist
