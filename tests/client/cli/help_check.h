// What every help text of `gist` must hold.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/gist_process.h"

namespace gist::client {

// Runs each command with --help: it succeeds, shows an example, and no line is
// wider than a terminal of 80 columns.
inline void ExpectExampleInHelp(
    const std::vector<std::vector<std::string>>& commands,
    const GistProcess::Options& options) {
  for (std::vector<std::string> arguments : commands) {
    arguments.push_back("--help");
    const auto result = RunGist(arguments, options);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, testing::HasSubstr("Example:\n  "));
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80u) << line;
    }
  }
}

}  // namespace gist::client
