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

// Each value names its part, layer, head, token and dimension.
GistKv Numbered(int part, int gist_tokens) {
  GistKv gists{2, 3, gist_tokens, 2, {}, {}};
  for (int layer = 0; layer < 2; ++layer)
    for (int head = 0; head < 3; ++head)
      for (int token = 0; token < gist_tokens; ++token)
        for (int dim = 0; dim < 2; ++dim) {
          const auto value = float(part * 10000 + layer * 1000 + head * 100 +
                                   token * 10 + dim);
          gists.keys.push_back(value);
          gists.values.push_back(-value);
        }
  return gists;
}

TEST(JoinGistsTest, PutsTokensBehindEachOtherInEveryLayerAndHead) {
  const GistKv joined = JoinGists({Numbered(1, 2), Numbered(2, 1)});
  EXPECT_EQ(joined.gist_tokens, 3);
  ASSERT_EQ(joined.keys.size(), joined.Elements());
  ASSERT_EQ(joined.values.size(), joined.Elements());
  const auto key = [&](int layer, int head, int token, int dim) {
    return joined.keys[size_t(((layer * 3 + head) * 3 + token) * 2 + dim)];
  };
  EXPECT_EQ(key(0, 0, 0, 0), 10000);
  EXPECT_EQ(key(0, 0, 2, 1), 20001);
  EXPECT_EQ(key(1, 2, 1, 1), 11211);
  EXPECT_EQ(key(1, 2, 2, 0), 21200);
  EXPECT_EQ(joined.values.back(), -21201);
}

TEST(JoinGistsTest, OnePartStaysWhatItIs) {
  EXPECT_EQ(JoinGists({Numbered(1, 4)}), Numbered(1, 4));
}

}  // namespace
}  // namespace gist
