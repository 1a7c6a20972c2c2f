#include "client/tools/bring_model.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/python.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(BringModelTest, LeavesPathsAlone) {
  const auto path = BringModel("models/a.gguf");
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(*path, "models/a.gguf");
}

TEST(BringModelTest, FetchesFromTheHubOfTheEnvironment) {
  const TempDir folder;
  const std::string files = folder / "hub/models/owner/name";
  std::filesystem::create_directories(files);
  std::ofstream(files + "/a.gguf") << "bytes";
  Python server({"tests/core/hub/hub_server.py", folder.path()});
  const std::string url = "http://127.0.0.1:" + server.ReadLine() + "/hub";
  setenv("HF_ENDPOINT", url.c_str(), 1);
  setenv("HF_HUB_CACHE", (folder / "cache").c_str(), 1);
  unsetenv("HF_HUB_OFFLINE");
  testing::internal::CaptureStderr();
  const auto path = BringModel("hf:owner/name:a.gguf");
  const std::string told = testing::internal::GetCapturedStderr();
  ASSERT_THAT(path, IsOk());
  EXPECT_THAT(*path, StartsWith(folder / "cache/models--owner--name/"));
  std::string bytes;
  std::ifstream(*path) >> bytes;
  EXPECT_EQ(bytes, "bytes");
  EXPECT_THAT(told, HasSubstr("fetched a.gguf, 5 B"));
  setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_THAT(BringModel("hf:owner/other"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("owner/other")));
}

}  // namespace
}  // namespace gist::client
