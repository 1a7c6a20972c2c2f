#include "core/base/utf8.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace gist {
namespace {

std::string Encode(uint32_t point) {
  const auto rest = [&](int shift) {
    return char(0x80 | ((point >> shift) & 0x3f));
  };
  if (point < 0x80) return {char(point)};
  if (point < 0x800) return {char(0xc0 | point >> 6), rest(0)};
  if (point < 0x10000) return {char(0xe0 | point >> 12), rest(6), rest(0)};
  return {char(0xf0 | point >> 18), rest(12), rest(6), rest(0)};
}

bool IsSurrogate(uint32_t point) { return point >= 0xd800 && point < 0xe000; }

// Every well-formed sequence, and every proper prefix of one.
struct Sequences {
  std::set<std::string> whole, begun;
};

const Sequences& All() {
  static const Sequences all = [] {
    Sequences made;
    for (uint32_t point = 0; point <= 0x10ffff; ++point) {
      if (IsSurrogate(point)) continue;
      const std::string bytes = Encode(point);
      made.whole.insert(made.whole.end(), bytes);
      // Beyond the first of its kind the prefix is there already.
      for (size_t size = bytes.size() - 1; size > 0; --size) {
        if (!made.begun.insert(bytes.substr(0, size)).second) break;
      }
    }
    return made;
  }();
  return all;
}

// Four bytes, each at or next to a limit of RFC 3629's table.
std::vector<std::string> EdgeStrings() {
  const std::string edges =
      "\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee"
      "\xef\xf0\xf1\xf3\xf4\xf5\xff";
  std::vector<std::string> strings;
  for (char a : edges)
    for (char b : edges)
      for (char c : edges)
        for (char d : edges) strings.push_back({a, b, c, d});
  return strings;
}

size_t FirstInvalidByDefinition(const std::string& text) {
  size_t offset = 0;
  while (offset < text.size()) {
    size_t length = 1;
    while (length <= 4 && !All().whole.contains(text.substr(offset, length)))
      ++length;
    if (length > 4 || offset + length > text.size()) return offset;
    offset += length;
  }
  return text.size();
}

size_t CompletePrefixByDefinition(const std::string& bytes) {
  for (size_t start = bytes.size() - std::min<size_t>(bytes.size(), 3);
       start < bytes.size(); ++start) {
    if (All().begun.contains(bytes.substr(start))) return start;
  }
  return bytes.size();
}

TEST(FirstInvalidUtf8Test, AcceptsEveryCodePoint) {
  std::string text;
  for (uint32_t point = 0; point <= 0x10ffff; ++point) {
    if (!IsSurrogate(point)) text += Encode(point);
  }
  EXPECT_EQ(FirstInvalidUtf8(text), text.size());
}

TEST(FirstInvalidUtf8Test, RejectsSurrogatesAndBeyondTheLastCodePoint) {
  for (uint32_t point = 0xd800; point < 0xe000; ++point)
    ASSERT_EQ(FirstInvalidUtf8("ab" + Encode(point)), 2u) << point;
  EXPECT_EQ(FirstInvalidUtf8("ab" + Encode(0x110000)), 2u);
}

TEST(FirstInvalidUtf8Test, EqualsTheDefinitionAtEveryEdge) {
  for (const std::string& text : EdgeStrings()) {
    ASSERT_EQ(FirstInvalidUtf8(text), FirstInvalidByDefinition(text))
        << testing::PrintToString(text);
  }
}

TEST(FirstInvalidUtf8Test, GivesTheOffsetOfACutSequence) {
  const std::string text = "ok \xed\x95\x9c";
  EXPECT_EQ(FirstInvalidUtf8(text), text.size());
  EXPECT_EQ(FirstInvalidUtf8(text.substr(0, 5)), 3u);
  EXPECT_EQ(FirstInvalidUtf8(""), 0u);
}

TEST(CompleteUtf8PrefixTest, EqualsTheDefinitionAtEveryEdge) {
  for (const std::string& text : EdgeStrings()) {
    ASSERT_EQ(CompleteUtf8Prefix(text), CompletePrefixByDefinition(text))
        << testing::PrintToString(text);
  }
}

TEST(CompleteUtf8PrefixTest, AStreamCutAnywhereArrivesWhole) {
  const std::string text = "a\xc3\xa9\xed\x95\x9c\xf0\x9f\x98\x80z";
  std::string pending, sent;
  for (char byte : text) {
    pending += byte;
    const size_t ready = CompleteUtf8Prefix(pending);
    sent += pending.substr(0, ready);
    ASSERT_EQ(FirstInvalidUtf8(sent), sent.size());
    pending.erase(0, ready);
  }
  EXPECT_EQ(sent, text);
}

TEST(CompleteUtf8PrefixTest, DoesNotWaitForWhatNoByteCanComplete) {
  EXPECT_EQ(CompleteUtf8Prefix("a\xe0\x80"), 3u);
  EXPECT_EQ(CompleteUtf8Prefix("a\xff"), 2u);
  EXPECT_EQ(CompleteUtf8Prefix("a\x80\x80"), 3u);
  EXPECT_EQ(CompleteUtf8Prefix(""), 0u);
}

}  // namespace
}  // namespace gist
