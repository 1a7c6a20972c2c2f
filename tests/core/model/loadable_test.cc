// `gist plan` says of a file what loading it says.
#include "core/model/loadable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <utility>

#include "core/base/status.h"
#include "core/model/base_model.h"
#include "tests/core/model/edited_model.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::HasSubstr;

constexpr char kTiny[] = "tests/data/tiny/tiny.f32.gguf";
constexpr char kFused[] = "tests/data/architectures/phi3/model.gguf";
constexpr char kNorms[] = "tests/data/architectures/gemma3/model.gguf";
constexpr char kBiases[] = "tests/data/architectures/qwen2/model.gguf";

// Both refuse the model with the same error, which names `tensor`.
void ExpectBothRefuse(const EditedModel& model, absl::StatusCode code,
                      const std::string& tensor) {
  const std::string path = model.Write();
  const auto source = ModelSource::Open(path);
  ASSERT_THAT(source, IsOk());
  const absl::Status said = CheckLoadable(**source, "");
  EXPECT_THAT(said, StatusIs(code, HasSubstr(tensor)));
  EXPECT_EQ(LoadBaseModel(path, "cpu").status(), Within("model " + path, said));
}

TEST(LoadableTest, AWholeModelLoads) {
  for (const char* file : {kTiny, kFused, kNorms, kBiases}) {
    const auto source = ModelSource::Open(file);
    ASSERT_THAT(source, IsOk());
    EXPECT_THAT(CheckLoadable(**source, ""), IsOk()) << file;
  }
}

// The columns of a matrix as its rows; half of a vector.
TEST(LoadableTest, DimsThatTheSizesContradictAreRefused) {
  const std::pair<const char*, std::vector<const char*>> tensors[] = {
      {kTiny,
       {"output_norm.weight", "blk.0.ffn_down.weight", "blk.1.attn_k.weight",
        "blk.2.ffn_norm.weight"}},
      {kFused, {"blk.0.attn_qkv.weight", "blk.1.ffn_up.weight"}},
      {kNorms,
       {"blk.0.attn_q_norm.weight", "blk.1.post_attention_norm.weight"}},
      {kBiases, {"blk.1.attn_v.bias"}}};
  for (const auto& [file, names] : tensors) {
    for (const char* name : names) {
      EditedModel model(file);
      GgufTensor& tensor = model.tensors.at(name);
      if (tensor.dims.size() == 2) {
        std::swap(tensor.dims[0], tensor.dims[1]);
      } else {
        tensor.dims[0] /= 2;
        tensor.data = tensor.data.substr(0, tensor.data.size() / 2);
      }
      ExpectBothRefuse(model, absl::StatusCode::kDataLoss,
                       fmt::format("tensor {} has dims [", name));
    }
  }
}

TEST(LoadableTest, AMissingTensorIsNamed) {
  EditedModel model(kTiny);
  model.tensors.erase("blk.2.ffn_gate.weight");
  ExpectBothRefuse(model, absl::StatusCode::kNotFound, "blk.2.ffn_gate.weight");
}

TEST(LoadableTest, ANanIsNamed) {
  EditedModel model(kTiny);
  GgufTensor& tensor = model.tensors.at("blk.1.ffn_up.weight");
  std::string bytes(tensor.data);
  const uint32_t nan = 0x7fc00000;
  std::memcpy(bytes.data() + 64 * sizeof(float), &nan, sizeof(nan));
  tensor.data = bytes;
  ExpectBothRefuse(model, absl::StatusCode::kDataLoss,
                   "blk.1.ffn_up.weight holds an infinite number or a NaN, in "
                   "row 1 of 128");
}

}  // namespace
}  // namespace gist
