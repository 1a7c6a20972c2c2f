// Hubs that cut, stall, lie or refuse.
#include "tests/core/hub/hub_fixture.h"

namespace gist {
namespace {

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
  const std::string file =
      "/RefusesRedirectsWithoutEnd/" + kCommit + "/owner/name/model.gguf";
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

}  // namespace
}  // namespace gist
