// Hugging Face folders through the whole loader, against transformers.
#include <cmath>
#include <fstream>
#include <sstream>

#include "core/format/mapped_file.h"
#include "core/format/safetensors.h"
#include "core/model/base_model.h"
#include "core/model/model_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

const std::string kFolders = "tests/data/hf/";

struct Golden {
  std::vector<int32_t> ids;
  std::vector<float> logits;
};

Golden ReadGolden(const std::string& name) {
  const auto file =
      MappedFile::Open(kFolders + "golden/" + name + ".safetensors");
  EXPECT_THAT(file, IsOk());
  const auto tensors = ParseSafeTensors(file->bytes());
  EXPECT_THAT(tensors, IsOk());
  const auto floats = [&](const char* tensor) {
    const SafeTensor& found = tensors->tensors.at(tensor);
    std::vector<float> values(size_t(found.Elements()));
    ToFloats(found, values.data());
    return values;
  };
  const auto ids = floats("input_ids");
  return {{ids.begin(), ids.end()}, floats("logits")};
}

BaseModel Load(const std::string& path,
               WeightStorage weights = WeightStorage::kFloat32) {
  auto model = LoadBaseModel(path, "cpu", weights);
  EXPECT_THAT(model, IsOk());
  return model.ok() ? *std::move(model) : BaseModel{};
}

std::vector<float> LogitsOf(const BaseModel& model,
                            const std::vector<int32_t>& ids) {
  KvCache cache = model.transformer->NewCache();
  const ForwardItem item{
      .cache = &cache, .ids = ids, .logits = LogitRows::kAll};
  auto logits = model.transformer->Forward({&item, 1});
  EXPECT_THAT(logits, IsOk());
  return logits.ok() ? logits->front() : std::vector<float>();
}

float Farthest(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  float most = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most =
        std::max(most, std::isfinite(a[i]) ? std::abs(a[i] - b[i]) : INFINITY);
  return most;
}

class HfModelTest : public testing::TestWithParam<const char*> {};

// Logits reach 10; the same weights in float32 differ by rounding alone.
TEST_P(HfModelTest, HasTheLogitsOfTransformers) {
  const BaseModel model = Load(kFolders + GetParam());
  ASSERT_NE(model.transformer, nullptr);
  const Golden golden = ReadGolden(GetParam());
  ASSERT_EQ(golden.logits.size(), 24u * 300u);
  EXPECT_LT(Farthest(LogitsOf(model, golden.ids), golden.logits), 2e-4f);
}

// In 8 bits, as the activations.
TEST_P(HfModelTest, IsNearInEightBits) {
  const BaseModel model =
      Load(kFolders + GetParam(), WeightStorage::kQuantized);
  ASSERT_NE(model.transformer, nullptr);
  const Golden golden = ReadGolden(GetParam());
  const std::vector<float> logits = LogitsOf(model, golden.ids);
  ASSERT_EQ(logits.size(), golden.logits.size());
  double moved = 0, size = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    moved += std::abs(double(logits[i]) - golden.logits[i]);
    size += std::abs(double(golden.logits[i]));
  }
  EXPECT_LT(moved, 0.05 * size);
  EXPECT_GT(moved, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, HfModelTest,
                         testing::Values("llama_f32", "llama_bf16", "llama3",
                                         "mistral", "qwen2", "qwen3", "gemma3",
                                         "phi3", "smollm3"),
                         [](const auto& kind) {
                           return std::string(kind.param);
                         });

TEST(HfFolderModelTest, IsTheGgufFile) {
  const Golden golden = ReadGolden("llama_f32");
  const BaseModel folder = Load(kFolders + "llama_f32");
  const BaseModel file = Load(kFolders + "llama.f32.gguf");
  ASSERT_NE(folder.transformer, nullptr);
  ASSERT_NE(file.transformer, nullptr);
  const auto logits = LogitsOf(file, golden.ids);
  EXPECT_EQ(Farthest(LogitsOf(folder, golden.ids), logits), 0);
  EXPECT_EQ(folder.chat.prefix(), file.chat.prefix());
  const std::string text = "The harbour, 1984!\n  Ünïcode <|im_end|>";
  EXPECT_EQ(*folder.tokenizer->Encode(text), *file.tokenizer->Encode(text));
  // BF16 keeps 8 bits of a number: 1/256 of logits that reach 10, times depth.
  const BaseModel rounded = Load(kFolders + "llama_bf16");
  const float far = Farthest(LogitsOf(rounded, golden.ids), logits);
  EXPECT_LT(far, 0.5f);
  EXPECT_GT(far, 0);
}

TEST(HfFolderModelTest, GivesItsTokenizerAlone) {
  const auto tokenizer = LoadTokenizer(kFolders + "llama_f32");
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocab_size(), 300);
  EXPECT_EQ(*(*tokenizer)->SpecialId("<|im_end|>"), 2);
}

TEST(HfFolderModelTest, NamesTheFolder) {
  EXPECT_THAT(LoadBaseModel("tests/data/tiny", "cpu"),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::HasSubstr("tests/data/tiny: neither")));
}

}  // namespace
}  // namespace gist
