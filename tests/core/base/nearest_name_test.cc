#include "core/base/nearest_name.h"

#include <vector>

#include "gtest/gtest.h"

namespace gist {
namespace {

const std::vector<std::string> kNames = {"listen", "admin", "max_queue",
                                         "max_queued_tokens"};

TEST(NearestNameTest, FindsAMistypedName) {
  EXPECT_EQ(NearestName("lissten", kNames), "listen");
  EXPECT_EQ(NearestName("max_qeue", kNames), "max_queue");
  EXPECT_EQ(NearestName("max_queued_token", kNames), "max_queued_tokens");
  EXPECT_EQ(NearestName("admin", kNames), "admin");
}

TEST(NearestNameTest, SaysNothingWhereNoneIsNear) {
  EXPECT_EQ(NearestName("temperature", kNames), "");
  EXPECT_EQ(NearestName("", {}), "");
  EXPECT_EQ(NearestName(std::string(100'000, 'x'), kNames), "");
}

}  // namespace
}  // namespace gist
