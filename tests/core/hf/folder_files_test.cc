#include "core/hf/folder_files.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HfFolderFilesTest : public testing::Test {
 protected:
  void Put(const std::string& file, std::string_view text = "{}") {
    std::ofstream(folder_ / file) << text;
  }
  TempDir folder_;
};

TEST_F(HfFolderFilesTest, ListsWhatMakesTheModel) {
  for (const char* file : {"model.safetensors", "config.json", "tokenizer.json",
                           "README.md", "generation_config.json"}) {
    Put(file);
  }
  const auto files = HfFolderFiles(folder_.path());
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files, ElementsAre("config.json", "generation_config.json",
                                  "model.safetensors", "tokenizer.json"));
}

TEST_F(HfFolderFilesTest, ListsTheShards) {
  Put("config.json");
  Put("tokenizer.json");
  Put("model.safetensors.index.json",
      R"({"weight_map": {"a": "y.safetensors", "b": "x.safetensors",
          "c": "y.safetensors"}})");
  Put("x.safetensors");
  EXPECT_THAT(HfFolderFiles(folder_.path()),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr("the shard y.safetensors is missing")));
  Put("y.safetensors");
  const auto files = HfFolderFiles(folder_.path());
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files,
              ElementsAre("config.json", "model.safetensors.index.json",
                          "tokenizer.json", "x.safetensors", "y.safetensors"));
}

TEST_F(HfFolderFilesTest, SaysWhatIsMissing) {
  EXPECT_THAT(HfFolderFiles(folder_.path()),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr("neither model.safetensors nor")));
  Put("model.safetensors");
  Put("config.json");
  EXPECT_THAT(
      HfFolderFiles(folder_.path()),
      StatusIs(StatusCode::kNotFound, AllOf(HasSubstr("no tokenizer.json"),
                                            HasSubstr("or a GGUF file"))));
}

TEST(HfShardNamesTest, RefusesOtherForms) {
  for (const char* json :
       {"{}", R"({"weight_map": {}})", R"({"weight_map": ["a.safetensors"]})",
        R"({"weight_map": {"a": "b.bin"}})", R"({"weight_map": {"a": 1}})",
        R"({"weight_map": {"a": "../b.safetensors"}})", "[]", "no"}) {
    EXPECT_THAT(HfShardNames(json, "index"),
                StatusIs(StatusCode::kDataLoss, HasSubstr("index: ")))
        << json;
  }
}

}  // namespace
}  // namespace gist
