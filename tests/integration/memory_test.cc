// Does the ledger tell what a real server takes?
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "client/gist_client.h"
#include "client/tools/plan.h"
#include "core/format/mapped_file.h"
#include "tests/integration/gistd_process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

constexpr char kModel[] = "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr double kTolerance = 0.15;

// Some thousand tokens of English.
std::string LongText(int documents) {
  std::ifstream in("tests/data/passkey/contexts.jsonl");
  std::string text;
  for (std::string line; documents-- > 0 && std::getline(in, line);) {
    text += nlohmann::json::parse(line).at("context").get<std::string>() + " ";
  }
  return text;
}

PlanModel SmallModel() {
  const auto file = MappedFile::Open(kModel);
  EXPECT_THAT(file, IsOk());
  const auto gguf = Gguf::Parse(file->bytes());
  EXPECT_THAT(gguf, IsOk());
  const auto model = PlanModel::FromGguf(*gguf, int64_t(file->bytes().size()));
  EXPECT_THAT(model, IsOk());
  return *model;
}

class MemoryTest : public testing::Test {
 protected:
  std::unique_ptr<GistdProcess> Start(const std::string& weights = "float32") {
    auto server = std::make_unique<GistdProcess>(
        std::vector<std::string>{"--data-dir", folder_ / "data", "--threads",
                                 "2", "--weights", weights, "--embedder",
                                 "off"},
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
  static void ExpectNear(int64_t measured, const Ledger& ledger) {
    EXPECT_NEAR(double(measured), double(ledger.PeakBytes()),
                kTolerance * double(measured));
  }

  TempDir folder_;
  std::unique_ptr<client::GistClient> client_;
};

TEST_F(MemoryTest, PeaksAsPlanned) {
  const PlanModel model = SmallModel();
  auto server = Start();
  ExpectNear(server->PeakBytes(), PlanAskGists(model, {}));
  const auto made = client_->Compress(LongText(2), {});
  ASSERT_THAT(made, IsOk());
  const PlanRequest request{.document_tokens =
                                int(made->context().document_tokens())};
  EXPECT_GT(request.document_tokens, 1900);
  ExpectNear(server->PeakBytes(), PlanCompress(model, request));
  Stop(server.get());

  server = Start();
  Ask(made->context().context_id(), client::Mode::kGist);
  ExpectNear(server->PeakBytes(), PlanAskGists(model, request));
  Ask(made->context().context_id(), client::Mode::kFull);
  ExpectNear(server->PeakBytes(), PlanAskFull(model, request));
}

// The matrices lie in the mapped file and in room for the largest one, which
// the first answer takes and keeps.
TEST_F(MemoryTest, PeaksAsPlannedWithQuantizedWeights) {
  const PlanModel model = SmallModel();
  auto server = Start("quantized");
  const auto first = client_->Compress("A short text about nothing.", {});
  ASSERT_THAT(first, IsOk());
  Ask(first->context().context_id(), client::Mode::kGist);
  ExpectNear(server->PeakBytes(),
             PlanAskGists(model, {.weights = WeightStorage::kQuantized}));
  const auto made = client_->Compress(LongText(2), {});
  ASSERT_THAT(made, IsOk());
  const PlanRequest request{
      .weights = WeightStorage::kQuantized,
      .document_tokens = int(made->context().document_tokens())};
  ExpectNear(server->PeakBytes(), PlanCompress(model, request));
  EXPECT_LT(server->PeakBytes(),
            PlanCompress(model, {}).PeakBytes() - 300'000'000);
}

}  // namespace
}  // namespace gist
