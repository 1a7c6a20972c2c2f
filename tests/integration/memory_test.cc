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
constexpr std::pair<const char*, WeightStorage> kStorages[] = {
    {"float32", WeightStorage::kFloat32},
    {"bfloat16", WeightStorage::kBfloat16},
    {"quantized", WeightStorage::kQuantized}};

struct Model {
  const char* name;
  const char* path;
  const char* adapter;
  size_t text_bytes;  // of a document that fits the context
};
constexpr Model kModels[] = {
    {"Default", "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf", "auto",
     9000},
    {"Tiny", "tests/data/tiny/tiny.f32.gguf", "tests/data/tiny/adapter_blocks",
     400}};

// English, of so many bytes.
std::string Text(size_t bytes) {
  std::ifstream in("tests/data/passkey/contexts.jsonl");
  std::string text;
  for (std::string line; text.size() < bytes && std::getline(in, line);) {
    text += nlohmann::json::parse(line).at("context").get<std::string>() + " ";
  }
  return text.substr(0, bytes);
}

// Of each model, with each storage of its weights.
class MemoryTest : public testing::TestWithParam<std::tuple<Model, size_t>> {
 protected:
  static const Model& model() { return std::get<0>(GetParam()); }
  static auto storage() { return kStorages[std::get<1>(GetParam())]; }

  // As `gist plan` reads the model.
  void ReadModel() {
    const auto source = ModelSource::Open(model().path);
    ASSERT_THAT(source, IsOk());
    const auto plan =
        PlanModel::FromGguf((*source)->gguf(), (*source)->Bytes());
    ASSERT_THAT(plan, IsOk());
    plan_ = *plan;
    const InstalledAdapters adapters =
        FindInstalledAdapters("adapters", plan_.config,
                              [&source] { return (*source)->Fingerprint(); });
    request_ = {.weights = storage().second,
                .adapter_bytes = adapters.gist_bytes,
                .answer_adapter_bytes = adapters.answer_bytes};
  }
  std::unique_ptr<GistdProcess> Start() {
    auto server = std::make_unique<GistdProcess>(
        std::vector<std::string>{
            "--model", model().path, "--adapter", model().adapter, "--data-dir",
            folder_ / "data", "--threads", "2", "--weights", storage().first,
            "--embedder", "off"},
        folder_ / "log");
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
  const auto made = client_->Compress(Text(model().text_bytes), {});
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

INSTANTIATE_TEST_SUITE_P(Models, MemoryTest,
                         testing::Combine(testing::ValuesIn(kModels),
                                          testing::Range(size_t{0},
                                                         std::size(kStorages))),
                         [](const auto& test) {
                           return fmt::format(
                               "{}_{}", std::get<0>(test.param).name,
                               kStorages[std::get<1>(test.param)].first);
                         });

}  // namespace
}  // namespace gist
