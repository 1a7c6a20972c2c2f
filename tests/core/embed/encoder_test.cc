// The encoder's arithmetic on a tiny random BERT, and what it refuses.
#include "core/embed/encoder.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/core/embed/encoder_golden.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr char kTiny[] = "tests/data/embed/tiny";

class EncoderTest : public testing::Test {
 protected:
  void SetUp() override {
    auto encoder = SentenceEncoder::Load(kTiny);
    ASSERT_THAT(encoder, IsOk());
    encoder_ = *std::move(encoder);
  }

  std::vector<float> Encode(std::vector<std::string_view> texts) const {
    auto rows = encoder_->Encode(texts);
    EXPECT_THAT(rows, IsOk());
    return rows.ok() ? *std::move(rows) : std::vector<float>();
  }

  std::unique_ptr<SentenceEncoder> encoder_;
};

TEST_F(EncoderTest, SaysWhatItIs) {
  EXPECT_EQ(encoder_->dimensions(), 24);
  EXPECT_EQ(encoder_->max_text_tokens(), 22);
  EXPECT_EQ(encoder_->fingerprint().size(), 64);
  EXPECT_GT(encoder_->weight_bytes(), 50'000);
}

TEST_F(EncoderTest, EqualsTheReference) {
  ExpectReference(*encoder_, Golden("embed/tiny/golden.safetensors"), 1e-6,
                  2e-6f);
}

TEST_F(EncoderTest, ARowDoesNotDependOnTheOthers) {
  const std::vector<std::string> texts = ReadEmbedTexts();
  std::vector<std::string_view> many;
  for (int i = 0; i < 20; ++i) {  // more than one batch
    for (const std::string& text : texts) many.push_back(text);
  }
  const std::vector<float> together = Encode(many);
  ASSERT_EQ(together.size(), many.size() * 24);
  for (size_t i = 0; i < many.size(); ++i) {
    const std::vector<float> alone = Encode({many[i]});
    EXPECT_LE(MaxDifference(alone, std::span(together).subspan(i * 24, 24)),
              2e-6f)
        << "text " << i;
  }
}

TEST_F(EncoderTest, RowsHaveLengthOne) {
  for (const char* text : {"", "a", "The secret passkey is 482913."}) {
    float square = 0;
    for (const float x : Encode({text})) square += x * x;
    EXPECT_NEAR(square, 1, 1e-5) << text;
  }
}

TEST_F(EncoderTest, NoTextsAreNoRows) { EXPECT_TRUE(Encode({}).empty()); }

TEST_F(EncoderTest, NamesTheTextThatIsNotUtf8) {
  const std::vector<std::string_view> texts = {"a", "b\xFF"};
  EXPECT_THAT(encoder_->Encode(texts),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("text 1 of 2: text: byte 1")));
}

// --- files ------------------------------------------------------------------

class EncoderFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy(kTiny, folder_, fs::copy_options::recursive);
  }

  void Edit(const std::string& name,
            const std::function<void(nlohmann::json&)>& edit) {
    nlohmann::json json;
    std::ifstream(folder_ / name) >> json;
    edit(json);
    std::ofstream(folder_ / name) << json.dump();
  }
  void ExpectRefused(absl::StatusCode code, const std::string& text) {
    EXPECT_THAT(SentenceEncoder::Load(folder_.string()),
                StatusIs(code, HasSubstr(text)));
  }

  const TempDir temp_;
  const fs::path folder_ = temp_ / "model";
};

TEST_F(EncoderFilesTest, ReadsWithoutTheFilesThatSayWhatIsUsual) {
  fs::remove_all(folder_ / "1_Pooling");
  fs::remove(folder_ / "sentence_bert_config.json");
  const auto encoder = SentenceEncoder::Load(folder_.string());
  ASSERT_THAT(encoder, IsOk());
  EXPECT_EQ((*encoder)->max_text_tokens(), 30);
}

TEST_F(EncoderFilesTest, AnotherLimitIsAnotherFingerprint) {
  const auto before = SentenceEncoder::Load(folder_.string());
  Edit("sentence_bert_config.json",
       [](auto& json) { json["max_seq_length"] = 16; });
  const auto after = SentenceEncoder::Load(folder_.string());
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ((*after)->max_text_tokens(), 14);
  EXPECT_NE((*before)->fingerprint(), (*after)->fingerprint());
}

TEST_F(EncoderFilesTest, RefusesAFolderThatIsNotThere) {
  fs::remove_all(folder_);
  ExpectRefused(absl::StatusCode::kNotFound, "config.json");
}

TEST_F(EncoderFilesTest, RefusesAnotherArchitecture) {
  Edit("config.json", [](auto& json) { json["model_type"] = "roberta"; });
  ExpectRefused(absl::StatusCode::kUnimplemented, "roberta");
}

TEST_F(EncoderFilesTest, RefusesAnotherActivation) {
  Edit("config.json", [](auto& json) { json["hidden_act"] = "gelu_new"; });
  ExpectRefused(absl::StatusCode::kUnimplemented, "gelu_new");
}

TEST_F(EncoderFilesTest, RefusesAnotherPooling) {
  Edit("1_Pooling/config.json", [](auto& json) {
    json["pooling_mode_mean_tokens"] = false;
    json["pooling_mode_max_tokens"] = true;
  });
  ExpectRefused(absl::StatusCode::kUnimplemented, "pooling_mode_mean_tokens");
}

TEST_F(EncoderFilesTest, RefusesALayerBehindThePooling) {
  const auto write = [&](const char* type) {
    std::ofstream(folder_ / "modules.json") << nlohmann::json::array(
        {{{"type", "sentence_transformers.models.Pooling"}}, {{"type", type}}});
  };
  write("sentence_transformers.models.Dense");
  ExpectRefused(absl::StatusCode::kUnimplemented, "models.Dense");
  write("sentence_transformers.models.Normalize");
  EXPECT_THAT(SentenceEncoder::Load(folder_.string()), IsOk());
}

// XLM-RoBERTa, whose positions count from 2, with a Unigram tokenizer.
class MultilingualEncoderTest : public EncoderFilesTest {
 protected:
  void SetUp() override {
    fs::copy(kMultilingual, folder_, fs::copy_options::recursive);
    fs::copy("tests/data/unigram/tokenizer.json", folder_);
  }

  static constexpr char kMultilingual[] = "tests/data/embed/tiny_multilingual";
};

TEST_F(MultilingualEncoderTest, EqualsTheReference) {
  const auto encoder = SentenceEncoder::Load(folder_.string());
  ASSERT_THAT(encoder, IsOk());
  EXPECT_EQ((*encoder)->max_text_tokens(), 30);
  ExpectReference(**encoder,
                  Golden("embed/tiny_multilingual/golden.safetensors"), 1e-6,
                  2e-6f);
}

TEST_F(MultilingualEncoderTest, TakesTheFirstTokenWhereTheModelDoes) {
  const auto mean = SentenceEncoder::Load(folder_.string());
  fs::create_directory(folder_ / "1_Pooling");
  std::ofstream(folder_ / "1_Pooling/config.json")
      << R"({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})";
  const auto encoder = SentenceEncoder::Load(folder_.string());
  ASSERT_THAT(encoder, IsOk());
  ExpectReference(**encoder,
                  Golden("embed/tiny_multilingual/first.safetensors"), 1e-6,
                  2e-6f);
  EXPECT_NE((*mean)->fingerprint(), (*encoder)->fingerprint());
}

TEST_F(MultilingualEncoderTest, RefusesAnotherPadding) {
  Edit("config.json", [](auto& json) { json["pad_token_id"] = 0; });
  ExpectRefused(absl::StatusCode::kUnimplemented, "pad_token_id");
}

TEST_F(EncoderFilesTest, RefusesSizesThatContradictEachOther) {
  Edit("config.json", [](auto& json) { json["num_attention_heads"] = 5; });
  ExpectRefused(absl::StatusCode::kDataLoss, "5 heads");
  Edit("config.json", [](auto& json) { json["num_attention_heads"] = 0; });
  ExpectRefused(absl::StatusCode::kDataLoss, "num_attention_heads");
  Edit("config.json", [](auto& json) {
    json["num_attention_heads"] = 3;
    json["intermediate_size"] = 41;
  });
  ExpectRefused(absl::StatusCode::kDataLoss, "[40, 24], want [41, 24]");
  Edit("config.json", [](auto& json) {
    json["intermediate_size"] = 40;
    json["num_hidden_layers"] = 3;
  });
  ExpectRefused(absl::StatusCode::kDataLoss, "encoder.layer.2");
  Edit("config.json", [](auto& json) { json["vocab_size"] = 299; });
  ExpectRefused(absl::StatusCode::kDataLoss, "299");
}

TEST_F(EncoderFilesTest, RefusesALimitBeyondThePositions) {
  Edit("sentence_bert_config.json",
       [](auto& json) { json["max_seq_length"] = 33; });
  ExpectRefused(absl::StatusCode::kDataLoss, "33, want 3 to 32");
}

TEST_F(EncoderFilesTest, RefusesTruncatedWeights) {
  const fs::path path = folder_ / "model.safetensors";
  fs::resize_file(path, fs::file_size(path) - 1);
  ExpectRefused(absl::StatusCode::kDataLoss, "model.safetensors");
}

TEST_F(EncoderFilesTest, SaysWhatIsNotADevice) {
  EXPECT_THAT(SentenceEncoder::Load(kTiny, "gpu"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("gpu")));
}

}  // namespace
}  // namespace gist
