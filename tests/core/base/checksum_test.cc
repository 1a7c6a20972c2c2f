#include "core/base/checksum.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

TEST(ChecksumTest, HashesPartsAsTheirConcatenation) {
  // XXH3-64 of the empty input, as the algorithm's specification gives it.
  EXPECT_EQ(Xxh3({}), 0x2d06800538d394c2);
  EXPECT_EQ(Xxh3({"ab", "", "c"}), Xxh3({"abc"}));
  EXPECT_NE(Xxh3({"ab", "c"}), Xxh3({"ab", "d"}));
}

TEST(ChecksumTest, UnsealsWhatWasSealed) {
  for (const std::string& payload :
       {std::string(), std::string("text\0\n", 6)}) {
    const std::string value = Seal("key", payload);
    const auto unsealed = Unseal("key", value);
    ASSERT_THAT(unsealed, IsOk());
    EXPECT_EQ(*unsealed, payload);
  }
}

TEST(ChecksumTest, RefusesEveryFlippedBitAndEveryTruncation) {
  const std::string whole = Seal("key", "payload");
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] ^= char(1 << bit % 8);
    EXPECT_TRUE(absl::IsDataLoss(Unseal("key", flipped).status())) << bit;
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto cut = Unseal("key", std::string_view(whole).substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(cut.status())) << size;
  }
}

TEST(ChecksumTest, RefusesAValueFoundUnderAnotherKey) {
  EXPECT_THAT(Unseal("other", Seal("key", "payload")),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
}

TEST(ChecksumTest, NamesANewerVersion) {
  const std::string body = "\2payload";
  const uint64_t sum = Xxh3({"key", body});
  const std::string value(reinterpret_cast<const char*>(&sum), sizeof(sum));
  EXPECT_THAT(Unseal("key", value + body),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("version 2, supported is 1")));
}

}  // namespace
}  // namespace gist
