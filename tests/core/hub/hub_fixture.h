// A hub of a test's own, and one of its models in a cache.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/identity.h"
#include "core/hub/hub.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/python.h"
#include "tests/support/read_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {

namespace fs = std::filesystem;

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

inline const std::string kCommit(40, 'c');

inline void WriteFile(const std::string& path, std::string_view text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Bytes that no part of which equals another.
inline std::string Large(size_t size, unsigned seed = 1) {
  std::string bytes;
  for (uint32_t x = seed; bytes.size() < size;) {
    x = x * 1664525 + 1013904223;
    bytes += char(x >> 24);
  }
  return bytes;
}

// One for all tests, each of which has a folder of its own.
struct Server {
  Server()
      : python({"tests/core/hub/hub_server.py", folder.path()}),
        url("http://127.0.0.1:" + python.ReadLine() + "/") {}
  TempDir folder;
  Python python;
  const std::string url;
};

class HubTest : public testing::Test {
 protected:
  HubTest() {
    static Server server;
    const std::string name =
        testing::UnitTest::GetInstance()->current_test_info()->name();
    root_ = server.folder / name;
    options_.endpoint = server.url + name;
    options_.cache = root_ + "/cache";
    options_.attempts = 3;
    options_.backoff_seconds = 0.01;
    options_.progress = [this](const HubProgress& progress) {
      const std::lock_guard lock(mutex_);
      steps_.push_back(progress.step);
      told_ = std::max(told_, progress.done);
    };
    Put("model.gguf", model_);
  }

  void Put(const std::string& file, std::string_view text) {
    WriteFile(root_ + "/models/owner/name/" + file, text);
  }
  void PutFolder() {
    Put("config.json", "{}");
    Put("tokenizer.json", "{\"model\": {}}");
    Put("tokenizer_config.json", "{\"a\": 1}");
    Put("README.md", "not wanted");
    Put("pytorch_model.bin", Large(2000));
  }
  // Their form is told in hub_server.py.
  void SetFaults(std::string_view json) {
    WriteFile(root_ + "/faults.json", json);
  }
  // "GET /path" of those to the hub or to the CDN.
  std::vector<Json> Requests(bool cdn) const {
    std::vector<Json> lines;
    std::ifstream file(root_ + "/log.jsonl");
    for (std::string line; std::getline(file, line);) {
      const Json request = Json::parse(line);
      if (request["cdn"] == cdn) lines.push_back(request);
    }
    return lines;
  }
  std::vector<std::string> Ranges() const {
    std::vector<std::string> ranges;
    for (const Json& request : Requests(true))
      ranges.push_back(request["range"]);
    return ranges;
  }
  std::string InCache(const std::string& name) const {
    return options_.cache + "/models--owner--name/" + name;
  }
  std::string Part() const {
    return InCache("blobs/" + Sha256Hex(model_) + ".incomplete");
  }
  absl::StatusOr<std::string> Get(const std::string& model =
                                      "hf:owner/name:"
                                      "model.gguf") {
    return LocalModel(model, options_);
  }
  void ExpectModel() {
    const auto path = Get();
    ASSERT_THAT(path, IsOk());
    EXPECT_EQ(ReadFile(*path), model_);
    EXPECT_FALSE(fs::exists(Part()));
  }
  void ExpectError(StatusCode code, const testing::Matcher<std::string>& text,
                   const std::string& model = "hf:owner/name:model.gguf") {
    EXPECT_THAT(Get(model), StatusIs(code, AllOf(HasSubstr(model), text)));
  }

  std::string root_;
  const std::string model_ = Large(20'000);
  HubOptions options_;
  std::mutex mutex_;
  std::vector<HubStep> steps_;
  int64_t told_ = 0;
};

}  // namespace gist
