#include "core/base/installation.h"

#include <filesystem>

#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

TEST(InstallationTest, IsTheRootAboveABuildFolder) {
  EXPECT_EQ(InstallationFolderOf("/src/gistd/build/release/gistd"),
            "/src/gistd");
  EXPECT_EQ(InstallationFolderOf("/none/bin/gistd"), "/");
}

TEST(InstallationTest, IsShareGistdBesideBin) {
  const TempDir prefix;
  std::filesystem::create_directories(prefix / "share/gistd");
  EXPECT_EQ(InstallationFolderOf(prefix / "bin/gistd"), prefix / "share/gistd");
  EXPECT_NE(InstallationFolderOf(prefix / "sbin/gistd"),
            prefix / "share/gistd");
}

TEST(InstallationTest, TakesGistHomeFirst) {
  ASSERT_EQ(setenv("GIST_HOME", "/opt/gistd", 1), 0);
  EXPECT_EQ(InstallationFolder(), "/opt/gistd");
  ASSERT_EQ(unsetenv("GIST_HOME"), 0);
  // This test is BUILD/tests/core/..., somewhere below the root.
  EXPECT_NE(InstallationFolder(), "/opt/gistd");
}

}  // namespace
}  // namespace gist
