#include "core/format/gguf_files.h"

#include <filesystem>
#include <fstream>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/format/gguf_writer.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

using Keys = std::map<std::string, GgufValue>;

// Three shards of a model with one tensor each, as llama-gguf-split makes them.
class GgufFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int number = 0; number < 3; ++number) Write(number, KeysOf(number));
  }

  static Keys KeysOf(int64_t number) {
    Keys keys = {{"split.no", number},
                 {"split.count", int64_t{3}},
                 {"split.tensors.count", int64_t{3}}};
    if (number == 0) keys["general.name"] = std::string("split");
    return keys;
  }
  std::string PathOf(int number) const {
    return folder_ / fmt::format("m-0000{}-of-00003.gguf", number + 1);
  }
  void Write(int number, const Keys& keys) {
    Write(number, keys, fmt::format("t{}", number));
  }
  void Write(int number, const Keys& keys, const std::string& tensor) {
    const std::string data(4, char('a' + number));
    std::ofstream(PathOf(number), std::ios::binary) << WriteGguf(
        keys, {{tensor, GgufTensor{tensor, GgmlType::kF32, {1}, data}}}, 32);
  }
  void ExpectError(const std::string& path, absl::StatusCode code,
                   const std::string& text) {
    const absl::Status status = OpenGguf(path).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(text));
  }

  const TempDir temp_;
  const fs::path folder_ = temp_.path();
};

TEST_F(GgufFilesTest, OpensAllShardsFromTheFirst) {
  auto opened = OpenGguf(PathOf(0));
  ASSERT_TRUE(opened.ok()) << opened.status();
  const GgufFiles model = *std::move(opened);
  EXPECT_EQ(*model.gguf.String("general.name"), "split");
  ASSERT_EQ(model.gguf.tensors().size(), 3u);
  EXPECT_EQ((*model.gguf.Tensor("t0"))->data, "aaaa");
  EXPECT_EQ((*model.gguf.Tensor("t2"))->data, "cccc");
  std::string sums;
  int64_t bytes = 0;
  for (int number = 0; number < 3; ++number) {
    sums += Sha256Hex(ReadFile(PathOf(number)));
    bytes += int64_t(fs::file_size(PathOf(number)));
  }
  EXPECT_EQ(model.Fingerprint(), Sha256Hex(sums));
  EXPECT_EQ(model.Bytes(), bytes);
}

TEST_F(GgufFilesTest, OneFileHasItsOwnFingerprint) {
  const std::string path = "tests/data/tiny/tiny.q4_0.gguf";
  const auto model = OpenGguf(path);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->Fingerprint(), Sha256Hex(ReadFile(path)));
  EXPECT_EQ(model->Bytes(), int64_t(fs::file_size(path)));
  // A split into one is no split, whatever the file is called.
  Write(0, {{"split.no", int64_t{0}}, {"split.count", int64_t{1}}});
  fs::rename(PathOf(0), folder_ / "renamed.gguf");
  EXPECT_TRUE(OpenGguf(folder_ / "renamed.gguf").ok());
}

TEST_F(GgufFilesTest, NamesAMissingShard) {
  fs::remove(PathOf(1));
  ExpectError(PathOf(0), absl::StatusCode::kNotFound,
              "shard 2 of 3: open " + PathOf(1));
}

TEST_F(GgufFilesTest, ALaterShardNamesTheFirst) {
  ExpectError(PathOf(2), absl::StatusCode::kInvalidArgument,
              "shard 3 of 3: name the first one, " + PathOf(0));
}

TEST_F(GgufFilesTest, RefusesARenamedShard) {
  fs::rename(PathOf(0), folder_ / "renamed.gguf");
  ExpectError(folder_ / "renamed.gguf", absl::StatusCode::kInvalidArgument,
              "ends in \"-00001-of-00003.gguf\"");
  fs::rename(PathOf(1), PathOf(0));
  ExpectError(PathOf(0), absl::StatusCode::kInvalidArgument,
              "ends in \"-00002-of-00003.gguf\"");
}

TEST_F(GgufFilesTest, RefusesAShardOfAnotherSplit) {
  for (const char* key : {"split.no", "split.count", "split.tensors.count"}) {
    Keys keys = KeysOf(1);
    keys[key] = int64_t{key == std::string("split.no") ? 2 : 4};
    Write(1, keys);
    ExpectError(PathOf(0), absl::StatusCode::kDataLoss,
                PathOf(1) + ": by its keys this is shard ");
  }
  Write(1, {});
  ExpectError(PathOf(0), absl::StatusCode::kDataLoss, "another split");
}

TEST_F(GgufFilesTest, RefusesTensorsThatAreTwiceOrMissing) {
  Write(1, KeysOf(1), "t0");
  ExpectError(PathOf(0), absl::StatusCode::kDataLoss,
              PathOf(1) + ": tensor \"t0\" is in an earlier shard too");
  for (int number = 0; number < 3; ++number) {
    Keys keys = KeysOf(number);
    keys["split.tensors.count"] = int64_t{4};
    Write(number, keys);
  }
  ExpectError(PathOf(0), absl::StatusCode::kDataLoss, "hold 3 tensors, want 4");
}

TEST_F(GgufFilesTest, RefusesCountsThatCannotBe) {
  for (const int64_t count : {int64_t{-1}, int64_t{100'000}}) {
    Keys keys = KeysOf(0);
    keys["split.count"] = count;
    Write(0, keys);
    ExpectError(PathOf(0), absl::StatusCode::kDataLoss, "split.count");
  }
  Keys keys = KeysOf(0);
  keys["split.no"] = int64_t{3};
  Write(0, keys);
  ExpectError(PathOf(0), absl::StatusCode::kDataLoss, "split.no is 3");
}

TEST_F(GgufFilesTest, ErrorsNameTheFile) {
  std::ofstream(PathOf(1)) << "GGUF";
  ExpectError(PathOf(0), absl::StatusCode::kDataLoss,
              "shard 2 of 3: " + PathOf(1) + ": gguf: ");
  ExpectError(PathOf(1), absl::StatusCode::kDataLoss, PathOf(1) + ": gguf: ");
}

}  // namespace
}  // namespace gist
