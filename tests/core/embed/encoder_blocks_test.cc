// Matrices in blocks of 4 bits: the same vectors as from the numbers that the
// blocks stand for.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/base/float16.h"
#include "core/embed/encoder.h"
#include "core/format/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/embed/encoder_golden.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr int kVocabulary = 300, kHidden = 32, kWide = 96;
constexpr char kWords[] = "embeddings.word_embeddings.weight";

// One random BERT, its matrices as blocks and as numbers.
class Model {
 public:
  Model() {
    AddMatrix(kWords, kVocabulary, kHidden);
    AddFloats("embeddings.position_embeddings.weight", {32, kHidden}, 0);
    AddFloats("embeddings.token_type_embeddings.weight", {2, kHidden}, 0);
    AddNorm("embeddings.LayerNorm");
    const std::string layer = "encoder.layer.0.";
    for (const char* name : {"attention.self.query", "attention.self.key",
                             "attention.self.value", "attention.output.dense"})
      AddDense(layer + name, kHidden, kHidden);
    AddDense(layer + "intermediate.dense", kWide, kHidden);
    AddDense(layer + "output.dense", kHidden, kWide);
    AddNorm(layer + "attention.output.LayerNorm");
    AddNorm(layer + "output.LayerNorm");
  }

  SafeTensors blocks, floats;

 private:
  std::string_view Keep(std::string bytes) {
    return kept_.emplace_back(std::move(bytes));
  }
  static std::string BytesOf(const std::vector<float>& values) {
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }

  void AddFloats(const std::string& name, std::vector<int64_t> shape,
                 float mean) {
    std::normal_distribution<float> normal(mean, 0.3f);
    SafeTensor tensor{TensorType::kF32, std::move(shape), {}};
    std::vector<float> values(size_t(tensor.Elements()));
    for (float& value : values) value = normal(random_);
    tensor.data = Keep(BytesOf(values));
    blocks.tensors[name] = floats.tensors[name] = tensor;
  }
  void AddNorm(const std::string& stem) {
    AddFloats(stem + ".weight", {kHidden}, 1);
    AddFloats(stem + ".bias", {kHidden}, 0);
  }
  void AddDense(const std::string& stem, int rows, int columns) {
    AddMatrix(stem + ".weight", rows, columns);
    AddFloats(stem + ".bias", {rows}, 0);
  }
  // 32 numbers: a scale, then 16 bytes; the low halves stand for the first 16.
  void AddMatrix(const std::string& name, int rows, int columns) {
    std::uniform_int_distribution<int> quant(0, 15), scale(20, 100);
    std::string bytes;
    std::vector<float> values;
    for (int block = 0; block < rows * columns / 32; ++block) {
      const uint16_t bits = FloatToHalf(float(scale(random_)) / 1024);
      bytes.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
      std::vector<int> quants(32);
      for (int& q : quants) q = quant(random_);
      for (size_t i = 0; i < 16; ++i)
        bytes += char(quants[i] | quants[i + 16] << 4);
      for (const int q : quants)
        values.push_back(float(q - 8) * HalfToFloat(bits));
    }
    blocks.tensors[name + ".q4_0"] = {
        TensorType::kU8, {rows, columns / 32 * 18}, Keep(std::move(bytes))};
    floats.tensors[name] = {
        TensorType::kF32, {rows, columns}, Keep(BytesOf(values))};
  }

  std::list<std::string> kept_;
  std::mt19937 random_{7};
};

class EncoderBlocksTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<SentenceEncoder>> Load(
      const SafeTensors& file) const {
    const fs::path folder = temp_ / "model";
    fs::create_directories(folder);
    fs::copy_file("tests/data/embed/tiny/tokenizer.json",
                  folder / "tokenizer.json",
                  fs::copy_options::overwrite_existing);
    std::ofstream(folder / "config.json")
        << R"({"model_type": "bert", "hidden_act": "gelu", "hidden_size": 32,
               "num_hidden_layers": 1, "num_attention_heads": 2,
               "intermediate_size": 96, "vocab_size": 300,
               "max_position_embeddings": 32, "type_vocab_size": 2,
               "layer_norm_eps": 1e-6})";
    std::ofstream(folder / "model.safetensors", std::ios::binary)
        << WriteSafeTensors(file);
    return SentenceEncoder::Load(folder.string());
  }

  const TempDir temp_;
  Model model_;
};

TEST_F(EncoderBlocksTest, AreTheNumbersTheyStandFor) {
  const auto blocks = Load(model_.blocks), floats = Load(model_.floats);
  ASSERT_THAT(blocks, IsOk());
  ASSERT_THAT(floats, IsOk());
  const std::vector<std::string> texts = ReadEmbedTexts();
  const auto got = (*blocks)->Encode(Views(texts));
  const auto want = (*floats)->Encode(Views(texts));
  ASSERT_THAT(got, IsOk());
  ASSERT_THAT(want, IsOk());
  // Dense matrices are bfloat16 or float16: 8 or 11 bits of precision.
  EXPECT_LE(MaxDifference(*got, *want), MultipliesBfloat16() ? 1e-2f : 1e-3f);
  EXPECT_GT(MaxDifference(std::span(*want).first(kHidden),
                          std::span(*want).last(kHidden)),
            0.1f);
}

TEST_F(EncoderBlocksTest, TakeLessMemory) {
  const auto blocks = Load(model_.blocks), floats = Load(model_.floats);
  ASSERT_THAT(blocks, IsOk());
  ASSERT_THAT(floats, IsOk());
  const int64_t words = kVocabulary * kHidden;
  const int64_t dense = 4 * kHidden * kHidden + 2 * kHidden * kWide;
  EXPECT_EQ((*floats)->weight_bytes() - (*blocks)->weight_bytes(),
            words * 4 - words / 32 * 18 + dense * 2);
}

TEST_F(EncoderBlocksTest, RefusesRowsOfAnotherLength) {
  SafeTensor& words = model_.blocks.tensors[std::string(kWords) + ".q4_0"];
  words.shape = {kVocabulary * 18, 1};
  EXPECT_THAT(Load(model_.blocks),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("[5400, 1], want U8 [300, 18]")));
}

TEST_F(EncoderBlocksTest, NamesAMatrixThatIsNotThere) {
  model_.blocks.tensors.erase(std::string(kWords) + ".q4_0");
  EXPECT_THAT(Load(model_.blocks),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("no tensor embeddings.word_embeddings")));
}

}  // namespace
}  // namespace gist
