// The engine's sequences against the same goldens as the passes below it.
#include "core/engine/torch_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/identity.h"
#include "core/format/gguf_files.h"
#include "tests/core/format/gguf_writer.h"
#include "tests/core/golden.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;

class TorchEngineTest : public testing::Test {
 protected:
  void Use(const std::string& adapter) {
    auto engine =
        MakeTorchEngine({.model_path = "tests/data/tiny/tiny.f32.gguf",
                         .adapter_path = "tests/data/tiny/" + adapter});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  GistKv Compress(const Ids& ids, size_t chunk) {
    return ToDense(Compressed(
        ids, chunk,
        {.rung = Rung::kGist, .gist_tokens = engine_->adapter().gist_tokens}));
  }

  CompressedKv Compressed(const Ids& ids, size_t chunk,
                          const CompressionSpec& spec) {
    auto document = engine_->StartDocument(spec.rung);
    EXPECT_TRUE(document.ok()) << document.status();
    for (size_t i = 0; i < ids.size(); i += chunk) {
      const auto part =
          std::span(ids).subspan(i, std::min(chunk, ids.size() - i));
      EXPECT_TRUE(engine_->Prefill(**document, part).ok());
    }
    EXPECT_EQ((*document)->tokens(), int(ids.size()));
    auto kv = engine_->Compress(**document, spec);
    EXPECT_TRUE(kv.ok()) << kv.status();
    return kv.ok() ? *std::move(kv) : CompressedKv();
  }

  std::unique_ptr<PromptSequence> Prompt(const std::vector<GistKv>& gists,
                                         const Ids& question) {
    auto prompt = engine_->StartPrompt({});
    EXPECT_TRUE(prompt.ok());
    for (const GistKv& kv : gists)
      EXPECT_TRUE(engine_->LoadKv(**prompt, FromDense(kv)).ok());
    EXPECT_TRUE(engine_->Prefill(**prompt, question).ok());
    return *std::move(prompt);
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(TorchEngineTest, TokenizesPrefixAndQuestionAsTheReference) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  EXPECT_EQ(engine_->model().prefix_tokens,
            int(golden.Ids("prefix_ids").size()));
  EXPECT_EQ(engine_->model().vocab_size, 300);
  EXPECT_EQ(engine_->adapter().name, "adapter_blocks");
}

TEST_F(TorchEngineTest, ChunksThatCrossSegmentsGiveTheSameGists) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  const Ids ids = golden.Ids("context_ids");
  for (const size_t chunk : {size_t(1), size_t(5), size_t(16), ids.size()}) {
    const GistKv gists = Compress(ids, chunk);
    EXPECT_LT(MaxDifference(gists.keys, golden.Floats("keys")), 1e-4f) << chunk;
    EXPECT_LT(MaxDifference(gists.values, golden.Floats("values")), 1e-4f)
        << chunk;
  }
}

TEST_F(TorchEngineTest, WorksWithoutAnAdapterUntilItGetsOne) {
  auto engine = MakeTorchEngine({.model_path = "tests/data/tiny/tiny.f32.gguf",
                                 .answer_adapter_path = "tests/data/tiny/none",
                                 .answer_adapter_required = false});
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
  EXPECT_FALSE(engine_->adapter().is_loaded());
  EXPECT_EQ(engine_->answer_adapter().fingerprint, "");
  EXPECT_EQ(engine_->StartDocument(Rung::kGist).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const Golden golden("tiny/gists_blocks.safetensors");
  const Ids ids = golden.Ids("context_ids");
  EXPECT_EQ(Compressed(ids, 16, {.rung = Rung::kFull, .ratio = 1}).MostSlots(),
            ids.size());
  ASSERT_TRUE(engine_->UseAdapter("tests/data/tiny/adapter_blocks").ok());
  EXPECT_LT(MaxDifference(Compress(ids, 16).keys, golden.Floats("keys")),
            1e-4f);
  ASSERT_TRUE(engine_->UseAdapter("").ok());
  EXPECT_FALSE(engine_->adapter().is_loaded());
  EXPECT_FALSE(engine_->StartDocument(Rung::kGist).ok());
}

TEST_F(TorchEngineTest, AnAdapterThatIsNamedMustBeThere) {
  const TorchEngineOptions missing = {
      .model_path = "tests/data/tiny/tiny.f32.gguf",
      .answer_adapter_path = "tests/data/tiny/none"};
  EXPECT_EQ(MakeTorchEngine(missing).status().code(),
            absl::StatusCode::kNotFound);
}

// Greedy tokens behind `kv`, or behind `text` where there is none.
Ids AnswerOf(Engine& engine, const CompressedKv* kv, const Ids& text,
             const Ids& question) {
  auto prompt = engine.StartPrompt({}).value();
  if (kv != nullptr) {
    EXPECT_TRUE(engine.LoadKv(*prompt, *kv).ok());
  } else {
    EXPECT_TRUE(engine.Prefill(*prompt, text).ok());
  }
  EXPECT_EQ(prompt->tokens(), engine.model().prefix_tokens + int(text.size()));
  EXPECT_TRUE(engine.Prefill(*prompt, question).ok());
  PromptSequence* batch[] = {prompt.get()};
  Ids ids;
  for (int i = 0; i < 16; ++i) {
    const auto tokens = engine.Decode(batch);
    EXPECT_TRUE(tokens.ok()) << tokens.status();
    ids.push_back((*tokens)[0].id);
  }
  return ids;
}

TEST_F(TorchEngineTest, AFullRepresentationAnswersAsTheText) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  const Ids text = golden.Ids("context_ids"),
            question = golden.Ids("question_ids");
  const Ids want = AnswerOf(*engine_, nullptr, text, question);
  for (const size_t chunk : {size_t(5), text.size()}) {
    const CompressedKv full = Compressed(
        text, chunk,
        {.rung = Rung::kFull, .ratio = 1, .storage = KvStorage::kF32});
    EXPECT_EQ(full.MostSlots(), text.size());
    EXPECT_EQ(full.positions.size(), full.TotalSlots());
    EXPECT_EQ(AnswerOf(*engine_, &full, text, question), want) << chunk;
  }
  const CompressedKv small = Compressed(
      text, 16, {.rung = Rung::kFull, .ratio = 1, .storage = KvStorage::kI8});
  EXPECT_EQ(small.storage, KvStorage::kI8);
  const Ids answer = AnswerOf(*engine_, &small, text, question);
  EXPECT_EQ(answer.front(), want.front());
}

TEST_F(TorchEngineTest, RefusesWhatItCannotCompressOrLoad) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  EXPECT_TRUE(
      absl::IsUnimplemented(engine_->StartDocument(Rung::kSelected).status()));
  const auto document = engine_->StartDocument(Rung::kFull);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_TRUE(absl::IsInvalidArgument(
      engine_->Compress(**document, {.rung = Rung::kGist, .gist_tokens = 2})
          .status()));
  const Golden golden("tiny/gists_blocks.safetensors");
  CompressedKv kv = FromDense(Compress(golden.Ids("context_ids"), 16));
  kv.bias.assign(kv.TotalSlots(), 0);
  const auto prompt = engine_->StartPrompt({});
  EXPECT_TRUE(absl::IsUnimplemented(engine_->LoadKv(**prompt, kv)));
}

TEST_F(TorchEngineTest, AnswersABatchAsEachAlone) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  const GistKv first = Compress(golden.Ids("context_ids"), 16);
  const GistKv second = Compress(golden.Ids("other_context_ids"), 16);
  const auto alone = Prompt({first}, golden.Ids("question_ids"));
  const auto joined = Prompt({first, second}, golden.Ids("question_ids"));
  const std::vector<PromptSequence*> batch = {alone.get(), joined.get()};
  Ids alone_ids, joined_ids;
  for (int i = 0; i < 16; ++i) {
    const auto tokens = engine_->Decode(batch);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    alone_ids.push_back((*tokens)[0].id);
    joined_ids.push_back((*tokens)[1].id);
  }
  EXPECT_EQ(alone_ids, golden.Ids("answer_ids"));
  EXPECT_EQ(joined_ids, golden.Ids("joined_answer_ids"));
}

// A short question waits for the next Decode, unless something else comes.
TEST_F(TorchEngineTest, WhatIsReadLateAnswersAsWhatIsReadAtOnce) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  const GistKv gists = Compress(golden.Ids("context_ids"), 16);
  const Ids question = golden.Ids("question_ids");
  ASSERT_LE(int(question.size()), Engine::kLateTokens);
  const auto late = Prompt({gists}, question);
  const auto parted = engine_->StartPrompt({});
  ASSERT_TRUE(engine_->LoadKv(**parted, FromDense(gists)).ok());
  for (const int32_t id : question)
    ASSERT_TRUE(engine_->Prefill(**parted, {&id, 1}).ok());
  EXPECT_EQ(late->tokens(), (*parted)->tokens());
  const std::vector<PromptSequence*> batch = {late.get(), parted->get()};
  for (const int32_t want : golden.Ids("answer_ids")) {
    const auto tokens = engine_->Decode(batch);
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_EQ((*tokens)[0].id, want);
    EXPECT_EQ((*tokens)[1].id, want);
  }
}

TEST_F(TorchEngineTest, ARewoundPromptAnswersAsANewOne) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  const Golden golden("tiny/gists_blocks.safetensors");
  const Ids text = golden.Ids("context_ids"),
            question = golden.Ids("question_ids");
  const auto answer = [&](PromptSequence& prompt) {
    EXPECT_TRUE(engine_->Prefill(prompt, question).ok());
    const std::vector<PromptSequence*> batch = {&prompt};
    Ids ids;
    for (int i = 0; i < 16; ++i) ids.push_back((*engine_->Decode(batch))[0].id);
    return ids;
  };
  const auto prompt = Prompt({}, text);
  const int tokens = prompt->tokens();
  const Ids want = answer(*prompt);
  ASSERT_TRUE(engine_->Prefill(*prompt, text).ok());
  ASSERT_TRUE(engine_->Rewind(*prompt, tokens, {}).ok());
  EXPECT_EQ(prompt->tokens(), tokens);
  const std::vector<PromptSequence*> batch = {prompt.get()};
  EXPECT_TRUE(absl::IsInvalidArgument(engine_->Decode(batch).status()));
  EXPECT_EQ(answer(*prompt), want);
  EXPECT_TRUE(absl::IsInvalidArgument(engine_->Rewind(*prompt, 1000, {})));
}

TEST_F(TorchEngineTest, SaysWhenTheContextIsFullAndGoesOn) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_whole"));
  auto prompt = *engine_->StartPrompt({});
  const Ids chunk(256, 40);
  ASSERT_TRUE(engine_->Prefill(*prompt, chunk).ok());
  const absl::Status full = engine_->Prefill(*prompt, chunk);  // context: 512
  EXPECT_TRUE(absl::IsOutOfRange(full)) << full;
  EXPECT_EQ(prompt->tokens(), engine_->model().prefix_tokens + 256);
  EXPECT_TRUE(engine_->Prefill(*prompt, std::span(chunk).first(10)).ok());
}

TEST_F(TorchEngineTest, RefusesMisuse) {
  ASSERT_NO_FATAL_FAILURE(Use("adapter_blocks"));
  auto prompt = *engine_->StartPrompt({});
  EXPECT_TRUE(absl::IsInvalidArgument(engine_->Prefill(*prompt, {})));
  const std::vector<PromptSequence*> batch = {prompt.get()};
  EXPECT_TRUE(absl::IsInvalidArgument(engine_->Decode(batch).status()));
  auto document = *engine_->StartDocument(Rung::kGist);
  ASSERT_TRUE(engine_->Prefill(*document, Ids{40, 41, 42}).ok());
  const auto gists = [&](int number) {
    return engine_->Compress(*document,
                             {.rung = Rung::kGist, .gist_tokens = number});
  };
  EXPECT_TRUE(absl::IsInvalidArgument(gists(0).status()));
  EXPECT_TRUE(gists(12).ok()) << "any number of blocks";
  EXPECT_TRUE(gists(5).ok()) << "and of gists";
}

// Finite weights whose logits overflow: an error, never an answer.
TEST_F(TorchEngineTest, RefusesToDecodeFromLogitsThatOverflow) {
  const TempDir folder;
  const auto tiny = OpenGguf("tests/data/tiny/tiny.f32.gguf");
  ASSERT_TRUE(tiny.ok()) << tiny.status();
  std::string huge;
  for (int i = 0; i < 64; ++i) huge += Raw(3e38f);
  auto tensors = tiny->gguf.tensors();
  tensors.at("output_norm.weight").data = huge;
  const std::string model = WriteGguf(tiny->gguf.values(), tensors, 32);
  std::ofstream(folder / "model.gguf", std::ios::binary) << model;
  const std::string from = "tests/data/tiny/adapter_whole/";
  std::filesystem::copy(from + "adapter_model.safetensors", folder.path());
  auto config = nlohmann::json::parse(ReadFile(from + "adapter_config.json"));
  config["gist"]["base_model_sha256"] = Sha256Hex(model);
  std::ofstream(folder / "adapter_config.json") << config.dump();
  auto engine = MakeTorchEngine(
      {.model_path = folder / "model.gguf", .adapter_path = folder.path()});
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
  const auto prompt = Prompt({}, {40, 41, 42});
  const std::vector<PromptSequence*> batch = {prompt.get()};
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = engine_->Decode(batch).status();
    EXPECT_TRUE(absl::IsInternal(status)) << status;
    EXPECT_THAT(status.ToString(), testing::HasSubstr("the logit of token"));
  }
}

TEST_F(TorchEngineTest, NamesAFileThatIsNotThere) {
  const auto engine =
      MakeTorchEngine({.model_path = "tests/data/none.gguf",
                       .adapter_path = "tests/data/tiny/adapter_whole"});
  EXPECT_TRUE(absl::IsNotFound(engine.status())) << engine.status();
  EXPECT_THAT(engine.status().ToString(), testing::HasSubstr("none.gguf"));
}

}  // namespace
}  // namespace gist
