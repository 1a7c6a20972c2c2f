#include "core/text/words/token_finder.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gist {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Each part of `text`; a token's as its id and what it took.
std::vector<std::string> Parts(const TokenFinder& finder,
                               std::string_view text) {
  std::vector<std::string> parts;
  for (const TokenOrText& part : finder.Split(text)) {
    const std::string bytes(text.substr(part.begin, part.end - part.begin));
    parts.push_back(part.id < 0 ? bytes
                                : std::to_string(part.id) + ":" + bytes);
  }
  return parts;
}

TEST(TokenFinderTest, TakesTheLongestOfTheLeftmost) {
  TokenFinder finder;
  finder.Add("\n", {1});
  finder.Add("\n\n\n", {3});
  finder.Add("\n\n", {2});
  finder.Add("", {4});
  EXPECT_THAT(Parts(finder, "a\n\n\n\nb\n"),
              ElementsAre("a", "3:\n\n\n", "1:\n", "b", "1:\n"));
  EXPECT_THAT(Parts(finder, ""), IsEmpty());
  EXPECT_THAT(Parts(TokenFinder(), "ab"), ElementsAre("ab"));
}

TEST(TokenFinderTest, TakesTheSpaceAroundAToken) {
  TokenFinder finder;
  finder.Add("<r>", {1, false, true});
  finder.Add("<l>", {2, true, false});
  EXPECT_THAT(Parts(finder, "a <r> \u3000\nb  <l> c"),
              ElementsAre("a ", "1:<r> \u3000\n", "b", "2:  <l>", " c"));
  EXPECT_THAT(Parts(finder, "<r>  <l>"), ElementsAre("1:<r>  ", "2:<l>"));
}

}  // namespace
}  // namespace gist
