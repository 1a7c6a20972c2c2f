// Each architecture's training passes against PyTorch's autograd: one forward
// under a 4D mask (tests/reference/golden_architectures.py).
#include "tests/core/model/fixtures.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "core/train/adapter_files.h"
#include "core/train/passes/answer_pass.h"
#include "core/train/passes/gist_writer.h"
#include "core/train/passes/whole_pass.h"
#include "tests/core/train/tiny_training.h"

namespace gist {
namespace {

constexpr float kTolerance = 5e-4f;  // of the largest number
constexpr float kLossTolerance = 1e-3f;

GistLayout Layout() {
  GistLayout layout;
  layout.gist_tokens = 6;
  layout.gists_per_block = 2;
  layout.block_overlap_tokens = 4;
  layout.segment_tokens = 16;
  layout.lora_r = 2;
  layout.lora_alpha = 4;
  layout.lora_mlp = true;
  return layout;
}

class FixtureGradientsTest : public testing::TestWithParam<std::string> {
 protected:
  FixtureGradientsTest() : golden_(FixtureGolden(GetParam())) {
    Use(WeightStorage::kFloat32);
    Rng rng(1);
    parameters_ = std::make_unique<AdapterParameters>(model_.config, Layout(),
                                                      at::Device("cpu"), rng);
    const absl::Status imported =
        ImportAdapterFolder(FixtureFolder(GetParam()), model_.config,
                            base_.fingerprint, parameters_.get());
    EXPECT_TRUE(imported.ok()) << imported;
    question_.question = golden_.Ids("question_ids");
    question_.answer = golden_.Ids("answer_ids");
    question_.gist_tokens = Layout().gist_tokens;
  }

  void Use(WeightStorage weights) {
    base_ = LoadFixture(GetParam(), weights);
    auto model = MakeBaseWeights(*base_.transformer, golden_.Ids("prefix_ids"));
    EXPECT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }
  TrainDocument Document() const {
    return ReadDocument(model_, golden_.Ids("document_ids"),
                        Layout().segment_tokens, Layout().gist_tokens,
                        at::kFloat);
  }
  // The loss; its gradients are in parameters_ afterwards.
  double Backward(const WrittenGists& gists) {
    parameters_->gradients.zero_();
    const at::Tensor loss =
        AnswerLoss(ReadAnswers(model_, gists, {&question_, 1}));
    loss.backward();
    return loss.item<double>();
  }
  double FastPass() {
    const TrainDocument document = Document();
    return Backward(WriteGists(MakeWritePlan(model_, Layout(), {&document, 1}),
                               parameters_->adapter()));
  }
  void ExpectGoldenGradients() const {
    for (const ParameterSlice& slice : parameters_->slices()) {
      const std::vector<float> want = golden_.Floats("gradient." + slice.name);
      const at::Tensor part =
          AdapterParameters::View(parameters_->gradients, slice).contiguous();
      const std::vector<float> got(part.const_data_ptr<float>(),
                                   part.const_data_ptr<float>() + part.numel());
      const std::vector<float> zero(want.size(), 0);
      EXPECT_LT(MaxDifference(got, want),
                kTolerance * MaxDifference(want, zero) + 1e-6f)
          << slice.name;
    }
  }
  void ExpectSameWay(const at::Tensor& exact) const {
    const at::Tensor& near = parameters_->gradients;
    const double cosine =
        ((exact * near).sum() / (exact.norm() * near.norm())).item<double>();
    EXPECT_GT(cosine, 0.95);
    EXPECT_LT(cosine, 1);  // the storage is in use
  }

  const Golden golden_;
  LoadedModel base_;
  BaseWeights model_;
  std::unique_ptr<AdapterParameters> parameters_;
  TrainQuestion question_;
};

TEST_P(FixtureGradientsTest, EqualPyTorch) {
  EXPECT_NEAR(FastPass(), golden_.Floats("loss")[0], kLossTolerance);
  ExpectGoldenGradients();
}

TEST_P(FixtureGradientsTest, OfTheWholePassEqualPyTorch) {
  const TrainDocument document = Document();
  EXPECT_NEAR(Backward(WriteGistsWhole(model_, Layout(), {&document, 1},
                                       parameters_->adapter())),
              golden_.Floats("loss")[0], kLossTolerance);
  ExpectGoldenGradients();
}

// Weights and what is read without gradients have fewer bits.
TEST_P(FixtureGradientsTest, OfQuantizedWeightsPointTheSameWay) {
  FastPass();
  const at::Tensor exact = parameters_->gradients.clone();
  Use(WeightStorage::kQuantized);
  FastPass();
  ExpectSameWay(exact);
}

TEST_P(FixtureGradientsTest, OfBfloat16WeightsPointTheSameWay) {
  FastPass();
  const at::Tensor exact = parameters_->gradients.clone();
  model_ = InBfloat16(model_);
  FastPass();
  ExpectSameWay(exact);
}

INSTANTIATE_TEST_SUITE_P(Architectures, FixtureGradientsTest,
                         testing::ValuesIn(Fixtures()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace gist
