// A client before a server that comes late, still loads, or never comes.
#include "client/wait.h"

#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>

#include "core/base/clock.h"
#include "gist/v1/gist.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "tests/client/gist_process.h"
#include "tests/client/scripted_server.h"
#include "tests/support/status_matchers.h"

namespace gist::client {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::AllOf;
using testing::HasSubstr;

grpc::Status ModelLoading() {
  google::rpc::ErrorInfo info;
  info.set_reason("MODEL_LOADING");
  info.set_domain("gist.v1");
  google::rpc::Status rich;
  rich.set_code(int(grpc::StatusCode::UNAVAILABLE));
  rich.add_details()->PackFrom(info);
  return {grpc::StatusCode::UNAVAILABLE, "still loading",
          rich.SerializeAsString()};
}

// Says for its first `not_yet` checks that it does not serve.
class LoadingHealth final : public Health::Service {
 public:
  explicit LoadingHealth(int not_yet, bool with_error = false)
      : left_(not_yet), with_error_(with_error) {}
  int checks() const { return checks_; }

 private:
  grpc::Status Check(grpc::ServerContext*, const HealthCheckRequest*,
                     HealthCheckResponse* response) override {
    ++checks_;
    const bool loads = left_-- > 0;
    if (loads && with_error_) return ModelLoading();
    response->set_status(loads ? HealthCheckResponse::NOT_SERVING
                               : HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }

  std::atomic<int> left_, checks_ = 0;
  const bool with_error_;
};

class InfoService final : public v1::GistService::Service {
  grpc::Status GetServerInfo(grpc::ServerContext*,
                             const v1::GetServerInfoRequest*,
                             v1::ServerInfo* response) override {
    *response = FullServerInfo();
    return grpc::Status::OK;
  }
};

class Server {
 public:
  // `address`: "127.0.0.1:0" takes any port.
  Server(const std::string& address, LoadingHealth& health) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&health);
    builder.RegisterService(&info_);
    server_ = builder.BuildAndStart();
    target_ = "127.0.0.1:" + std::to_string(port);
  }
  ~Server() { server_->Shutdown(std::chrono::system_clock::now()); }
  const std::string& target() const { return target_; }

 private:
  InfoService info_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
};

// A port at which nobody listens now.
std::string FreeAddress() {
  LoadingHealth health(0);
  return Server("127.0.0.1:0", health).target();
}

struct Waited {
  double seconds = 0;
  std::vector<WaitProgress> progress;
};
Waited Wait(const std::string& target, double seconds) {
  Waited waited;
  const Clock::time_point start = Clock::now();
  WaitForServer({.target = target}, seconds, [&](const WaitProgress& progress) {
    waited.progress.push_back(progress);
  });
  waited.seconds = SecondsSince(start);
  return waited;
}

TEST(WaitTest, AServerThatServesIsNotWaitedFor) {
  LoadingHealth health(0);
  const Server server("127.0.0.1:0", health);
  EXPECT_TRUE(Wait(server.target(), 10).progress.empty());
  EXPECT_EQ(health.checks(), 1);
}

TEST(WaitTest, AServerWithoutHealthServes) {
  const ScriptedServer server;
  EXPECT_TRUE(Wait(server.target(), 10).progress.empty());
}

TEST(WaitTest, WaitsWhileTheModelLoads) {
  for (const bool with_error : {false, true}) {
    LoadingHealth health(3, with_error);
    const Server server("127.0.0.1:0", health);
    const Waited waited = Wait(server.target(), 10);
    EXPECT_EQ(health.checks(), 4);
    ASSERT_EQ(waited.progress.size(), 3u);
    EXPECT_TRUE(waited.progress[0].is_loading);
    EXPECT_LE(waited.progress[0].waited_seconds,
              waited.progress[2].waited_seconds);
  }
}

TEST(WaitTest, WaitsForAServerThatComesLate) {
  const std::string address = FreeAddress();
  LoadingHealth health(1);
  std::unique_ptr<Server> server;
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    server = std::make_unique<Server>(address, health);
  });
  const Waited waited = Wait(address, 15);
  late.join();
  EXPECT_LT(waited.seconds, 10);
  ASSERT_GE(waited.progress.size(), 2u);
  EXPECT_FALSE(waited.progress.front().is_loading);
  EXPECT_TRUE(waited.progress.back().is_loading);
}

TEST(WaitTest, GivesUpInTimeAndAtAStop) {
  const std::string address = FreeAddress();
  const double seconds = Wait(address, 0.5).seconds;
  EXPECT_GE(seconds, 0.5);
  EXPECT_LT(seconds, 5);
  std::stop_source stop;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop.request_stop();
  });
  const Clock::time_point start = Clock::now();
  WaitForServer({.target = address, .stop = stop.get_token()}, 60, {});
  stopper.join();
  EXPECT_LT(SecondsSince(start), 10);
}

// The race of `gistd & gist info`.
TEST(WaitTest, GistWaitsForAServerThatComesLate) {
  const std::string address = FreeAddress();
  GistProcess gist({"--server", address, "--wait", "30", "info"}, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  LoadingHealth health(2);
  const Server server(address, health);
  const Clock::time_point start = Clock::now();
  const GistResult result = gist.Finish();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(health.checks(), 3);
  EXPECT_LT(SecondsSince(start), 4);
  EXPECT_EQ(result.err, "");  // no terminal, no note
}

TEST(WaitTest, GistShowsOnATerminalWhatItWaitsFor) {
  LoadingHealth health(3);
  const Server server("127.0.0.1:0", health);
  GistProcess::Options terminal;
  terminal.terminal_for_errors = true;
  terminal.environment = {"GIST_WAIT=30", "TERM=xterm"};
  const GistResult result =
      RunGist({"--server", server.target(), "info"}, terminal);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("waiting for gistd at " + server.target()),
                    HasSubstr(": loading the model, 0 s")));
}

TEST(WaitTest, GistEndsWithThreeAndOneErrorWhereNoneComes) {
  const std::string address = FreeAddress();
  const Clock::time_point start = Clock::now();
  const GistResult result =
      RunGist({"--server", address, "--wait", "0.5", "info"});
  EXPECT_GE(SecondsSince(start), 0.5);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("is gistd running?"));
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1);
}

TEST(WaitTest, CtrlCEndsTheWait) {
  GistProcess gist({"--server", FreeAddress(), "--wait", "60", "info"}, {});
  for (int i = 0; i < 100 && !gist.BlocksSignal(SIGINT); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const Clock::time_point start = Clock::now();
  gist.Signal(SIGINT);
  EXPECT_EQ(gist.Finish().exit_code, 130);
  EXPECT_LT(SecondsSince(start), 5);
}

// Without /dev/null there an eventfd of gRPC is standard input, and never ends.
TEST(WaitTest, AClosedStandardInputIsEmpty) {
  const std::string command =
      std::string("timeout 20 " GIST_PATH " --wait 0 --server ") +
      FreeAddress() + " compress - <&- 2>/dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 3);
}

TEST(WaitTest, AServersAddressIsChecked) {
  for (const char* target : {"", "127.0.0.1", "127.0.0.1:99999", "host:0",
                             "http://localhost:50051", "a b:1", "dns:"}) {
    EXPECT_THAT(CheckOptions({.target = target}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("want HOST:PORT")))
        << target;
  }
  for (const char* target : {"127.0.0.1:50051", "[::1]:1", "gistd.example:443",
                             "dns:///gistd:1", "unix:/run/gistd.sock"}) {
    EXPECT_THAT(CheckOptions({.target = target}), IsOk()) << target;
  }
  EXPECT_EQ(RunGist({"--server", "http://localhost:1", "info"}).exit_code, 2);
}

}  // namespace
}  // namespace gist::client
