// Tests against the real server with the real model, as a client meets it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/gist_client.h"
#include "tests/integration/gistd_process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {

class GistdTest : public testing::Test {
 protected:
  // With the data of the servers before it.
  void Start(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"--data-dir", folder_ / "data"});
    server_ =
        std::make_unique<GistdProcess>(std::move(arguments), folder_ / "log");
    const auto address = server_->WaitUntilReady();
    ASSERT_TRUE(address) << server_->Log();
    options_ = {.target = *address, .timeout_seconds = 300};
  }

  client::GistClient Client() const { return client::GistClient(options_); }
  client::CompressResult Compress(const std::string& text) const {
    auto result = Client().Compress(text, {});
    EXPECT_THAT(result, IsOk());
    return result.ok() ? *result : client::CompressResult();
  }
  struct Answered {
    std::string text;
    client::AskResult result;
    absl::Status status;
  };
  Answered Ask(const client::Question& question) const {
    Answered answered;
    auto result = Client().Ask(question, [&](std::string_view piece) {
      answered.text += piece;
      return absl::OkStatus();
    });
    answered.status = result.status();
    if (result.ok()) answered.result = *std::move(result);
    return answered;
  }

  TempDir folder_;
  std::unique_ptr<GistdProcess> server_;
  client::ClientOptions options_;
};

}  // namespace gist
