#include "server/serving/token_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace gist {
namespace {

// `bytes_per_token` bytes are a token. Counts what it is handed.
class Counter {
 public:
  explicit Counter(size_t bytes_per_token)
      : bytes_per_token_(bytes_per_token) {}
  LimitedTokens UpTo(int64_t limit, std::string_view text) {
    const auto tokens =
        TokenizeUpTo(limit, text, [this](std::string_view beginning) {
          bytes_ += beginning.size();
          return std::vector<int32_t>(
              (beginning.size() + bytes_per_token_ - 1) / bytes_per_token_);
        });
    EXPECT_THAT(tokens, IsOk());
    return tokens.value_or(LimitedTokens());
  }
  size_t bytes() const { return bytes_; }

 private:
  const size_t bytes_per_token_;
  size_t bytes_ = 0;
};

TEST(TokenLimitTest, ATextWithinTheLimitIsTokenizedOnceAndWhole) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4000}}) {
    Counter counter(4);
    const std::string text(size, 'a');
    const LimitedTokens tokens = counter.UpTo(1000, text);
    EXPECT_EQ(tokens.ids.size(), (size + 3) / 4);
    EXPECT_EQ(tokens.bytes, size);
    EXPECT_EQ(counter.bytes(), size);
    EXPECT_EQ(InFirstBytes(tokens, text), "");
  }
}

TEST(TokenLimitTest, OfATextFarBeyondTheLimitABeginningIsTokenized) {
  Counter counter(4);
  const std::string text(60'000'000, 'a');
  const LimitedTokens tokens = counter.UpTo(262'144, text);
  EXPECT_GT(tokens.ids.size(), 262'144u);
  EXPECT_LT(counter.bytes(), 5'000'000u);
  EXPECT_EQ(tokens.bytes, counter.bytes());
  EXPECT_EQ(InFirstBytes(tokens, text),
            fmt::format(" in the first {} bytes", counter.bytes()));
}

// As those of long runs of spaces.
TEST(TokenLimitTest, LongTokensAreCountedAllTheSame) {
  Counter counter(100);
  const std::string text(100'000, 'a');
  const LimitedTokens fits = counter.UpTo(1000, text);
  EXPECT_EQ(fits.ids.size(), 1000u);
  EXPECT_EQ(fits.bytes, text.size());
  EXPECT_LT(counter.bytes(), 2 * text.size());
  EXPECT_EQ(Counter(100).UpTo(999, text).ids.size(), 1000u);
}

TEST(TokenLimitTest, ABeginningEndsBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "\xED\x95\x9C";  // one character
  const LimitedTokens tokens = Counter(1).UpTo(10, text);
  EXPECT_GT(tokens.ids.size(), 10u);
  EXPECT_LT(tokens.bytes, 1000u);
  EXPECT_EQ(tokens.bytes % 3, 0u);
}

TEST(TokenLimitTest, AnyLimitIsTaken) {
  const std::string text(100, 'a');
  EXPECT_EQ(Counter(1).UpTo(std::numeric_limits<int64_t>::max(), text).bytes,
            100u);
  EXPECT_EQ(Counter(1).UpTo(0, text).ids.size(), 100u);
}

TEST(TokenLimitTest, ErrorsAreTheTokenizers) {
  EXPECT_THAT(TokenizeUpTo(1, std::string(1000, 'a'),
                           [](std::string_view) {
                             return absl::InvalidArgumentError("not UTF-8");
                           }),
              StatusIs(absl::StatusCode::kInvalidArgument, "not UTF-8"));
}

}  // namespace
}  // namespace gist
