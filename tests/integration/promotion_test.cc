// An adapter's life in the real server: trained on a user's file, promoted,
// rolled back, while contexts keep the adapter that made them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/training_client.h"
#include "tests/integration/gistd_fixture.h"

namespace gist {
namespace {

using client::TrainingEvent;

constexpr char kRecipe[] = R"(
layout: {gist_tokens: 4, gists_per_block: 2, block_overlap_tokens: 4, segment_tokens: 96, max_document_tokens: 400, lora_r: 4, lora_alpha: 8}
stages: [{name: all, steps: 2, min_tokens: 64, max_tokens: 96}]
documents_per_step: 2
evaluate_every_steps: 0
checkpoint_every_steps: 1
)";
constexpr char kText[] =
    "The mill by the river was repaired in spring. The secret passkey is "
    "TRM418. After that the miller went back to his bees.";
constexpr char kOther[] =
    "Snow fell on the pass for three days. The secret passkey is KDB905. Then "
    "the road to the village was open again.";
constexpr char kQuestion[] = "What is the secret passkey?";

// JSON Lines of texts that hold one passkey each.
client::ByteSource Samples(const std::vector<std::string>& keys) {
  std::string lines;
  for (const std::string& key : keys) {
    const nlohmann::json sample = {
        {"context", "It rained all day. The secret passkey is " + key +
                        ". In the evening the road was dry again."},
        {"question", kQuestion},
        {"answer", key}};
    lines += sample.dump() + "\n";
  }
  return [lines]() mutable -> absl::StatusOr<std::string> {
    return std::exchange(lines, "");
  };
}

class PromotionTest : public GistdTest {
 protected:
  PromotionTest() {
    std::filesystem::create_directory(folder_ / "presets");
    std::ofstream(folder_ / "presets/small.yaml") << kRecipe;
  }

  void Start() {
    GistdTest::Start({"--presets", folder_ / "presets", "--embedder", "off"});
  }
  client::TrainingClient Trainings() const {
    return client::TrainingClient(options_);
  }
  void Train(const std::string& name) const {
    const auto trainings = Trainings();
    const auto train =
        trainings.UploadDataset(Samples({"ABC123", "DEF456", "GHJ789"}));
    const auto dev = trainings.UploadDataset(Samples({"KLM246"}));
    ASSERT_THAT(train, IsOk());
    ASSERT_THAT(dev, IsOk());
    std::optional<client::Training> ended;
    ASSERT_THAT(trainings.Train({.preset = "small",
                                 .name = name,
                                 .dataset_ids = {train->dataset_id()},
                                 .dev_dataset_ids = {dev->dataset_id()}},
                                [&](const TrainingEvent& event) {
                                  if (event.has_training())
                                    ended = event.training();
                                  return absl::OkStatus();
                                }),
                IsOk());
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->state(), v1::TRAINING_STATE_SUCCEEDED) << ended->message();
    EXPECT_EQ(ended->adapter(), name + "@1");
    EXPECT_FALSE(ended->promoted());
  }
  client::Context Compress(const char* text = kText) const {
    return GistdTest::Compress(text).context();
  }
  std::string Ask(const client::Context& context) const {
    const Answered answered = GistdTest::Ask(
        {.context_ids = {context.context_id()},
         .text = kQuestion,
         .max_tokens = 8});
    EXPECT_THAT(answered.status, IsOk());
    return answered.text;
  }
  std::string InUse() const {
    const auto adapters = Trainings().ListAdapters();
    EXPECT_THAT(adapters, IsOk());
    if (!adapters.ok()) return "";
    for (const client::Adapter& adapter : *adapters)
      if (adapter.in_use() && adapter.version() > 0) return adapter.adapter();
    return "";
  }
};

// One context for each text: gists of another adapter are one more of its
// representations, and questions use those of the adapter in use.
TEST_F(PromotionTest, ContextsKeepTheAdapterThatMadeThem) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const client::Context before = Compress();
  const client::Context other = Compress(kOther);
  EXPECT_EQ(Ask(before), "TRM418");
  EXPECT_EQ(Ask(other), "KDB905");
  ASSERT_NO_FATAL_FAILURE(Train("mine"));
  EXPECT_EQ(InUse(), "");

  ASSERT_THAT(Trainings().PromoteAdapter("mine"), IsOk());
  EXPECT_EQ(InUse(), "mine@1");
  EXPECT_EQ(Ask(before), "TRM418");
  const client::Context after = Compress();
  EXPECT_EQ(after.context_id(), before.context_id());
  EXPECT_EQ(after.representations_size(), 2);
  EXPECT_NE(client::GistsOf(after).adapter_fingerprint(),
            client::GistsOf(before).adapter_fingerprint());
  EXPECT_EQ(client::GistsOf(after).kv_slots(), 4);
  const std::string answer_after = Ask(after);
  EXPECT_NE(answer_after, "TRM418") << "two steps teach nothing";
  EXPECT_EQ(Ask(other), "KDB905");

  server_->Signal(SIGKILL);
  server_->Wait();
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(InUse(), "mine@1");
  EXPECT_EQ(Ask(after), answer_after);
  EXPECT_EQ(Ask(other), "KDB905");

  const auto rolled_back = Trainings().RollbackAdapter();
  ASSERT_THAT(rolled_back, IsOk());
  EXPECT_EQ(*rolled_back, "");
  EXPECT_EQ(Ask(after), "TRM418");
}

}  // namespace
}  // namespace gist
