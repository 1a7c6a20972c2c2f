// Tokens without a row in the embedding are refused at load, if a prompt can
// hold them.
#include "core/model/model_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/model/edited_model.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

// The tiny model: 300 tokens, a row each.
class ModelTextTest : public testing::Test {
 protected:
  void AddToken(const std::string& token, int64_t type) {
    std::get<std::vector<std::string>>(model_.values["tokenizer.ggml.tokens"])
        .push_back(token);
    std::get<std::vector<int64_t>>(model_.values["tokenizer.ggml.token_type"])
        .push_back(type);
  }
  void DropRow() {
    GgufTensor& embedding = model_.tensors["token_embd.weight"];
    embedding.data.remove_suffix(embedding.data.size() /
                                 size_t(embedding.dims[1]));
    embedding.dims[1] -= 1;
  }
  absl::Status Read() const {
    const auto source = ModelSource::Open(model_.Write());
    return source.ok() ? ReadModelText(**source, "").status() : source.status();
  }

  EditedModel model_{"tests/data/tiny/tiny.f32.gguf"};
};

TEST_F(ModelTextTest, TakesATokenBeyondTheRowsThatNoPromptHolds) {
  EXPECT_THAT(Read(), IsOk());
  AddToken("<image_soft_token>", kControl);  // Gemma 3's
  AddToken("<|turn|>", kUserDefined);        // marks a turn: not found in texts
  AddToken("padding", kUnused);
  AddToken("qzqz", kNormal);  // no merge makes it
  EXPECT_THAT(Read(), IsOk());
}

TEST_F(ModelTextTest, RefusesATokenBeyondTheRowsThatATextHolds) {
  AddToken("<image>", kUserDefined);
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("token 300 \"<image>\""),
                                     HasSubstr("has 300 rows"),
                                     HasSubstr("same model"))));
}

TEST_F(ModelTextTest, RefusesAMergeBeyondTheRows) {
  DropRow();
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("a text can hold token 299 "
                                               "\"st\""),
                                     HasSubstr("has 299 rows"))));
}

TEST_F(ModelTextTest, RefusesATokenBeyondTheRowsThatTheTemplateHolds) {
  AddToken("<s>", kControl);
  model_.values["tokenizer.ggml.bos_token_id"] = int64_t{300};
  model_.values["tokenizer.ggml.add_bos_token"] = true;
  EXPECT_THAT(Read(),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("the chat template can hold token 300"),
                             HasSubstr("has 300 rows"))));
}

}  // namespace
}  // namespace gist
