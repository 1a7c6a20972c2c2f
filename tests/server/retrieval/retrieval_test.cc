// Answers from passages: which are found, what they are made into, and how long
// an index lives.
#include <atomic>
#include <set>
#include <thread>

#include "core/base/identity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/harness.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::_;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::Not;

// Words that a chunk of `words` is about.
std::string Passage(const std::string& word, int words) {
  std::string text;
  for (int i = 0; i < words; ++i) text += word + " ";
  return text;
}

class RetrievalTest : public PipelineTest {
 protected:
  // Chunks of 10 words without overlap.
  static AskInput Input(const std::string& id, const std::string& question,
                        AskMode mode = AskMode::kRag) {
    return {.context_ids = {id},
            .question = question,
            .mode = mode,
            .retrieval = {
                .top_k = 1, .ef = 64, .chunk_tokens = 10, .overlap_tokens = 0}};
  }
};

TEST_F(RetrievalTest, AnswersFromThePassageThatTheQuestionIsAbout) {
  Start();
  const std::string text = Passage("harbour", 10) + Passage("bridge", 7) +
                           "secret passkey is ABC123 " +  // in words 18 to 21
                           Passage("orchard", 12);
  const std::string id = server().IdOf(text);
  AskResult took;
  const auto answer = server().Ask(Input(id, "bridge secret?"), &took);
  ASSERT_THAT(answer, IsOk());
  ASSERT_EQ(took.chunks.size(), 1u);
  const RetrievedChunk& chunk = took.chunks[0];
  EXPECT_EQ(chunk.context_id, id);
  EXPECT_EQ(chunk.text,
            text.substr(size_t(chunk.begin), size_t(chunk.end - chunk.begin)));
  EXPECT_THAT(chunk.text, HasSubstr("bridge"));
  EXPECT_THAT(chunk.text, Not(HasSubstr("harbour")));
  EXPECT_GT(chunk.similarity, 0.3f);
  EXPECT_EQ(took.usage.prefilled_tokens, 10);
  EXPECT_EQ(took.usage.loaded_slots, 0);
  EXPECT_EQ(took.mode_used, AskMode::kRag);
  EXPECT_EQ(took.embedder_fingerprint, server().embedder.info().fingerprint);
  EXPECT_EQ(took.usage.document_tokens, 33);
  EXPECT_NEAR(took.usage.compression_ratio, 3.3, 1e-9);
}

TEST_F(RetrievalTest, HybridHasTheGistsAndThePassages) {
  Start();
  const std::string id =
      server().IdOf(Passage("harbour", 10) + "The secret passkey is ABC123 . " +
                    Passage("bridge", 30));
  AskResult took;
  const auto answer =
      server().Ask(Input(id, "harbour", AskMode::kHybrid), &took);
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(*answer, HasSubstr("ABC123"));  // the gists know it
  EXPECT_GT(took.usage.loaded_slots, 0);
  EXPECT_EQ(took.usage.prefilled_tokens, 10);
  EXPECT_EQ(took.usage.kv_bytes,
            server().engine.model().KvBytes(10 + took.usage.loaded_slots));
}

TEST_F(RetrievalTest, PassagesStandInTheTextsOrderAndOverlapsAreOne) {
  Start();
  std::string text;
  for (int i = 0; i < 30; ++i) text += "w" + std::to_string(i) + " ";
  const std::string id = server().IdOf(text);
  AskInput input = Input(id, "w20 w21 w22 w23 w12 w13");
  input.retrieval.overlap_tokens = 5;
  input.retrieval.top_k = 3;
  AskResult took;
  const auto answer = server().Ask(input, &took);
  ASSERT_THAT(answer, IsOk());
  ASSERT_EQ(took.chunks.size(), 3u);
  std::set<std::pair<int64_t, int64_t>> ranges;
  for (const RetrievedChunk& chunk : took.chunks) {
    ranges.emplace(chunk.begin, chunk.end);
  }
  int64_t bytes = 0, end = 0;
  for (const auto& [from, to] : ranges) {
    bytes += to - std::max(from, end);
    end = std::max(end, to);
  }
  // Words of four bytes at most: fewer tokens than three chunks of ten.
  EXPECT_LT(took.usage.prefilled_tokens, 30);
  EXPECT_LE(took.usage.prefilled_tokens, bytes / 3);
}

TEST_F(RetrievalTest, TheIndexIsMadeOnceAndKept) {
  Start();
  const std::string id = server().IdOf(Passage("harbour", 40));
  AskResult first, second;
  ASSERT_THAT(server().Ask(Input(id, "Q"), &first), IsOk());
  EXPECT_EQ(server().embedder.embedded(), 4 + 1);
  EXPECT_EQ(server().embedder.queries(), 1) << "the question alone";
  ASSERT_THAT(server().Ask(Input(id, "Q"), &second), IsOk());
  EXPECT_EQ(server().embedder.embedded(), 4 + 2);
  EXPECT_GT(first.timings.index_seconds, 0);
  EXPECT_EQ(second.timings.index_seconds, 0);
  Stop();
  Start();  // another process
  ASSERT_THAT(server().Ask(Input(id, "Q")), IsOk());
  EXPECT_EQ(server().embedder.embedded(), 1);
}

TEST_F(RetrievalTest, OtherChunksOrAnotherEmbedderMakeItAnew) {
  Start();
  const std::string id = server().IdOf(Passage("harbour", 40));
  ASSERT_THAT(server().Ask(Input(id, "Q")), IsOk());
  AskInput input = Input(id, "Q");
  input.retrieval.chunk_tokens = 20;
  ASSERT_THAT(server().Ask(input), IsOk());
  EXPECT_EQ(server().embedder.embedded(), 4 + 1 + 2 + 1);
  Stop();
  HarnessOptions options;
  options.embedder.seed = "another";
  Start(options);
  ASSERT_THAT(server().Ask(input), IsOk());
  EXPECT_EQ(server().embedder.embedded(), 2 + 1);
}

TEST_F(RetrievalTest, ADamagedIndexIsMadeAnew) {
  Start();
  const std::string text = Passage("harbour", 40);
  const std::string id = server().IdOf(text);
  const std::string document = DocumentId("", text);
  ASSERT_THAT(server().Ask(Input(id, "Q")), IsOk());
  std::string bytes = server().store->GetChunkIndex(document).value();
  bytes[bytes.size() / 2] = char(bytes[bytes.size() / 2] ^ 1);
  ASSERT_THAT(server().store->PutChunkIndex(document, bytes), IsOk());
  const int before = server().embedder.embedded();
  ASSERT_THAT(server().Ask(Input(id, "Q")), IsOk());
  EXPECT_EQ(server().embedder.embedded(), before + 4 + 1);
}

TEST_F(RetrievalTest, TheBestPassagesOfAllDocumentsAreTaken) {
  Start();
  const std::string harbour = server().IdOf(Passage("harbour", 30));
  const std::string bridge = server().IdOf(Passage("bridge", 30));
  AskInput input = Input(harbour, "bridge");
  input.context_ids.push_back(bridge);
  input.retrieval.top_k = 2;
  AskResult took;
  ASSERT_THAT(server().Ask(input, &took), IsOk());
  ASSERT_EQ(took.chunks.size(), 2u);
  for (const RetrievedChunk& chunk : took.chunks) {
    EXPECT_EQ(chunk.context_id, bridge);
  }
}

TEST_F(RetrievalTest, RanksByMeaningByWordsOrByBoth) {
  Start();
  const std::string id = server().IdOf(
      Passage("harbour", 20) + Passage("SECRET:", 10) + Passage("orchard", 10));
  // To the fake embedder "secret?" is another word than "SECRET:".
  AskInput input = Input(id, "harbour secret?");
  const auto ranked = [&](Ranking ranking, int top_k) {
    input.retrieval.ranking = ranking;
    input.retrieval.top_k = top_k;
    AskResult took;
    EXPECT_THAT(server().Ask(input, &took), IsOk());
    return took.chunks;
  };
  const auto dense = ranked(Ranking::kDense, 4);
  ASSERT_EQ(dense.size(), 4u);
  EXPECT_THAT(dense[1].text, HasSubstr("harbour"));
  const auto lexical = ranked(Ranking::kLexical, 4);
  ASSERT_EQ(lexical.size(), 3u);  // the orchard shares no word
  EXPECT_THAT(lexical[0].text, HasSubstr("SECRET"));
  EXPECT_GT(lexical[0].bm25, lexical[1].bm25);
  EXPECT_EQ(lexical[1].similarity, dense[0].similarity);
  const auto fused = ranked(Ranking::kFused, 3);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_THAT(fused[0].text, HasSubstr("harbour"));
  EXPECT_THAT(fused[2].text, HasSubstr("SECRET"));
}

TEST_F(RetrievalTest, SaysWhatIsMissing) {
  HarnessOptions options;
  options.has_embedder = false;
  Start(options);
  const std::string id = server().IdOf("text");
  EXPECT_THAT(server().Ask(Input(id, "Q")),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("embedder")));
  Stop();
  Start();
  const std::string exported = server().pipeline.Export(id, true).value();
  ASSERT_THAT(server().pipeline.Delete(id), IsOk());
  ASSERT_THAT(server().pipeline.Import(exported, Caller()), IsOk());
  EXPECT_THAT(
      server().Ask(Input(id, "Q")),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("text is not kept")));
}

TEST_F(RetrievalTest, RefusesOptionsOutOfRange) {
  Start();
  const std::string id = server().IdOf("text");
  const auto refused = [&](RetrievalOptions options, const char* name) {
    AskInput input = Input(id, "Q");
    input.retrieval = options;
    EXPECT_THAT(server().Ask(input),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  refused({.top_k = 0}, "top_k is 0");
  refused({.top_k = 65}, "top_k");
  refused({.ef = -1}, "ef is -1");
  refused({.chunk_tokens = 7}, "chunk_tokens is 7");
  refused({.chunk_tokens = 257}, "chunk_tokens is 257");
  refused({.chunk_tokens = 100, .overlap_tokens = 51}, "overlap_tokens is 51");
  refused({.chunk_tokens = 100, .overlap_tokens = -1}, "overlap_tokens is -1");
}

TEST_F(RetrievalTest, ChunksAreAsLongAsTheEmbedderReads) {
  HarnessOptions options;
  options.embedder.max_text_tokens = 30;
  Start(options);
  const std::string id = server().IdOf(Passage("harbour", 100));
  AskInput input = Input(id, "harbour");
  input.retrieval = {};
  AskResult took;
  ASSERT_THAT(server().Ask(input, &took), IsOk());
  EXPECT_THAT(took.chunks, Contains(Field(&RetrievedChunk::text,
                                          Passage("harbour", 29) + "harbour")));
  // By default chunks share 40 tokens, but no more than half of one.
  EXPECT_EQ(took.chunks.size(), 4u);
  EXPECT_EQ(server().embedder.embedded(), 1 + 6);  // question, and each 15 on
  input.retrieval.chunk_tokens = 31;
  EXPECT_THAT(server().Ask(input),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("8 to the")));
}

TEST_F(RetrievalTest, AnEmbeddersErrorIsTheAnswersAndLeavesNoIndex) {
  std::atomic<bool> broken = true;
  HarnessOptions options;
  options.embedder.before_embed = [&] {
    return broken ? absl::InternalError("backend threw") : absl::OkStatus();
  };
  Start(options);
  const std::string text = Passage("harbour", 40);
  const std::string id = server().IdOf(text);
  EXPECT_THAT(server().Ask(Input(id, "Q")),
              StatusIs(StatusCode::kInternal, HasSubstr("backend threw")));
  EXPECT_THAT(server().store->GetChunkIndex(DocumentId("", text)),
              StatusIs(StatusCode::kNotFound, _));
  broken = false;
  EXPECT_THAT(server().Ask(Input(id, "Q")), IsOk());
}

TEST_F(RetrievalTest, AQuestionAskedEightTimesAtOnceIndexesOnce) {
  Start();
  const std::string id = server().IdOf(Passage("harbour", 400));
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(
        [&] { answered += server().Ask(Input(id, "Q")).ok() ? 1 : 0; });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 8);
  EXPECT_EQ(server().embedder.embedded(), 40 + 8);
}

}  // namespace
}  // namespace gist
