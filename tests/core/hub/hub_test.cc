#include "core/hub/hub.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "core/base/identity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/python.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

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

const std::string kCommit(40, 'c');

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, std::string_view text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Bytes that no part of which equals another.
std::string Large(size_t size, unsigned seed = 1) {
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
    EXPECT_EQ(Contents(*path), model_);
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

TEST_F(HubTest, LeavesPathsAlone) {
  for (const char* path : {"a.gguf", "/models/hf:x", "HF:a/b", "", "hf"}) {
    const auto same = LocalModel(path, options_);
    ASSERT_THAT(same, IsOk());
    EXPECT_EQ(*same, path);
    EXPECT_THAT(CheckHubName(path), IsOk());
  }
}

TEST_F(HubTest, RefusesOtherNames) {
  for (const char* name :
       {"hf:", "hf:a", "hf:a/", "hf:/b", "hf:a/b/c", "hf:../b", "hf:a/..",
        "hf:a/b:", "hf:a/b:c.bin", "hf:a/b:../c.gguf", "hf:a/b:/c.gguf",
        "hf:a/b:c//d.gguf", "hf:a b/c", "hf:a/b?x"}) {
    EXPECT_THAT(Get(name), StatusIs(StatusCode::kInvalidArgument,
                                    HasSubstr("want hf:OWNER/NAME")))
        << name;
    EXPECT_FALSE(CheckHubName(name).ok()) << name;
  }
  EXPECT_THAT(Requests(false), IsEmpty());
}

TEST_F(HubTest, BringsAFileInTheLayoutOfHuggingfaceHub) {
  const auto path = Get();
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(*path, InCache("snapshots/" + kCommit + "/model.gguf"));
  EXPECT_EQ(fs::read_symlink(*path), "../../blobs/" + Sha256Hex(model_));
  EXPECT_EQ(Contents(*path), model_);
  EXPECT_EQ(Contents(InCache("refs/main")), kCommit);
  EXPECT_EQ(steps_.back(), HubStep::kFetched);
  EXPECT_EQ(told_, 20'000);
}

TEST_F(HubTest, BringsAFileOfASubfolder) {
  Put("q4/small.gguf", "tiny");
  const auto path = Get("hf:owner/name:q4/small.gguf");
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(Contents(*path), "tiny");
  EXPECT_EQ(fs::read_symlink(*path), "../../../blobs/" + GitBlobHex("tiny"));
}

TEST_F(HubTest, BringsAllShardsOfAFile) {
  for (const char* name : {"a-00001-of-00002.gguf", "a-00002-of-00002.gguf"})
    Put(name, name);
  const auto path = Get("hf:owner/name:a-00001-of-00002.gguf");
  ASSERT_THAT(path, IsOk());
  EXPECT_THAT(*path, EndsWith("/a-00001-of-00002.gguf"));
  EXPECT_TRUE(
      fs::exists(InCache("snapshots/" + kCommit + "/a-00002-of-00002.gguf")));
  ExpectError(StatusCode::kNotFound, HasSubstr("no file b-00001-of-00002.gguf"),
              "hf:owner/name:b-00001-of-00002.gguf");
}

TEST_F(HubTest, BringsTheNeededFilesOfAFolder) {
  PutFolder();
  Put("model.safetensors", Large(3000));
  const auto path = Get("hf:owner/name");
  ASSERT_THAT(path, IsOk());
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(*path))
    names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::UnorderedElementsAre(
                         "config.json", "model.safetensors", "tokenizer.json",
                         "tokenizer_config.json"));
  const std::string absent = InCache(".no_exist/" + kCommit + "/");
  EXPECT_TRUE(fs::exists(absent + "generation_config.json"));
  EXPECT_TRUE(fs::exists(absent + "chat_template.jinja"));
}

TEST_F(HubTest, BringsTheShardsThatTheIndexNames) {
  PutFolder();
  Put("model.safetensors.index.json",
      R"({"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}})");
  Put("x-1.safetensors", Large(3000, 1));
  Put("x-2.safetensors", Large(3000, 2));
  Put("x-3.safetensors", Large(3000, 3));
  const auto path = Get("hf:owner/name");
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(Contents(*path + "/x-2.safetensors"), Large(3000, 2));
  EXPECT_FALSE(fs::exists(*path + "/x-3.safetensors"));
}

TEST_F(HubTest, RefusesAnIndexThatLeadsElsewhere) {
  PutFolder();
  Put("model.safetensors.index.json",
      R"({"weight_map": {"a": "../../x.safetensors"}})");
  ExpectError(StatusCode::kDataLoss, HasSubstr("../../x.safetensors"),
              "hf:owner/name");
}

TEST_F(HubTest, SaysWhichFilesThereAre) {
  ExpectError(StatusCode::kNotFound,
              AllOf(HasSubstr("no file other.gguf"), HasSubstr("model.gguf")),
              "hf:owner/name:other.gguf");
  ExpectError(StatusCode::kNotFound,
              AllOf(HasSubstr("no file config.json"),
                    HasSubstr("hf:owner/name:FILE: model.gguf")),
              "hf:owner/name");
  ExpectError(StatusCode::kNotFound,
              AllOf(HasSubstr("404"), HasSubstr("owner/none is not on http"),
                    HasSubstr("spelling")),
              "hf:owner/none");
}

TEST_F(HubTest, UsesTheCacheWithoutAsking) {
  PutFolder();
  Put("model.safetensors", Large(3000));
  ASSERT_THAT(Get("hf:owner/name"), IsOk());
  ASSERT_THAT(Get(), IsOk());
  const size_t asked = Requests(false).size();
  EXPECT_THAT(Get("hf:owner/name"), IsOk());
  ExpectModel();
  EXPECT_EQ(Requests(false).size(), asked);
}

TEST_F(HubTest, UsesWhatAnotherProgramFetched) {
  WriteFile(InCache("refs/main"), "abc\n");
  WriteFile(InCache("snapshots/abc/model.gguf"), "theirs");
  options_.offline = true;
  const auto path = Get();
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(Contents(*path), "theirs");
  EXPECT_THAT(Requests(false), IsEmpty());
}

// A folder of another program may lack files that were never asked for.
TEST_F(HubTest, CompletesWhatAnotherProgramFetched) {
  PutFolder();
  Put("model.safetensors", Large(3000));
  WriteFile(InCache("refs/main"), kCommit);
  for (const char* file :
       {"config.json", "tokenizer.json", "model.safetensors"})
    WriteFile(InCache("snapshots/" + kCommit + "/" + file), "theirs");
  const auto path = Get("hf:owner/name");
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(Contents(*path + "/model.safetensors"), "theirs");
  EXPECT_EQ(Contents(*path + "/tokenizer_config.json"), "{\"a\": 1}");
}

TEST_F(HubTest, UsesTheCacheWhereTheHubIsAway) {
  PutFolder();
  WriteFile(InCache("refs/main"), kCommit);
  for (const char* file :
       {"config.json", "tokenizer.json", "model.safetensors"})
    WriteFile(InCache("snapshots/" + kCommit + "/" + file), "theirs");
  options_.endpoint = "http://127.0.0.1:1";
  EXPECT_THAT(Get("hf:owner/name"), IsOk());
  ExpectError(StatusCode::kUnavailable, HasSubstr("try again"));
}

TEST_F(HubTest, SaysWhatIsMissingOffline) {
  options_.offline = true;
  ExpectError(StatusCode::kFailedPrecondition,
              AllOf(HasSubstr("HF_HUB_OFFLINE"),
                    HasSubstr("lacks the repository owner/name")));
  WriteFile(InCache("refs/main"), kCommit);
  ExpectError(StatusCode::kFailedPrecondition,
              HasSubstr("lacks the file model.gguf"));
  WriteFile(InCache("snapshots/" + kCommit + "/config.json"), "{}");
  ExpectError(StatusCode::kFailedPrecondition, HasSubstr("model.safetensors"),
              "hf:owner/name");
  EXPECT_THAT(Requests(false), IsEmpty());
}

TEST_F(HubTest, ContinuesATransferThatWasCut) {
  SetFaults(R"({"GET cdn/model.gguf": [{"cut": 5000}, {"cut": 6000}]})");
  ExpectModel();
  EXPECT_THAT(Ranges(), ElementsAre("", "bytes=5000-", "bytes=11000-"));
  EXPECT_THAT(std::string(Requests(true)[1]["if_range"]),
              testing::StartsWith("\"cdn-"));
}

TEST_F(HubTest, ContinuesWhatAnEarlierRunLeft) {
  WriteFile(Part(), model_.substr(0, 7000));
  ExpectModel();
  EXPECT_THAT(Ranges(), ElementsAre("bytes=7000-"));
}

TEST_F(HubTest, TakesAPartThatIsWhole) {
  WriteFile(Part(), model_);
  ExpectModel();
  EXPECT_THAT(Ranges(), IsEmpty());
}

TEST_F(HubTest, BeginsAgainWhereThePartIsOfAnotherFile) {
  WriteFile(Part(), Large(7000, 5));
  ExpectModel();
  EXPECT_THAT(Ranges(), ElementsAre("bytes=7000-", ""));
  fs::remove_all(options_.cache);
  WriteFile(Part(), Large(30'000, 5));
  ExpectModel();
}

TEST_F(HubTest, BeginsAgainWhereTheServerKnowsNoRanges) {
  SetFaults(R"({"GET cdn/model.gguf": [{"cut": 5000}, {"no_range": 1}]})");
  ExpectModel();
}

// Without ranges a server that always cuts would be asked for ever.
TEST_F(HubTest, GivesUpWhereNothingIsGained) {
  SetFaults(R"({"GET cdn/model.gguf":
                [{"cut": 5000, "no_range": 1, "stays": 1}]})");
  ExpectError(StatusCode::kUnavailable,
              AllOf(HasSubstr("after 3 attempts"),
                    HasSubstr("5000 of 20000 bytes are kept")));
  EXPECT_EQ(Requests(true).size(), 3u + 1u);
}

// One byte a connection is no progress, however often there is one more.
TEST_F(HubTest, GivesUpWhereTooLittleIsGained) {
  options_.backoff_seconds = 0.05;
  SetFaults(R"({"GET cdn/model.gguf": [{"cut": 1, "stays": 1}]})");
  ExpectError(StatusCode::kUnavailable,
              HasSubstr("after 3 attempts without progress"));
  EXPECT_EQ(Requests(true).size(), 1u + 3u);
}

// A redirect that leads to itself is asked for once, not `attempts` times.
TEST_F(HubTest, RefusesRedirectsWithoutEnd) {
  const std::string file = "/RefusesRedirectsWithoutEnd/owner/name/model.gguf";
  const std::string loop = R"([{"status": 302, "headers": {"Location": ")";
  const std::string stays = R"("}, "stays": 1}])";
  SetFaults("{\"GET cdn/model.gguf\": " + loop + file + stays + "}");
  ExpectError(StatusCode::kFailedPrecondition, HasSubstr("over 10 redirects"));
  EXPECT_EQ(Requests(true).size(), 10u);
  SetFaults(R"({"HEAD model.gguf": [{"renamed": "owner/name", "stays": 1}]})");
  ExpectError(StatusCode::kFailedPrecondition, HasSubstr("over 5 redirects"));
  SetFaults("{\"GET api\": " + loop +
            "/RefusesRedirectsWithoutEnd/api/models/owner/name" + stays + "}");
  const size_t asked = Requests(false).size();
  ExpectError(StatusCode::kFailedPrecondition, HasSubstr("over 10 redirects"));
  EXPECT_EQ(Requests(false).size(), asked + 11);
}

TEST_F(HubTest, LeavesASilentServer) {
  options_.stall_seconds = 1;
  SetFaults(R"({"GET cdn/model.gguf": [{"stall": 5000}]})");
  ExpectModel();
  EXPECT_THAT(Ranges(), ElementsAre("", "bytes=5000-"));
}

TEST_F(HubTest, AsksABusyServerAgain) {
  SetFaults(R"({
      "GET api": [{"status": 503}, {"status": 429}],
      "HEAD model.gguf": [{"status": 429}],
      "GET cdn/model.gguf": [
        {"status": 503}, {"status": 429, "headers": {"Retry-After": "1"}}]})");
  ExpectModel();
  SetFaults(R"({"GET api": [{"status": 503, "stays": 1}]})");
  ExpectError(StatusCode::kUnavailable, HasSubstr("503"), "hf:owner/name");
}

TEST_F(HubTest, SaysHowToBeLetIn) {
  SetFaults(R"({"GET api": [{"status": 401, "stays": 1}]})");
  ExpectError(StatusCode::kPermissionDenied,
              AllOf(HasSubstr("401"), HasSubstr("set HF_TOKEN")));
  options_.token = "secret";
  ExpectError(StatusCode::kPermissionDenied,
              AllOf(HasSubstr("the token of HF_TOKEN may not read it"),
                    testing::Not(HasSubstr("secret"))));
  SetFaults(R"({"HEAD model.gguf": [{"status": 403}]})");
  ExpectError(StatusCode::kPermissionDenied, HasSubstr("accept its terms"));
}

TEST_F(HubTest, SendsTheTokenToTheHubAlone) {
  options_.token = "secret";
  ExpectModel();
  std::vector<std::string> hub, cdn;
  for (const Json& request : Requests(false))
    hub.push_back(request["authorization"]);
  for (const Json& request : Requests(true))
    cdn.push_back(request["authorization"]);
  EXPECT_EQ(hub.size(), 3u);
  EXPECT_THAT(hub, Each("Bearer secret"));
  EXPECT_THAT(cdn, ElementsAre(""));
}

TEST_F(HubTest, FollowsARepositoryThatWasRenamed) {
  WriteFile(root_ + "/models/new/name/model.gguf", model_);
  SetFaults(R"({"HEAD model.gguf": [{"renamed": "new/name"}],
                "GET model.gguf": [{"renamed": "new/name"}]})");
  ExpectModel();
}

TEST_F(HubTest, RefusesOtherBytesThanAnnounced) {
  SetFaults(R"({"GET cdn/model.gguf": [{"corrupt": 1, "stays": 1}]})");
  ExpectError(StatusCode::kDataLoss,
              AllOf(HasSubstr("digest"), HasSubstr("nothing was kept")));
  EXPECT_FALSE(fs::exists(Part()));
  SetFaults(R"({"GET small.gguf": [{"corrupt": 1, "stays": 1}]})");
  Put("small.gguf", "tiny");
  ExpectError(StatusCode::kDataLoss, HasSubstr("digest"),
              "hf:owner/name:small.gguf");
  EXPECT_FALSE(fs::exists(InCache("snapshots/" + kCommit)));
}

TEST_F(HubTest, RefusesOtherSizesThanAnnounced) {
  SetFaults(R"({"HEAD model.gguf": [{"size": 19000}, {"size": 21000}]})");
  ExpectError(StatusCode::kDataLoss, HasSubstr("more than the 19000 bytes"));
  EXPECT_FALSE(fs::exists(Part()));
  ExpectError(StatusCode::kUnavailable, HasSubstr("of 21000 bytes"));
}

TEST_F(HubTest, RefusesAnETagThatIsNoFileName) {
  SetFaults(R"({"HEAD model.gguf": [{"etag": "../../x"}]})");
  ExpectError(StatusCode::kDataLoss, HasSubstr("../../x"));
}

TEST_F(HubTest, RefusesMoreThanTheDiskHolds) {
  fs::create_directories(options_.cache);
  SetFaults(R"({"HEAD model.gguf": [{"size": 1000000000000000000}]})");
  ExpectError(StatusCode::kResourceExhausted,
              AllOf(HasSubstr("bytes free"), HasSubstr("HF_HUB_CACHE")));
}

TEST_F(HubTest, TwoWaitForOneAnother) {
  options_.stall_seconds = 1;
  SetFaults(R"({"GET cdn/model.gguf": [{"stall": 5000}]})");
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&] { ExpectModel(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Requests(true).size(), 2u);  // one began, and went on
  EXPECT_THAT(steps_, Contains(HubStep::kWaits).Times(1));
  EXPECT_THAT(steps_, Contains(HubStep::kFetched).Times(1));
}

TEST_F(HubTest, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  options_.stop = stop.get_token();
  ExpectError(StatusCode::kCancelled, HasSubstr("interrupted"));
}

class HubEnvironmentTest : public testing::Test {
 protected:
  HubEnvironmentTest() {
    for (const char* name : kNames) unsetenv(name);
  }
  ~HubEnvironmentTest() override {
    for (const char* name : kNames) unsetenv(name);
  }
  static void Set(const char* name, const char* value) {
    setenv(name, value, /*overwrite=*/1);
  }
  static constexpr const char* kNames[] = {
      "HF_ENDPOINT", "HF_TOKEN",       "HF_HUB_CACHE",  "HUGGINGFACE_HUB_CACHE",
      "HF_HOME",     "XDG_CACHE_HOME", "HF_HUB_OFFLINE"};
};

TEST_F(HubEnvironmentTest, FindsTheCache) {
  Set("HOME", "/home/x");
  EXPECT_EQ(HubOptions::FromEnvironment()->cache,
            "/home/x/.cache/huggingface/hub");
  Set("XDG_CACHE_HOME", "/c");
  EXPECT_EQ(HubOptions::FromEnvironment()->cache, "/c/huggingface/hub");
  Set("HF_HOME", "~/h");
  EXPECT_EQ(HubOptions::FromEnvironment()->cache, "/home/x/h/hub");
  Set("HF_HUB_CACHE", "/models");
  EXPECT_EQ(HubOptions::FromEnvironment()->cache, "/models");
}

TEST_F(HubEnvironmentTest, ReadsEndpointTokenAndOffline) {
  Set("HF_HOME", "/h");
  EXPECT_EQ(HubOptions::FromEnvironment()->endpoint, "https://huggingface.co");
  EXPECT_FALSE(HubOptions::FromEnvironment()->offline);
  Set("HF_ENDPOINT", "http://mirror:8080/");
  Set("HF_TOKEN", " hf_abc\n");
  Set("HF_HUB_OFFLINE", "true");
  const auto options = HubOptions::FromEnvironment();
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->endpoint, "http://mirror:8080");
  EXPECT_EQ(options->token, "hf_abc");
  EXPECT_TRUE(options->offline);
  Set("HF_TOKEN", "a\r\nX-Other: b");
  EXPECT_THAT(HubOptions::FromEnvironment(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("HF_TOKEN")));
}

}  // namespace
}  // namespace gist
