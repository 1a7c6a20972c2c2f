#include "client/tools/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "client/tools/plan_adapters.h"
#include "core/format/mapped_file.h"
#include "core/kernels/packed_matrix.h"
#include "core/model/model_source.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kGib = int64_t{1} << 30;

constexpr char kLlama3[] = R"({"model_type": "llama", "num_hidden_layers": 32,
  "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
  "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 8192,
  "rms_norm_eps": 1e-5, "tie_word_embeddings": false})";

PlanModel Llama3() {
  auto model = PlanModel::FromHuggingFace(kLlama3);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

TEST(PlanModelTest, CountsTheParametersOfAnEightBillionModel) {
  EXPECT_EQ(Llama3().Parameters(), 8'030'261'248);  // as transformers counts
}

// Packed weights let an 8B model's adapter train within 24 GiB, where float32
// takes more for the weights alone.
TEST(PlanTest, FitsTrainingAnEightBillionModelIntoTwentyFourGib) {
  const PlanModel model = Llama3();
  PlanRequest request{.weights = WeightStorage::kQuantized,
                      .document_tokens = 4096};
  for (const auto& plan :
       {PlanTrain, PlanCompress, PlanAskGists, PlanAskFull}) {
    EXPECT_LT(plan(model, request).PeakBytes(), 24 * kGib);
  }
  EXPECT_GT(PlanTrain(model, request).PeakBytes(), 8 * kGib);
  request.weights = WeightStorage::kFloat32;
  EXPECT_GT(PlanAskGists(model, request).PeakBytes(), 29 * kGib);
}

bool Has(const Ledger& ledger, std::string_view what) {
  return std::ranges::any_of(ledger.lines, [what](const LedgerLine& line) {
    return line.what.starts_with(what);
  });
}

int64_t BytesOf(const Ledger& ledger, std::string_view what) {
  for (const LedgerLine& line : ledger.lines) {
    if (line.what.starts_with(what)) return line.bytes;
  }
  ADD_FAILURE() << "no line " << what;
  return 0;
}

int64_t LoadedBytes(const Ledger& ledger) {
  return BytesOf(ledger, "program") + BytesOf(ledger, "tokenizer") +
         BytesOf(ledger, "weights");
}

// By hand, for the sizes above.
TEST(PlanTest, CountsEachPartOfTraining) {
  const PlanRequest request{.weights = WeightStorage::kQuantized,
                            .document_tokens = 4096,
                            .gist_tokens = 10,
                            .gists_per_block = 5,
                            .lora_r = 16,
                            .documents_per_step = 4};
  const Ledger ledger = PlanTrain(Llama3(), request);
  // 32 layers have two norms, and the output one more, in float32.
  const int64_t norms = 65 * 4096;
  EXPECT_EQ(BytesOf(ledger, "weights packed, from Q4_0"),
            (8'030'261'248 - norms) / 32 * 18 + norms * 4);
  // The vocabulary's matrix goes in slices.
  EXPECT_EQ(BytesOf(ledger, "one matrix dequantized"), int64_t{256} << 20);
  // 32 x 16 x (8192 + 5120 + 5120 + 8192) and 5 x 4096, each four times.
  EXPECT_EQ(BytesOf(ledger, "adapter"), (13'631'488 + 20'480) * 16);
  // 4 documents of 16 segments of 256 tokens of 131,072 bytes.
  EXPECT_EQ(BytesOf(ledger, "context keys and values, 64 segments"),
            4 * 4096 * 131'072LL);
  // 40 rows of 4 x 4096 + 3 x 4096 + 3 x 1024 + 4 x 14336 floats in 32 layers.
  EXPECT_EQ(BytesOf(ledger, "write pass, kept"), 32 * 40 * 89'088LL * 4);
  // 40 rows, 32 heads; each sees 32 + 2048 + 32 + 5 tokens.
  EXPECT_EQ(BytesOf(ledger, "write pass, attention"),
            32 * 40 * 32 * 2117LL * 4);
  EXPECT_EQ(BytesOf(ledger, "read pass, kept"), 32 * 160 * 89'088LL * 4);
  EXPECT_EQ(BytesOf(ledger, "logits"), 4 * 16 * 128'256LL * 12);
}

// By hand: no matrix is dequantized, no mask made, and a number of a cache
// takes two bytes.
TEST(PlanTest, CountsEachPartOfAnAnswerFromPackedWeights) {
  const PlanModel model = Llama3();
  const Ledger full = PlanAskFull(model, {.document_tokens = 4096});
  EXPECT_EQ(BytesOf(full, "prompt's keys and values, float16"),
            (32 + 4096 + 40) * 131'072LL);
  // 256 rows of 3 x 4096 + 2 x 4096 + 2 x 1024 + 2 x 14336 floats, and 14336
  // integers with 16 bytes for each 32.
  EXPECT_EQ(BytesOf(full, "a chunk's activations"),
            256 * (51'200 * 4 + 14'336 / 32 * 48));
  EXPECT_EQ(BytesOf(full, "logits"), 128'256 * 8);
  // 32 x 16 x (8192 + 5120 + 5120 + 8192) in two bytes, 5 x 4096 in four.
  EXPECT_EQ(BytesOf(full, "adapter"), 13'631'488 * 2 + 20'480 * 4);
  for (const auto& plan : {PlanCompress, PlanAskGists, PlanAskFull}) {
    const Ledger ledger = plan(model, {});
    for (const char* part : {"one matrix", "a chunk's mask", "one layer's keys",
                             "prompt's keys "
                             "and values, float32",
                             "context keys and values, float32"}) {
      EXPECT_FALSE(Has(ledger, part)) << part;
    }
    EXPECT_EQ(ledger.load_bytes, LoadedBytes(ledger) + model.mapped_bytes)
        << "the file is mapped until the weights are packed";
  }
}

// As a GPU does.
TEST(PlanTest, TakesMoreForMoreTokensAtATime) {
  PlanRequest request{.weights = WeightStorage::kFloat32,
                      .document_tokens = 4096};
  const Ledger fewer = PlanAskFull(Llama3(), request);
  request.chunk_tokens = 1024;
  const Ledger more = PlanAskFull(Llama3(), request);
  for (const char* line : {"a chunk's mask", "a chunk's activations"})
    EXPECT_EQ(BytesOf(more, line), 4 * BytesOf(fewer, line));
}

// Of the steps of a training that follow one another the largest counts.
TEST(PlanTest, CountsOnePhaseOfATraining) {
  PlanRequest request{.document_tokens = 4096};
  const Ledger passes = PlanTrain(Llama3(), request);
  EXPECT_GT(BytesOf(passes, "read pass, kept"), 0);
  request.fresh_segments_per_step = 256;
  const Ledger fresh = PlanTrain(Llama3(), request);
  EXPECT_GT(BytesOf(fresh, "segments prefilled anew"), 0);
  for (const Ledger& ledger : {passes, fresh}) {
    int phases = 0;
    for (const LedgerLine& line : ledger.lines) {
      phases += line.what.starts_with("segments prefilled") ||
                line.what.starts_with("logits") ||
                line.what.starts_with("a checkpoint");
    }
    EXPECT_EQ(phases, 1);
  }
}

TEST(PlanTest, CountsTheAdaptersInUseInPlaceOfOneToBeTrained) {
  const PlanModel model = Llama3();
  PlanRequest request{.adapters = {.gist = {.lora = 1000, .embeddings = 10},
                                   .answer = {.lora = 500}}};
  for (const int64_t bytes : {2, 4}) {
    for (const auto& plan : {PlanCompress, PlanAskGists, PlanAskFull}) {
      const Ledger ledger = plan(model, request);
      EXPECT_EQ(BytesOf(ledger, "adapter"), 1000 * bytes + 40);
      EXPECT_EQ(BytesOf(ledger, "answer adapter"), 500 * bytes);
    }
    EXPECT_EQ(BytesOf(PlanTrain(model, request), "adapter in use"),
              1000 * bytes + 40);
    request.weights = WeightStorage::kFloat32;
  }
}

TEST(PlanAdaptersTest, TakesInstalledAdaptersOfTheModelAlone) {
  const auto file = ModelSource::Open("tests/data/tiny/tiny.f32.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const auto config = ModelConfig::FromGguf((*file)->gguf());
  ASSERT_TRUE(config.ok()) << config.status();
  const TempDir folder;
  std::filesystem::copy("tests/data/tiny/adapter_mlp", folder / "default");
  const std::string own = (*file)->Fingerprint();
  int asked = 0;
  const auto find = [&](const ModelConfig& model, const std::string& is) {
    return FindInstalledAdapters(folder.path(), model, [&asked, &is] {
      ++asked;
      return is;
    });
  };
  const auto& [gist, answer] = find(*config, own);
  EXPECT_GT(gist.lora, 2'500);
  EXPECT_EQ(gist.embeddings, 4 * config->hidden_size);
  EXPECT_EQ(answer, AdapterSize());
  EXPECT_EQ(find(*config, "another").gist, AdapterSize());
  asked = 0;
  ModelConfig other = *config;
  other.hidden_size *= 2;
  EXPECT_EQ(find(other, own).gist, AdapterSize());
  other = *config;
  other.layers += 1;
  EXPECT_EQ(find(other, own).gist, AdapterSize());
  EXPECT_EQ(asked, 0) << "the file is read only for an adapter that fits";
}

TEST(PlanTest, KeepsNoMoreOfALongDocumentThanAGroup) {
  const PlanModel model = Llama3();
  PlanRequest request{.document_tokens = 8192, .max_group_tokens = 8192};
  const int64_t peak = PlanCompress(model, request).PeakBytes();
  request.document_tokens = 100'000;
  EXPECT_EQ(PlanCompress(model, request).PeakBytes(), peak);
}

TEST(PlanModelTest, ReadsGgufAndItsStoredBytes) {
  const auto file = MappedFile::Open("tests/data/tiny/tiny.q4_0.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const auto gguf = Gguf::Parse(file->bytes());
  ASSERT_TRUE(gguf.ok()) << gguf.status();
  const auto model = PlanModel::FromGguf(*gguf, int64_t(file->bytes().size()));
  ASSERT_TRUE(model.ok()) << model.status();
  int64_t elements = 0, bytes = 0;
  for (const auto& [name, tensor] : gguf->tensors()) {
    elements += tensor.Elements();
    bytes += int64_t(tensor.data.size());
  }
  EXPECT_EQ(model->Parameters(), elements);
  EXPECT_EQ(model->stored_bytes, bytes);
  EXPECT_EQ(model->stored_type, "Q4_0");
}

TEST(PlanModelTest, CountsPackedMatricesAsTheyArePacked) {
  ThreadTeam team(1);
  const std::string data(40 * 512 * sizeof(float), '\0');
  for (const GgmlType type :
       {GgmlType::kF32, GgmlType::kBF16, GgmlType::kQ4_0, GgmlType::kQ4_1,
        GgmlType::kQ5_0, GgmlType::kQ8_0, GgmlType::kQ4_K, GgmlType::kQ6_K}) {
    const GgmlBlock block = GgmlBlockOf(type);
    for (const int64_t rows : {1, 16, 40}) {
      const GgufTensor tensor{
          .name = "matrix",
          .type = type,
          .dims = {512, rows},
          .data = std::string_view(data).substr(
              0, size_t(rows * 512 / block.elements * block.bytes))};
      EXPECT_EQ(PackedBytes(type, tensor.dims),
                PackedMatrix(tensor, 0, team).bytes())
          << GgmlTypeName(uint32_t(type)) << " " << rows;
    }
  }
  EXPECT_EQ(PackedBytes(GgmlType::kF16, {100}), 400) << "a norm is float32";
}

TEST(PlanModelTest, NamesWhatIsWrongWithAConfig) {
  const auto without = PlanModel::FromHuggingFace(
      R"({"model_type": "llama", "num_hidden_layers": 32, "hidden_size": -1})");
  EXPECT_TRUE(absl::IsDataLoss(without.status()));
  EXPECT_THAT(without.status().ToString(),
              AllOf(HasSubstr("hidden_size"), HasSubstr("-1")));
  const auto other = PlanModel::FromHuggingFace(R"({"model_type": "mamba"})");
  EXPECT_TRUE(absl::IsUnimplemented(other.status()));
  EXPECT_THAT(other.status().ToString(), HasSubstr("mamba"));
  EXPECT_TRUE(absl::IsDataLoss(PlanModel::FromHuggingFace("[").status()));
  EXPECT_FALSE(PlanModel::FromHuggingFace(R"({"model_type": 3})").ok());
}

TEST(PlanModelTest, ReadsEachTypeOfConfig) {
  for (const char* name :
       {"llama3", "mistral", "qwen2", "qwen3", "gemma3", "phi3", "smollm3"}) {
    const auto file =
        MappedFile::Open(std::string("tests/data/hf/") + name + "/config.json");
    ASSERT_TRUE(file.ok()) << file.status();
    const auto model = PlanModel::FromHuggingFace(file->bytes());
    ASSERT_TRUE(model.ok()) << name << model.status();
    EXPECT_EQ(model->config.vocab_size, 300) << name;
    EXPECT_GT(model->Parameters(), 300 * 16) << name;
  }
}

TEST(LargestThatFitsTest, FindsTheBorder) {
  const auto square = [](int n) { return int64_t(n) * n; };
  EXPECT_EQ(LargestThatFits(100, 1000, square), 10);
  EXPECT_EQ(LargestThatFits(99, 1000, square), 9);
  EXPECT_EQ(LargestThatFits(0, 1000, square), 0);
  EXPECT_EQ(LargestThatFits(int64_t{1} << 40, 1000, square), 1000);
}

}  // namespace
}  // namespace gist
