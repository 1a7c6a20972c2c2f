#include "core/base/status.h"

#include <memory>
#include <stdexcept>
#include <string>

#include "gtest/gtest.h"

namespace gist {
namespace {

absl::Status Twice(const absl::Status& first, int* reached) {
  GIST_RETURN_IF_ERROR(first);
  ++*reached;
  return absl::OkStatus();
}

absl::StatusOr<int> Length(absl::StatusOr<std::unique_ptr<std::string>> text) {
  GIST_ASSIGN_OR_RETURN(const std::unique_ptr<std::string> owned,
                        std::move(text));
  return int(owned->size());
}

TEST(ReturnIfErrorTest, ReturnsTheErrorAndNothingElseRuns) {
  int reached = 0;
  EXPECT_TRUE(absl::IsDataLoss(Twice(absl::DataLossError("bad"), &reached)));
  EXPECT_EQ(reached, 0);
  EXPECT_TRUE(Twice(absl::OkStatus(), &reached).ok());
  EXPECT_EQ(reached, 1);
}

TEST(AssignOrReturnTest, MovesTheValueOrReturnsTheError) {
  EXPECT_EQ(*Length(std::make_unique<std::string>("four")), 4);
  EXPECT_TRUE(absl::IsNotFound(Length(absl::NotFoundError("gone")).status()));
}

TEST(FenceTest, TurnsWhatIsThrownIntoInternal) {
  const auto known = Fence("reading x", []() -> absl::StatusOr<int> {
    throw std::runtime_error("disk on fire");
  });
  EXPECT_TRUE(absl::IsInternal(known.status()));
  EXPECT_EQ(Message(known.status()), "reading x: disk on fire");
  const auto unknown = Fence("reading x", []() -> absl::Status { throw 7; });
  EXPECT_TRUE(absl::IsInternal(unknown));
}

TEST(FenceTest, PassesResultsThrough) {
  const auto body = []() -> absl::StatusOr<int> { return 3; };
  EXPECT_EQ(*Fence("reading x", body), 3);
}

}  // namespace
}  // namespace gist
