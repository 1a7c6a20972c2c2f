// A live server that asks for tokens: fake engine, both services.
#pragma once

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "client/gist_client.h"
#include "client/training_client.h"
#include "core/base/token.h"
#include "server/grpc/gate.h"
#include "server/grpc/service.h"
#include "server/grpc/train_service.h"
#include "server/support/auth.h"
#include "spdlog/sinks/ostream_sink.h"
#include "tests/server/training/train_harness.h"

namespace gist {

// A token and the line that makes a server take it.
struct TestToken {
  TestToken(const std::string& role, const std::string& tenant,
            std::optional<int64_t> expires = std::nullopt)
      : token(NewToken()) {
    const std::string salt = NewTokenSalt();
    line = FormatTokenLine({std::string(*TokenId(token)), tenant, role, salt,
                            TokenHash(salt, token), expires});
  }
  std::string token;
  std::string line;
};

class AuthTest : public TrainTest {
 protected:
  static void SetUpTestSuite() {}
  void SetUp() override {
    // What is logged goes to a text, whatever the level.
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("", sink));
    spdlog::set_level(spdlog::level::trace);
  }
  void TearDown() override {
    Close();
    spdlog::set_level(spdlog::level::off);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(""));
  }

  void WriteAuthFile(const std::string& text) {
    std::ofstream(auth_path()) << text;
  }
  std::string auth_path() const { return auth_dir_ / "auth.tokens"; }

  // Serves with the file that was written.
  void Serve(GrpcServerOptions options = {}, bool open_health = false) {
    Close();
    Start(setup_);
    authenticator_ = Authenticator::Open(auth_path()).value();
    gate_ = std::make_unique<Gate>(authenticator_.get(), open_health);
    options.listen = "127.0.0.1:0";
    options.gate = gate_.get();
    TrainHarness& parts = server();
    grpc_ =
        GrpcServer::Start({parts.harness.pipeline,
                           TrainServiceParts{*parts.manager, parts.datasets,
                                             parts.adapters, parts.promoter}},
                          parts.metrics, options)
            .value();
  }
  void Close() {
    grpc_.reset();
    Stop();
    gate_.reset();
    authenticator_.reset();
  }

  client::ClientOptions As(const std::string& token) const {
    client::ClientOptions options;
    options.target = grpc_->address();
    options.token = token;
    options.timeout_seconds = 20;
    return options;
  }
  std::string log() const { return log_.str(); }

  TrainSetup setup_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<GrpcServer> grpc_;

 private:
  std::ostringstream log_;
  TempDir auth_dir_;
};

}  // namespace gist
