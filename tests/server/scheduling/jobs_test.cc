#include <string>

#include "gtest/gtest.h"
#include "server/scheduling/ask_job.h"
#include "server/scheduling/compress_job.h"

namespace gist {
namespace {

TEST(Utf8StreamTest, GivesWholeCharactersHoweverTheBytesArrive) {
  const std::string text =
      "a\xEB\xB9\x84\xF0\x9F\x94\x91z";  // 1, 3, 4, 1 bytes
  Utf8Stream stream;
  std::string out;
  std::vector<size_t> sizes;
  for (const char byte : text) {
    const std::string piece = stream.Add(std::string_view(&byte, 1));
    if (!piece.empty()) sizes.push_back(piece.size());
    out += piece;
  }
  EXPECT_EQ(out + stream.Finish(), text);
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 3, 4, 1}));
}

TEST(Utf8StreamTest, ReplacesWhatCanNeverBecomeACharacter) {
  Utf8Stream stream;
  EXPECT_EQ(stream.Add("a\xFF"
                       "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(stream.Add("\xEB\xB9"), "");
  EXPECT_EQ(stream.Add("c"),
            "\xEF\xBF\xBD\xEF\xBF\xBD"
            "c");
}

TEST(Utf8StreamTest, ReplacesACharacterThatNeverEnds) {
  Utf8Stream stream;
  EXPECT_EQ(stream.Add("a\xEB\xB9"), "a");
  EXPECT_EQ(stream.Finish(), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(stream.Finish(), "");
}

}  // namespace
}  // namespace gist
