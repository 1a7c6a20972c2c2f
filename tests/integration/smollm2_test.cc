// The default model and the default adapter against transformers and the Python
// reference, on real weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/identity.h"
#include "core/engine/torch_engine.h"
#include "storage/kv_codec.h"
#include "tests/core/golden.h"
#include "tests/core/model/tiny_model.h"
#include "tests/faults/rounds.h"

namespace gist {
namespace {

using Ids = std::vector<int32_t>;
using Json = nlohmann::json;

constexpr char kModel[] = "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr char kAdapter[] = "adapters/default";

std::vector<Json> ReadLines(const std::string& path) {
  std::ifstream in("tests/data/" + path);
  std::vector<Json> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(Json::parse(line));
  return lines;
}

class LogitsTest : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    model_ = LoadModel(kModel).transformer.release();
  }
  static void TearDownTestSuite() { delete model_; }
  static std::vector<float> Last(KvCache* cache, const Ids& ids) {
    const ForwardItem item{
        .cache = cache, .ids = ids, .logits = LogitRows::kLast};
    auto logits = model_->Forward({&item, 1});
    EXPECT_TRUE(logits.ok()) << logits.status();
    return logits.ok() ? (*logits)[0] : std::vector<float>(1);
  }
  static Transformer* model_;
};
Transformer* LogitsTest::model_ = nullptr;

TEST_P(LogitsTest, LogitsAnd64GreedyTokensEqualTransformers) {
  ASSERT_NE(model_, nullptr);
  const Golden golden("smollm2/logits.safetensors");
  KvCache cache = model_->NewCache();
  std::vector<float> logits =
      Last(&cache, golden.Ids(GetParam() + ".input_ids"));
  EXPECT_LT(MaxDifference(logits, golden.Floats(GetParam() + ".logits")),
            1e-3f);
  Ids greedy;
  while (greedy.size() < 64) {
    greedy.push_back(Argmax(logits));
    logits = Last(&cache, {greedy.back()});
  }
  EXPECT_EQ(greedy, golden.Ids(GetParam() + ".greedy_ids"));
}

INSTANTIATE_TEST_SUITE_P(Prompts, LogitsTest,
                         testing::Values("chatml", "plain", "korean", "code",
                                         "long"),
                         [](const auto& test) { return test.param; });

// The guard of the default storage: perplexity, and where the likeliest token
// is another one, how near float32 was to it.
class QuantizedWeightsTest : public testing::Test {
 protected:
  using Logits = std::vector<float>;

  static Logits Read(const Transformer& model, const Ids& ids) {
    KvCache cache = model.NewCache();
    const ForwardItem item{
        .cache = &cache, .ids = ids, .logits = LogitRows::kAll};
    auto read = model.Forward({&item, 1});
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? std::move((*read)[0]) : Logits();
  }
  // Minus the logarithm of the probability of `id`, in nats.
  static double Surprise(std::span<const float> logits, int32_t id) {
    const float most = *std::ranges::max_element(logits);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(double(logit) - most);
    return std::log(sum) + most - logits[size_t(id)];
  }
};

TEST_F(QuantizedWeightsTest, KeepPerplexityAndTheLikeliestTokens) {
  const Golden golden("smollm2/logits.safetensors");
  const auto exact = LoadModel(kModel).transformer;
  const auto small = LoadModel(kModel, WeightStorage::kQuantized).transformer;
  ASSERT_NE(exact, nullptr);
  ASSERT_NE(small, nullptr);
  EXPECT_LT(small->weight_bytes(), exact->weight_bytes() / 5);
  const auto vocabulary = size_t(exact->config().vocab_size);
  double surprise[2] = {0, 0};
  int tokens = 0, same = 0;
  for (const std::string name : {"chatml", "plain", "korean", "code", "long"}) {
    Ids ids = golden.Ids(name + ".input_ids");
    const Ids greedy = golden.Ids(name + ".greedy_ids");
    ids.insert(ids.end(), greedy.begin(), greedy.end());
    const Logits both[2] = {Read(*exact, ids), Read(*small, ids)};
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const std::span<const float> rows[2] = {
          std::span(both[0]).subspan(i * vocabulary, vocabulary),
          std::span(both[1]).subspan(i * vocabulary, vocabulary)};
      ++tokens;
      for (int k = 0; k < 2; ++k) surprise[k] += Surprise(rows[k], ids[i + 1]);
      const auto likeliest = [](std::span<const float> row) {
        return std::ranges::max_element(row) - row.begin();
      };
      const auto want = likeliest(rows[0]), got = likeliest(rows[1]);
      same += want == got ? 1 : 0;
      EXPECT_LT(rows[0][size_t(want)] - rows[0][size_t(got)], 0.5f)
          << name << ", token " << i;
    }
  }
  EXPECT_NEAR(std::exp((surprise[1] - surprise[0]) / tokens), 1, 0.005);
  EXPECT_GT(same, 0.95 * tokens);
}

class DefaultAdapterTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto engine =
        MakeTorchEngine({.model_path = kModel, .adapter_path = kAdapter});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = engine->release();
  }
  static void TearDownTestSuite() { delete engine_; }
  void SetUp() override { ASSERT_NE(engine_, nullptr); }

  static GistKv Compress(const Ids& ids) {
    return ToDense(Compressed(
        ids,
        {.rung = Rung::kGist, .gist_tokens = engine_->adapter().gist_tokens}));
  }

  static CompressedKv Compressed(const Ids& ids, const CompressionSpec& spec) {
    auto document = *engine_->StartDocument(spec.rung);
    const size_t chunk = size_t(engine_->max_chunk_tokens());
    for (size_t i = 0; i < ids.size(); i += chunk) {
      const auto part =
          std::span(ids).subspan(i, std::min(chunk, ids.size() - i));
      EXPECT_TRUE(engine_->Prefill(*document, part).ok());
    }
    auto kv = engine_->Compress(*document, spec);
    EXPECT_TRUE(kv.ok()) << kv.status();
    return *std::move(kv);
  }

  // Through the bytes that the store keeps, with their rounding.
  static GistKv Stored(const std::string& text, const Ids& ids,
                       const GistKv& gists) {
    const std::string document = DocumentId("", text);
    const std::string& model = engine_->model().fingerprint;
    ContextRecord record{
        .context_id = ContextId(document, model),
        .document_id = document,
        .model_fingerprint = model,
        .document_bytes = int64_t(text.size()),
        .document_tokens = int64_t(ids.size()),
        .representations = {
            {.rung = Rung::kGist,
             .gist_tokens = gists.gist_tokens,
             .storage = KvStorage::kF16,
             .adapter_fingerprint = engine_->adapter().fingerprint}}};
    const auto kv = InStorage(FromDense(gists), KvStorage::kF16);
    EXPECT_TRUE(kv.ok()) << kv.status();
    const auto bytes = EncodeKvBlob(std::move(record), {&*kv, 1});
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    const auto blob = DecodeKvBlob(*bytes);
    EXPECT_TRUE(blob.ok()) << blob.status();
    return ToDense(blob->kv.front());
  }

  static Ids Answer(const GistKv& gists, const std::string& question,
                    size_t limit) {
    auto prompt = *engine_->StartPrompt({});
    EXPECT_TRUE(engine_->LoadKv(*prompt, FromDense(gists)).ok());
    return AnswerBehind(*prompt, question, limit);
  }

  static Ids AnswerBehind(PromptSequence& prompt, const std::string& question,
                          size_t limit) {
    EXPECT_TRUE(
        engine_->Prefill(prompt, *engine_->TokenizeQuestion(question)).ok());
    PromptSequence* batch[] = {&prompt};
    Ids ids;
    while (ids.size() < limit) {
      const auto tokens = engine_->Decode(batch);
      EXPECT_TRUE(tokens.ok()) << tokens.status();
      if (!tokens.ok() || (*tokens)[0].end_of_turn) break;
      ids.push_back((*tokens)[0].id);
    }
    return ids;
  }

  static Engine* engine_;
};
Engine* DefaultAdapterTest::engine_ = nullptr;

TEST_F(DefaultAdapterTest, GistKeysAndValuesEqualTheReference) {
  const Golden golden("passkey/gists.safetensors");
  const auto contexts = ReadLines("passkey/contexts.jsonl");
  for (const int index : {0, 30}) {
    const std::string text = contexts.at(size_t(index)).at("context");
    const GistKv gists = Compress(*engine_->Tokenize(text));
    const std::string name = std::to_string(index);
    EXPECT_LT(MaxDifference(gists.keys, golden.Floats(name + ".keys")), 1e-3f);
    EXPECT_LT(MaxDifference(gists.values, golden.Floats(name + ".values")),
              1e-3f);
  }
}

// Every seventh of 40; all of them with GIST_SOAK_ROUNDS=40.
TEST_F(DefaultAdapterTest, AnswersEqualTheReference) {
  const auto contexts = ReadLines("passkey/contexts.jsonl");
  const auto answers = ReadLines("passkey/answers.jsonl");
  ASSERT_EQ(contexts.size(), 40u);
  ASSERT_EQ(answers.size(), 40u);
  const size_t stride = std::max(1, 40 / Rounds(6));
  for (size_t i = 0; i < contexts.size(); i += stride) {
    const std::string text = contexts[i].at("context");
    const Ids ids = *engine_->Tokenize(text);
    EXPECT_EQ(ids.size(), answers[i].at("context_tokens").get<size_t>()) << i;
    const GistKv gists = Stored(text, ids, Compress(ids));
    EXPECT_EQ(Answer(gists, contexts[i].at("question"), 10),
              answers[i].at("gist").at("ids").get<Ids>())
        << "context " << i;
  }
}

// The int8 representation against the text, both read causally by the model.
// Texts are cut to 400 tokens: each is prefilled twice.
TEST_F(DefaultAdapterTest, FullInInt8AnswersAsTheText) {
  const auto contexts = ReadLines("passkey/contexts.jsonl");
  int equal = 0;
  double bytes = 0, half_bytes = 0;
  const int documents = 4;
  for (int i = 0; i < documents; ++i) {
    const auto& line = contexts.at(size_t(i * 9));
    Ids ids = *engine_->Tokenize(line.at("context").get<std::string>());
    ids.resize(std::min<size_t>(ids.size(), 400));
    const CompressedKv full = Compressed(
        ids, {.rung = Rung::kFull, .ratio = 1, .storage = KvStorage::kI8});
    bytes += double(full.Bytes());
    half_bytes += double(engine_->model().KvBytes(int64_t(ids.size())));
    const std::string question = "What is this text about?";
    auto stored = *engine_->StartPrompt({});
    ASSERT_TRUE(engine_->LoadKv(*stored, full).ok());
    auto text = *engine_->StartPrompt({});
    const size_t chunk = size_t(engine_->max_chunk_tokens());
    for (size_t at = 0; at < ids.size(); at += chunk) {
      const auto part =
          std::span(ids).subspan(at, std::min(chunk, ids.size() - at));
      ASSERT_TRUE(engine_->Prefill(*text, part).ok());
    }
    equal += AnswerBehind(*stored, question, 24) ==
             AnswerBehind(*text, question, 24);
  }
  RecordProperty("equal_answers", equal);
  std::printf(
      "full in int8: %d of %d answers of 24 greedy tokens equal the "
      "text's; %.3f of the bytes at 16 bits\n",
      equal, documents, bytes / half_bytes);
  EXPECT_GE(equal, documents - 1);
  EXPECT_LT(bytes / half_bytes, 0.56);
}

}  // namespace
}  // namespace gist
