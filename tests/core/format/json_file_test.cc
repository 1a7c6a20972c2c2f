#include "core/format/json_file.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string Nested(int levels) {
  return std::string(size_t(levels), '[') + std::string(size_t(levels), ']');
}

TEST(JsonFile, ReadsAnObject) {
  const TempDir folder;
  std::ofstream(folder / "a.json") << R"({"a": [1, {"b": "x"}]})";
  const auto json = ReadJsonFile(folder / "a.json");
  ASSERT_THAT(json, IsOk());
  EXPECT_EQ(FieldOf((*json)["a"][1], "b"), "x");
}

TEST(JsonFile, NamesTheFileAndWhatItIs) {
  const TempDir folder;
  std::ofstream(folder / "a.json") << "[1]";
  EXPECT_THAT(ReadJsonFile(folder / "a.json"),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("a.json"), HasSubstr("found array"))));
  EXPECT_THAT(ParseJson("{", "reply"),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("reply: want a JSON object, found no JSON")));
}

TEST(JsonFile, TakesTheDeepestThatIsAllowed) {
  EXPECT_THAT(ParseJson(Nested(kMostJsonDepth), "x", Json::value_t::array),
              IsOk());
  EXPECT_THAT(
      ParseJson(Nested(kMostJsonDepth + 1), "x", Json::value_t::array),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("at most 64 levels")));
}

// 200,000 levels overflow the stack of a function that prints them.
TEST(JsonFile, RefusesWhatIsNestedVeryDeep) {
  EXPECT_THAT(ParseJson("{\"a\": " + Nested(200'000) + "}", "x"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("levels")));
}

TEST(JsonFile, BracketsInStringsAreNoLevels) {
  const std::string many(1000, '[');
  EXPECT_THAT(
      ParseJson(R"({"a\"[": ")" + many + R"(\\", "b": ")" + many + "\"}", "x"),
      IsOk());
}

}  // namespace
}  // namespace gist
