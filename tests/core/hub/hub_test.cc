// Names, caches, revisions.
#include "tests/core/hub/hub_fixture.h"

namespace gist {
namespace {

TEST_F(HubTest, LeavesPathsAlone) {
  for (const char* path : {"a.gguf", "/models/hf:x", "HF:a/b", "", "hf"}) {
    const auto same = LocalModel(path, options_);
    ASSERT_THAT(same, IsOk());
    EXPECT_EQ(*same, path);
    EXPECT_THAT(CheckHubName(path), IsOk());
  }
}

TEST_F(HubTest, RefusesOtherNames) {
  for (const char* name : {"hf:",
                           "hf:a",
                           "hf:a/",
                           "hf:/b",
                           "hf:a/b/c",
                           "hf:../b",
                           "hf:a/..",
                           "hf:a/b:",
                           "hf:a/b:c.bin",
                           "hf:a/b:../c.gguf",
                           "hf:a/b:/c.gguf",
                           "hf:a/b:c//d.gguf",
                           "hf:a b/c",
                           "hf:a/b?x",
                           "hf:a/b@",
                           "hf:a/b@../c",
                           "hf:a/b@/c",
                           "hf:a/b@c/",
                           "hf:a/b@c:",
                           "hf:a/b@c@d",
                           "hf:a@b/c",
                           "hf:a/b@c d"}) {
    EXPECT_THAT(Get(name), StatusIs(StatusCode::kInvalidArgument,
                                    HasSubstr("want hf:OWNER/NAME[@REVISION]")))
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
  EXPECT_EQ(ReadFile(*path), model_);
  EXPECT_EQ(ReadFile(InCache("refs/main")), kCommit);
  EXPECT_EQ(steps_.back(), HubStep::kFetched);
  EXPECT_EQ(told_, 20'000);
}

// As huggingface_hub keeps them: what a branch or tag was, by its name.
TEST_F(HubTest, BringsARevision) {
  const std::string other(40, 'd');
  WriteFile(root_ + "/commits/" + other + "/owner/name/model.gguf", "older");
  WriteFile(root_ + "/commits/" + other + "/owner/name/old.gguf", "gone");
  WriteFile(root_ + "/revisions.json",
            R"({"v1.0": ")" + other + R"(", "refs/pr/1": ")" + other + R"("})");
  for (const char* revision : {"v1.0", "refs/pr/1"}) {
    const auto path = Get(fmt::format("hf:owner/name@{}:model.gguf", revision));
    ASSERT_THAT(path, IsOk());
    EXPECT_EQ(*path, InCache("snapshots/" + other + "/model.gguf"));
    EXPECT_EQ(ReadFile(*path), "older");
    EXPECT_EQ(ReadFile(InCache(std::string("refs/") + revision)), other);
  }
  EXPECT_FALSE(fs::exists(InCache("refs/main")));
  ExpectModel();  // main beside it
  EXPECT_EQ(ReadFile(InCache("refs/main")), kCommit);
  const size_t asked = Requests(false).size();
  EXPECT_THAT(Get("hf:owner/name@v1.0:model.gguf"), IsOk());
  EXPECT_THAT(Get("hf:owner/name@" + other + ":model.gguf"), IsOk());
  EXPECT_EQ(Requests(false).size(), asked) << "they are in the cache";
  ASSERT_THAT(Get("hf:owner/name@" + other + ":old.gguf"), IsOk());
  EXPECT_FALSE(fs::exists(InCache("refs/" + other)))
      << "a commit stands for itself";
}

TEST_F(HubTest, SaysThatARevisionIsMissing) {
  ExpectError(StatusCode::kNotFound,
              AllOf(HasSubstr("revision v2 of owner/name is not on http"),
                    HasSubstr("/revision/v2:")),
              "hf:owner/name@v2:model.gguf");
  options_.offline = true;
  ExpectError(StatusCode::kFailedPrecondition,
              HasSubstr("lacks the repository owner/name@v2"),
              "hf:owner/name@v2");
}

TEST_F(HubTest, RefusesAnotherCommitThanAskedFor) {
  SetFaults(R"({"GET api": [{"commit": ")" + kCommit + R"("}]})");
  ExpectError(StatusCode::kDataLoss, HasSubstr("found commit cccc"),
              "hf:owner/name@" + std::string(40, 'e') + ":model.gguf");
  EXPECT_FALSE(fs::exists(InCache("snapshots")));
}

TEST_F(HubTest, BringsAFileOfASubfolder) {
  Put("q4/small.gguf", "tiny");
  const auto path = Get("hf:owner/name:q4/small.gguf");
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(ReadFile(*path), "tiny");
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
  EXPECT_EQ(ReadFile(*path + "/x-2.safetensors"), Large(3000, 2));
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
  EXPECT_EQ(ReadFile(*path), "theirs");
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
  EXPECT_EQ(ReadFile(*path + "/model.safetensors"), "theirs");
  EXPECT_EQ(ReadFile(*path + "/tokenizer_config.json"), "{\"a\": 1}");
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
