// Does the ledger tell what a real server takes?
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "client/gist_client.h"
#include "client/tools/plan.h"
#include "client/tools/plan_adapters.h"
#include "core/model/model_source.h"
#include "tests/integration/gistd_process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

constexpr double kTolerance = 0.1;
struct Case {
  const char* name;
  const char* model;
  const char* adapter;
  size_t text_bytes;    // of a document that fits the context
  const char* weights;  // "auto": gistd's own choice, no flag
};
constexpr char kDefault[] =
    "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";
// The tiny model shows what the program takes by itself.
constexpr Case kCases[] = {
    {"Default_float32", kDefault, "auto", 9000, "float32"},
    {"Default_bfloat16", kDefault, "auto", 2000, "bfloat16"},
    {"Default_auto", kDefault, "auto", 9000, "auto"},
    {"Tiny_auto", "tests/data/tiny/tiny.f32.gguf",
     "tests/data/tiny/adapter_blocks", 400, "auto"}};

// English, of so many bytes.
std::string Text(size_t bytes) {
  std::ifstream in("tests/data/passkey/contexts.jsonl");
  std::string text;
  for (std::string line; text.size() < bytes && std::getline(in, line);) {
    text += nlohmann::json::parse(line).at("context").get<std::string>() + " ";
  }
  return text.substr(0, bytes);
}

class MemoryTest : public testing::TestWithParam<Case> {
 protected:
  // As `gist plan` reads the model.
  void ReadModel() {
    const auto source = ModelSource::Open(GetParam().model);
    ASSERT_THAT(source, IsOk());
    const auto plan =
        PlanModel::FromGguf((*source)->gguf(), (*source)->Bytes());
    ASSERT_THAT(plan, IsOk());
    plan_ = *plan;
    const InstalledAdapters adapters =
        FindInstalledAdapters("adapters", plan_.config,
                              [&source] { return (*source)->Fingerprint(); });
    request_ = {.weights = *ChooseWeightStorage(GetParam().weights, "cpu"),
                .adapters = adapters};
  }
  std::unique_ptr<GistdProcess> Start() {
    const auto& [name, model, adapter, text_bytes, weights] = GetParam();
    std::vector<std::string> arguments = {
        "--model",        model,       "--adapter", adapter,      "--data-dir",
        folder_ / "data", "--threads", "2",         "--embedder", "off"};
    if (weights != std::string("auto"))
      arguments.insert(arguments.end(), {"--weights", weights});
    auto server = std::make_unique<GistdProcess>(arguments, folder_ / "log");
    const auto address = server->WaitUntilReady();
    EXPECT_TRUE(address) << server->Log();
    client_ = std::make_unique<client::GistClient>(
        client::ClientOptions{.target = address.value_or("")});
    return server;
  }
  void Stop(GistdProcess* server) {
    server->Signal(SIGTERM);
    EXPECT_EQ(server->Wait(), 0);
  }
  void Ask(const std::string& id, client::Mode mode) {
    EXPECT_THAT(client_->Ask({.context_ids = {id},
                              .text = "What is the secret passkey?",
                              .mode = mode,
                              .max_tokens = 4},
                             [](std::string_view) { return absl::OkStatus(); }),
                IsOk());
  }
  void ExpectNear(const char* work, int64_t measured,
                  Ledger (*plan)(const PlanModel&, const PlanRequest&)) const {
    const auto planned = double(plan(plan_, request_).PeakBytes());
    EXPECT_NEAR(planned, double(measured), kTolerance * double(measured))
        << work;
  }

  TempDir folder_;
  PlanModel plan_;
  PlanRequest request_;
  std::unique_ptr<client::GistClient> client_;
};

TEST_P(MemoryTest, PeaksAsPlanned) {
  ASSERT_NO_FATAL_FAILURE(ReadModel());
  auto server = Start();
  const auto made = client_->Compress(Text(GetParam().text_bytes), {});
  ASSERT_THAT(made, IsOk());
  request_.document_tokens = int(made->context().document_tokens());
  ExpectNear("compress", server->PeakBytes(), PlanCompress);
  Stop(server.get());

  server = Start();
  Ask(made->context().context_id(), client::Mode::kGist);
  ExpectNear("ask gists", server->PeakBytes(), PlanAskGists);
  Ask(made->context().context_id(), client::Mode::kFull);
  ExpectNear("ask in full", server->PeakBytes(), PlanAskFull);
}

INSTANTIATE_TEST_SUITE_P(Models, MemoryTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace gist
