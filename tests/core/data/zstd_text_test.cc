#include "core/data/zstd_text.h"

#include <fstream>

#include "core/data/json_lines.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string Compressed(const std::string& text) {
  auto bytes = CompressZstd(text);
  EXPECT_THAT(bytes, IsOk());
  return *std::move(bytes);
}

std::string Expanded(const std::string& bytes) {
  auto text = ExpandZstd(bytes);
  EXPECT_THAT(text, IsOk());
  return *std::move(text);
}

// Longer than the decoder's own buffer of 128 KiB.
std::string LongText() {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i * 7919) + "\n";
  return text;
}

TEST(ZstdTextTest, GivesBackWhatItTook) {
  for (const std::string& text : {std::string(), std::string("{}\n"),
                                  LongText(), std::string(300'000, 'a')}) {
    const std::string bytes = Compressed(text);
    EXPECT_TRUE(IsZstd(bytes));
    EXPECT_EQ(Expanded(bytes), text);
  }
  EXPECT_FALSE(IsZstd("{\"format\": 1}"));
}

TEST(ZstdTextTest, JoinsFrames) {
  EXPECT_EQ(Expanded(Compressed("one ") + Compressed("two")), "one two");
}

TEST(ZstdTextTest, FindsDamage) {
  const std::string bytes = Compressed(LongText());
  for (const size_t size : {size_t{4}, bytes.size() / 2, bytes.size() - 1}) {
    EXPECT_THAT(ExpandZstd(bytes.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("zstd: ")))
        << size;
  }
  std::string flipped = bytes;
  flipped[flipped.size() / 2] ^= 1;
  EXPECT_THAT(ExpandZstd(flipped),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")));
}

TEST(ReadTextFileTest, ExpandsZstdAndNamesADamagedFile) {
  const TempDir folder;
  const std::string path = folder / "a.jsonl.zst";
  std::ofstream(path, std::ios::binary) << Compressed("{}\n");
  EXPECT_EQ(ReadTextFile(path).value_or("?"), "{}\n");
  std::ofstream(path, std::ios::binary) << Compressed("{}\n").substr(0, 9);
  EXPECT_THAT(ReadTextFile(path),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(StartsWith(path), HasSubstr("cut short"))));
}

}  // namespace
}  // namespace gist
