// The training service over a real socket, as a client meets it.
#include "server/grpc/train_service.h"

#include <memory>
#include <string>
#include <vector>

#include "client/training_client.h"
#include "server/grpc/service.h"
#include "tests/server/training/train_harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using client::Adapter;
using client::TrainingClient;
using client::TrainingEvent;
using client::TrainingRequest;
using testing::_;
using testing::HasSubstr;
using testing::IsEmpty;

class TrainServiceTest : public TrainTest {
 protected:
  void SetUp() override { Serve(); }
  void TearDown() override { Close(); }

  void Serve(TrainSetup setup = {}) {
    Close();
    Start(std::move(setup));
    TrainHarness& parts = server();
    grpc_ =
        GrpcServer::Start({parts.harness.pipeline,
                           TrainServiceParts{*parts.manager, parts.datasets,
                                             parts.adapters, parts.promoter}},
                          parts.metrics, {.listen = "127.0.0.1:0"})
            .value();
    client::ClientOptions options;
    options.target = grpc_->address();
    client_ = std::make_unique<TrainingClient>(options);
  }
  void Close() {
    client_.reset();
    grpc_.reset();
  }

  static TrainingRequest Niah(const std::string& preset = "gist_10") {
    TrainingRequest request;
    request.preset = preset;
    request.name = "niah";
    request.generator.emplace().name = "niah";
    return request;
  }
  static client::ByteSource Bytes(std::string bytes) {
    return [bytes = std::move(bytes)]() mutable -> absl::StatusOr<std::string> {
      return std::exchange(bytes, "");
    };
  }
  std::vector<TrainingEvent> Train(const TrainingRequest& request) {
    std::vector<TrainingEvent> events;
    EXPECT_THAT(client_->Train(request,
                               [&](const TrainingEvent& event) {
                                 events.push_back(event);
                                 return absl::OkStatus();
                               }),
                IsOk());
    return events;
  }
  // Starts a training and leaves; its id.
  std::string Leave(const TrainingRequest& request) {
    std::string id;
    EXPECT_THAT(client_->Train(request,
                               [&](const TrainingEvent& event) {
                                 id = event.training().job_id();
                                 return absl::AbortedError("left");
                               }),
                StatusIs(StatusCode::kAborted, _));
    return id;
  }

  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<TrainingClient> client_;
};

TEST_F(TrainServiceTest, ATrainingStreamsItsEventsToTheEnd) {
  Serve(Slowly());
  const auto events = Train(Niah());
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events.front().kind(), TrainingEvent::KIND_SNAPSHOT);
  const client::Training& last = events.back().training();
  EXPECT_EQ(events.back().kind(), TrainingEvent::KIND_STATE);
  EXPECT_EQ(last.state(), v1::TRAINING_STATE_SUCCEEDED);
  EXPECT_EQ(last.adapter(), "niah@1");
  EXPECT_EQ(last.dev_accuracy(), 0.75);
  EXPECT_EQ(last.baseline_accuracy(), 0.5);
  bool evaluated = false;
  for (const TrainingEvent& event : events) {
    if (event.kind() == TrainingEvent::KIND_STEP) {
      EXPECT_GT(event.loss(), 0);
      EXPECT_EQ(event.gradient_norm(), 1.5);
      EXPECT_EQ(event.tokens_per_second(), 1000);
      EXPECT_EQ(event.steps(), 20);
      EXPECT_FALSE(event.has_dev_accuracy());
    }
    evaluated = evaluated || (event.kind() == TrainingEvent::KIND_EVALUATED &&
                              event.has_dev_accuracy());
  }
  EXPECT_TRUE(evaluated);
}

TEST_F(TrainServiceTest, ATrainingLivesOnAndIsWatchedAgain) {
  Serve(Slowly());
  TrainingRequest request = Niah();
  request.request_id = "once";
  const std::string id = Leave(request);
  EXPECT_EQ(Leave(request), id);
  std::vector<TrainingEvent> events;
  EXPECT_THAT(client_->Watch(id,
                             [&](const TrainingEvent& event) {
                               events.push_back(event);
                               return absl::OkStatus();
                             }),
              IsOk());
  EXPECT_EQ(events.back().training().state(), v1::TRAINING_STATE_SUCCEEDED);
  const auto again = Train(request);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again.front().losses_size(), 20);
}

TEST_F(TrainServiceTest, TrainingsAreListedShownAndCancelled) {
  Serve(Slowly());
  const std::string id = Leave(Niah("long"));
  EXPECT_EQ(client_->Get(id)->name(), "niah");
  EXPECT_EQ(client_->Get(id)->preset(), "long");
  ASSERT_EQ(client_->List()->size(), 1u);
  ASSERT_THAT(client_->Cancel(id), IsOk());
  server().WaitUntilOver(id);
  EXPECT_EQ(client_->Get(id)->state(), v1::TRAINING_STATE_CANCELLED);
  for (const char* none : {"", "job_none", "../x"}) {
    EXPECT_THAT(client_->Get(none), StatusIs(StatusCode::kNotFound, _));
    EXPECT_THAT(client_->Cancel(none), StatusIs(StatusCode::kNotFound, _));
  }
}

TEST_F(TrainServiceTest, RefusedRequestsSayWhy) {
  const auto refuses = [&](const TrainingRequest& request, StatusCode code,
                           const char* message) {
    EXPECT_THAT(
        client_->Train(request,
                       [](const TrainingEvent&) { return absl::OkStatus(); }),
        StatusIs(code, HasSubstr(message)));
  };
  TrainingRequest request = Niah();
  request.name = "../../etc";
  refuses(request, StatusCode::kInvalidArgument, "want 1 to 64 of a-z");
  refuses(Niah("../gist_10"), StatusCode::kInvalidArgument, "want 1 to 64");
  refuses(Niah("none"), StatusCode::kNotFound, "no preset none");
  request = Niah();
  request.dataset_ids = {"../../secret"};
  refuses(request, StatusCode::kNotFound, "no dataset");
  request = Niah();
  request.steps = -1;
  refuses(request, StatusCode::kInvalidArgument, "steps is -1");
  EXPECT_THAT(*client_->List(), IsEmpty());
}

TEST_F(TrainServiceTest, DatasetsAreUploadedListedUsedAndDeleted) {
  std::string lines;
  for (int i = 0; i < 20000; ++i) {
    lines += fmt::format(
        "{{\"context\": \"document {}\", \"question\": \"q\", \"answer\": "
        "\"a\"}}\n",
        i % 50);
  }
  const auto dataset = client_->UploadDataset(Bytes(lines));
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ(dataset->records(), 20000);
  EXPECT_EQ(dataset->dataset_bytes(), int64_t(lines.size()));
  EXPECT_GT(dataset->created_unix_ms(), 0);
  ASSERT_EQ(client_->ListDatasets()->size(), 1u);
  TrainingRequest request = Niah();
  request.generator.reset();
  request.dataset_ids = {dataset->dataset_id()};
  EXPECT_EQ(Train(request).back().training().state(),
            v1::TRAINING_STATE_SUCCEEDED);
  EXPECT_THAT(client_->DeleteDataset(dataset->dataset_id()), IsOk());
  EXPECT_THAT(client_->DeleteDataset(dataset->dataset_id()),
              StatusIs(StatusCode::kNotFound, _));
}

TEST_F(TrainServiceTest, ABadUploadLeavesNothing) {
  TrainSetup setup;
  setup.limits.max_bytes = 1000;
  Serve(setup);
  EXPECT_THAT(client_->UploadDataset(Bytes("{}\n")),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("dataset:1")));
  EXPECT_THAT(client_->UploadDataset(Bytes("")),
              StatusIs(StatusCode::kInvalidArgument, _));
  EXPECT_THAT(client_->UploadDataset(Bytes(std::string(5000, 'x'))),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("1000")));
  EXPECT_THAT(*client_->ListDatasets(), IsEmpty());
}

TEST_F(TrainServiceTest, AdaptersArePromotedByNameOrTrainingAndRolledBack) {
  const std::string id = Train(Niah()).back().training().job_id();
  Train(Niah());
  EXPECT_EQ(client_->PromoteAdapter(id)->adapter(), "niah@1");
  EXPECT_EQ(server().harness.engine.adapter().name, "niah@1");
  EXPECT_EQ(client_->PromoteAdapter("niah")->adapter(), "niah@2");
  const auto adapters = client_->ListAdapters();
  ASSERT_THAT(adapters, IsOk());
  ASSERT_EQ(adapters->size(), 2u);
  EXPECT_EQ(adapters->at(0).job_id(), id);
  EXPECT_EQ(adapters->at(0).dev_accuracy(), 0.75);
  EXPECT_EQ(adapters->at(0).recipe(), "gist_10");
  EXPECT_FALSE(adapters->at(0).in_use());
  EXPECT_TRUE(adapters->at(1).in_use());
  EXPECT_TRUE(adapters->at(0).fits_model());
  EXPECT_EQ(adapters->at(1).adapter_fingerprint(),
            server().harness.engine.adapter().fingerprint);
  EXPECT_EQ(client_->RollbackAdapter().value(), "niah@1");
  EXPECT_EQ(client_->RollbackAdapter().value(), "");
  EXPECT_THAT(client_->RollbackAdapter(),
              StatusIs(StatusCode::kFailedPrecondition, _));
  EXPECT_THAT(client_->PromoteAdapter("../niah"),
              StatusIs(StatusCode::kNotFound, _));
}

TEST_F(TrainServiceTest, TheAdapterThatTheServerWasStartedWithIsListed) {
  const auto adapters = client_->ListAdapters();
  ASSERT_THAT(adapters, IsOk());
  ASSERT_EQ(adapters->size(), 1u);
  const AdapterInfo loaded = server().harness.engine.adapter();
  EXPECT_EQ(adapters->at(0).adapter(), loaded.name);
  EXPECT_EQ(adapters->at(0).adapter_fingerprint(), loaded.fingerprint);
  EXPECT_EQ(adapters->at(0).version(), 0);
  EXPECT_TRUE(adapters->at(0).in_use());
  EXPECT_TRUE(adapters->at(0).fits_model());

  TrainSetup without;
  without.server.engine.has_adapter = false;
  Serve(without);
  EXPECT_THAT(*client_->ListAdapters(), IsEmpty());
}

TEST_F(TrainServiceTest, AdaptersSayWhetherTheyFitTheModel) {
  Train(Niah());
  TrainSetup other;
  other.server.engine.model_seed = "another model";
  Serve(other);
  const auto adapters = client_->ListAdapters();
  ASSERT_THAT(adapters, IsOk());
  EXPECT_FALSE(adapters->at(0).fits_model());
  EXPECT_THAT(client_->PromoteAdapter("niah"),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("niah@1 is made for the model")));
}

TEST_F(TrainServiceTest, ATrainingWithoutAnAdapterCannotBePromoted) {
  Serve(Slowly());
  const std::string id = Leave(Niah("long"));
  EXPECT_THAT(client_->PromoteAdapter(id),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("has made no adapter")));
}

TEST_F(TrainServiceTest, WatchersHearOfTheServersEnd) {
  Serve(Slowly());
  const std::string id = Leave(Niah("long"));
  std::thread watcher([&] {
    EXPECT_THAT(client_->Watch(
                    id, [](const TrainingEvent&) { return absl::OkStatus(); }),
                StatusIs(StatusCode::kUnavailable, HasSubstr("goes on")));
  });
  server().WaitForStep(id, 3);
  manager().BeginStop();
  watcher.join();
}

}  // namespace
}  // namespace gist
