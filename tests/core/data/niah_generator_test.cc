#include "core/data/niah_generator.h"

#include <algorithm>
#include <set>

#include "core/data/record_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using ::testing::HasSubstr;

// A word with the space in front of it is a token.
absl::StatusOr<int> Words(std::string_view text) {
  return int(std::count(text.begin(), text.end(), ' ')) +
         (!text.empty() && text.front() != ' ');
}

std::shared_ptr<const NiahSource> Source(const std::string& family,
                                         const std::string& language = "en") {
  NiahOptions options;
  options.split = Split::kTest;
  options.languages = {{language, 1}};
  options.families = {{family, 1}};
  return *NiahSource::Create(options, nullptr);
}

std::vector<Record> Draw(const std::shared_ptr<const NiahSource>& source,
                         const NiahFileOptions& options, int count) {
  auto generator = NiahGenerator::Create(source, options, Words);
  EXPECT_THAT(generator, IsOk());
  std::vector<Record> records;
  for (int i = 0; i < count; ++i) {
    const auto record = generator->Next();
    EXPECT_THAT(record, IsOk());
    records.push_back(*record);
  }
  return records;
}

TEST(HaystackTest, FillsTheLengthAndKeepsTheOrder) {
  const std::vector<PlacedNeedle> needles = {{"N one.", 0.5}, {"N two.", 0.5}};
  const std::vector<std::string> filler = {"a b c.", "d e f.", "g h i j k l.",
                                           "m n."};
  const auto haystack = BuildHaystack(needles, filler, 12, Words);
  ASSERT_THAT(haystack, IsOk());
  EXPECT_EQ(haystack->text, "a b c. d e f. N one. N two.");
  EXPECT_EQ(haystack->tokens, 10);
  EXPECT_EQ(haystack->text.substr(haystack->offsets[1]), "N two.");
}

TEST(HaystackTest, PutsNeedlesAtBothEnds) {
  const std::vector<PlacedNeedle> needles = {{"End.", 1}, {"Start.", 0}};
  const std::vector<std::string> filler = {"a b c d e.", "f g h i j."};
  const auto haystack = BuildHaystack(needles, filler, 30, Words);
  ASSERT_THAT(haystack, IsOk());
  EXPECT_EQ(haystack->text, "Start. a b c d e. f g h i j. End.");
  EXPECT_EQ(haystack->offsets[1], 0u);
}

TEST(HaystackTest, SaysWhenNeedlesAloneAreTooLong) {
  const std::vector<PlacedNeedle> needles = {{"a b c d e f", 0.5}};
  EXPECT_THAT(BuildHaystack(needles, {}, 5, Words).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("5 tokens: its 1 needle sentences alone")));
}

TEST(NiahGeneratorTest, ComesCloseToTheLengthAndNeverAboveIt) {
  NiahFileOptions options;
  options.tokens = {300, 1000, 4000};
  for (const auto language : {"en", "ko"}) {
    const auto records = Draw(Source("passkey", language), options, 30);
    for (size_t i = 0; i < records.size(); ++i) {
      const int length = options.tokens[i % 3];
      EXPECT_LE(records[i].tokens, length);
      EXPECT_GE(records[i].tokens, length - 20);
      EXPECT_EQ(records[i].tokens, *Words(records[i].context));
    }
  }
}

TEST(NiahGeneratorTest, SpreadsLengthsOverTheRange) {
  const auto records = Draw(Source("passkey"), {}, 200);
  double sum = 0;
  for (const Record& record : records) {
    EXPECT_GE(record.tokens, 1980);
    EXPECT_LE(record.tokens, 8000);
    sum += record.tokens;
  }
  EXPECT_NEAR(sum / 200, 5000, 50);
}

TEST(NiahGeneratorTest, HidesTheNeedleOnceAtTheDepthThatItStates) {
  NiahFileOptions options;
  options.tokens = {1000};
  for (int i = 0; i < 5; ++i) options.depths = {{0.2, 0.4}, {0.6, 0.8}};
  const auto records = Draw(Source("passkey", "ko"), options, 40);
  for (size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    const size_t at = record.context.find(record.needle);
    ASSERT_NE(at, record.context.npos);
    EXPECT_EQ(record.context.find(record.answer, at + record.needle.size()),
              record.context.npos);
    const auto points = [](std::string_view text) {
      return std::count_if(text.begin(), text.end(),
                           [](char c) { return (c & 0xc0) != 0x80; });
    };
    EXPECT_EQ(record.context_length_chars, points(record.context));
    EXPECT_NEAR(record.needle_position,
                double(points(record.context.substr(0, at))) /
                    double(points(record.context)),
                1e-9);
    const DepthRange range = options.depths[i % 2];
    EXPECT_GE(record.depth, range.low - 0.05);
    EXPECT_LE(record.depth, range.high + 0.05);
  }
}

TEST(NiahGeneratorTest, AsksEachFactOfADocument) {
  NiahFileOptions options;
  options.tokens = {1000};
  const auto records = Draw(Source("keyed"), options, 60);
  size_t shared = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_THAT(records[i].context, HasSubstr(records[i].needle));
    if (i > 0) shared += records[i].context == records[i - 1].context;
  }
  EXPECT_GT(shared, 20u);
}

TEST(NiahGeneratorTest, WritesOnlyFamiliesThatWereAskedFor) {
  NiahFileOptions options;
  options.tokens = {1000};
  for (const Record& record : Draw(Source("absent"), options, 40)) {
    EXPECT_EQ(record.family, "absent");
    EXPECT_EQ(record.needle, "");
  }
}

TEST(NiahGeneratorTest, SpreadsOverviewSentencesInTheirOrder) {
  NiahFileOptions options;
  options.tokens = {2000};
  for (const Record& record : Draw(Source("overview"), options, 20)) {
    EXPECT_LT(record.needle_position, 0.4);
    EXPECT_EQ(record.context.find(record.needle), record.context.npos);
  }
}

TEST(NiahGeneratorTest, RepeatsItselfForASeed) {
  NiahFileOptions options;
  const auto all = [&](uint64_t seed) {
    options.seed = seed;
    std::string text;
    for (const Record& record : Draw(Source("keyed"), options, 12)) {
      text += ToJsonLine(record);
    }
    return text;
  };
  const std::string one = all(1);
  EXPECT_TRUE(one == all(1));
  EXPECT_TRUE(one != all(2));
}

TEST(NiahGeneratorTest, SeriesOfOneSeedShareNoAnswers) {
  std::set<std::string> answers;
  for (const std::string series : {"en", "ko"}) {
    NiahFileOptions options;
    options.series = series;
    for (const Record& record : Draw(Source("passkey"), options, 20)) {
      EXPECT_TRUE(answers.insert(record.answer).second) << record.answer;
    }
  }
}

TEST(NiahGeneratorTest, RefusesLengthsAndDepthsOutOfRange) {
  const auto refused = [](NiahFileOptions options) {
    return NiahGenerator::Create(Source("passkey"), options, Words).status();
  };
  const auto invalid = [](const char* text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(refused({.tokens = {3}}), invalid("documents of 3 tokens"));
  EXPECT_THAT(refused({.min_tokens = 900, .max_tokens = 800}), invalid("900"));
  EXPECT_THAT(refused({.depths = {{0.5, 1.5}}}), invalid("1.5"));
  EXPECT_THAT(refused({.depths = {}}), invalid("no depth"));
}

}  // namespace
}  // namespace gist
