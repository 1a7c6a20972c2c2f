// A server without a port: fake engine, real store, scheduler, pipeline.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/embed/fake_embedder.h"
#include "core/engine/fake_engine.h"
#include "gtest/gtest.h"
#include "server/contexts/retention_manager.h"
#include "server/scheduling/scheduler.h"
#include "server/serving/pipeline.h"
#include "storage/gist_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {

struct HarnessOptions {
  FakeEngineOptions engine;
  SchedulerOptions scheduler;
  PipelineLimits limits;
  bool has_embedder = true;
  FakeEmbedderOptions embedder;
  RetentionLimits keeper;
};

class Harness {
 public:
  // Opens the data folder, which may hold something already.
  Harness(const std::string& folder, HarnessOptions options)
      : engine(std::move(options.engine)),
        files(OpenGistStore(folder).value()),
        store(RetentionManager::Open(*files, options.keeper, clock).value()),
        embedder(std::move(options.embedder)),
        scheduler(engine, options.scheduler),
        pipeline(engine, *store, scheduler, options.limits,
                 options.has_embedder ? &embedder : nullptr, &clock) {
    store->OnRemoved([this](const RemovedContext& context) {
      if (context.document_gone) pipeline.ForgetDocument(context.document_id);
      removed.push_back(context);
    });
  }

  absl::StatusOr<CompressResult> Compress(const std::string& text,
                                          int gist_tokens = 0) {
    return pipeline.Compress({text, gist_tokens}, Caller());
  }
  // The id of a document that compresses, or a failed test.
  std::string IdOf(const std::string& text, int gist_tokens = 0) {
    const auto result = Compress(text, gist_tokens);
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->context.record.context_id : "";
  }
  // The whole answer.
  absl::StatusOr<std::string> Ask(const AskInput& input,
                                  AskResult* took = nullptr) {
    std::string answer;
    const auto on_text = [&](const std::string& piece) {
      answer += piece;
      return true;
    };
    auto done = pipeline.Ask(input, Caller(), on_text);
    if (!done.ok()) return done.status();
    if (took != nullptr) *took = *std::move(done);
    return answer;
  }

  FakeEngine engine;
  FakeClock clock;
  std::unique_ptr<GistStore> files;
  std::unique_ptr<RetentionManager> store;
  std::vector<RemovedContext> removed;  // by nobody's hand
  FakeEmbedder embedder;
  Scheduler scheduler;
  Pipeline pipeline;
};

// A test with a data folder and a server over it.
class PipelineTest : public testing::Test {
 protected:
  void Start(HarnessOptions options = {}) {
    server_.reset();  // one at a time holds the folder
    server_ = std::make_unique<Harness>(dir_ / "data", std::move(options));
  }
  void Stop() { server_.reset(); }
  Harness& server() { return *server_; }
  FakeEngineCounts& counts() { return server_->engine.counts(); }
  std::string folder() const { return dir_ / "data"; }

 private:
  TempDir dir_;
  std::unique_ptr<Harness> server_;
};

// `words` words, with a passkey in the middle.
inline std::string DocumentWith(const std::string& passkey, int words = 40) {
  std::string text;
  for (int i = 0; i < words / 2; ++i) text += "filler ";
  text += "The secret passkey is " + passkey + " . ";
  for (int i = 0; i < words / 2; ++i) text += "filler ";
  return text;
}

// What the fake answers to `question` when it knows `facts`.
inline std::string AnswerTo(const std::string& facts,
                            const std::string& question) {
  return "Found " + facts + ". You asked: " + question;
}

}  // namespace gist
