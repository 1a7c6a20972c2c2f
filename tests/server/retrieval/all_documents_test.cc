// Questions over all documents of a tenant: what is found, what is gone, and
// how long the index lives.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "core/base/identity.h"
#include "core/retrieval/tenant_index.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/support/errors.h"
#include "tests/faults/rounds.h"
#include "tests/server/harness.h"
#include "tests/storage/raw_database.h"
#include "tests/support/read_file.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using testing::_;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int64_t kMinute = 60'000;

Caller Of(const std::string& tenant) {
  Caller caller;
  caller.principal.tenant = tenant;
  return caller;
}

// 30 words about `subject`, of which one is the tenant's.
std::string TextAbout(const std::string& subject,
                      const std::string& mark = "plain") {
  std::string text = mark + " ";
  for (int i = 0; i < 29; ++i) text += subject + " ";
  return text;
}

class AllDocumentsTest : public PipelineTest {
 protected:
  std::string Add(const std::string& text, const std::string& tenant = {},
                  const RetentionPolicy& wish = {}) {
    const auto result = server().pipeline.Compress(
        {.text = text, .retention = wish}, Of(tenant));
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->context.record.context_id : "";
  }
  static AskInput Question(const std::string& text) {
    AskInput input{.context_ids = {},
                   .all_documents = true,
                   .question = text,
                   .mode = AskMode::kRag};
    return input;
  }
  absl::StatusOr<AskResult> Try(const AskInput& input, const Caller& caller) {
    return server().pipeline.Ask(input, caller,
                                 [](const std::string&) { return true; });
  }
  // The contexts that the answer is from, the best first; one without text.
  std::vector<std::string> Found(const std::string& question,
                                 const std::string& tenant = {}) {
    const auto asked = Try(Question(question), Of(tenant));
    EXPECT_THAT(asked, IsOk());
    std::vector<std::string> ids;
    if (!asked.ok()) return ids;
    for (const RetrievedChunk& chunk : asked->chunks) {
      EXPECT_FALSE(chunk.text.empty());
      ids.push_back(chunk.context_id);
    }
    return ids;
  }
  std::string Best(const std::string& question,
                   const std::string& tenant = {}) {
    const auto found = Found(question, tenant);
    return found.empty() ? "" : found[0];
  }
  // The vector of a text of one chunk, as it lies in memory and in files.
  std::string VectorOf(const std::string& text) {
    const std::string chunk = text.substr(0, text.find_last_not_of(' ') + 1);
    const std::string_view texts[] = {chunk};
    const std::vector<float> vector =
        server().embedder.Embed(texts, TextKind::kPassage).value();
    return {reinterpret_cast<const char*>(vector.data()),
            vector.size() * sizeof(float)};
  }
  std::string Stored(const std::string& tenant = {}) {
    return server().files->GetTenantIndex(tenant).value_or("");
  }
  bool IsInFiles(const std::string& bytes) {
    for (const auto& entry : fs::directory_iterator(folder())) {
      if (!entry.is_regular_file()) continue;
      if (ReadFile(entry.path()).find(bytes) != std::string::npos) return true;
    }
    return false;
  }
};

TEST_F(AllDocumentsTest, FindsTheRightOneOfTwoHundredAndNeverAnothers) {
  Start();
  constexpr int kDocuments = 100;  // of each tenant
  const std::string tenants[] = {"acme", "globex"};
  std::vector<std::string> ids[2];
  for (int i = 0; i < kDocuments; ++i) {
    for (int t : {0, 1}) {
      ids[t].push_back(Add(TextAbout("subject" + std::to_string(i), tenants[t]),
                           tenants[t]));
    }
  }
  for (int i = 0; i < kDocuments; i += 3) {
    for (int t : {0, 1}) {
      const auto asked =
          Try(Question("subject" + std::to_string(i)), Of(tenants[t]));
      ASSERT_THAT(asked, IsOk());
      ASSERT_EQ(asked->chunks.size(), 4u);
      EXPECT_EQ(asked->chunks[0].context_id, ids[t][size_t(i)]) << i;
      EXPECT_EQ(asked->usage.documents, kDocuments);
      EXPECT_EQ(asked->usage.document_tokens, 30 * kDocuments);
      EXPECT_EQ(asked->usage.prefilled_tokens, 4 * 30 + 3)
          << "blank lines between";
      for (const RetrievedChunk& chunk : asked->chunks) {
        EXPECT_THAT(ids[t], Contains(chunk.context_id));
        EXPECT_THAT(chunk.text, HasSubstr(tenants[t]));
        EXPECT_THAT(chunk.text, Not(HasSubstr(tenants[1 - t])));
      }
    }
  }
  EXPECT_THAT(Try(Question("subject1"), Of("initech")),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("text")));
}

// With the fakes: what is beside the embedder and the engine.
TEST_F(AllDocumentsTest, AWarmIndexCostsAQuestionLittle) {
  Start();
  constexpr int kDocuments = 200, kQuestions = 31;
  std::string one;
  for (int i = 0; i < kDocuments; ++i)
    one = Add(TextAbout("subject" + std::to_string(i)));
  const AskInput over_all = Question("subject7");
  AskInput over_one = over_all;
  over_one.all_documents = false;
  over_one.context_ids = {one};
  const auto median_seconds = [&](const AskInput& input) {
    EXPECT_THAT(Try(input, Of("")), IsOk());  // makes what is missing
    const int before = server().embedder.embedded();
    std::vector<double> seconds;
    for (int i = 0; i < kQuestions; ++i) {
      const auto asked = Try(input, Of(""));
      EXPECT_THAT(asked, IsOk());
      if (asked.ok()) seconds.push_back(asked->timings.total_seconds);
    }
    EXPECT_EQ(server().embedder.embedded(), before + kQuestions);
    std::ranges::sort(seconds);
    return seconds.empty() ? 0 : seconds[seconds.size() / 2];
  };
  const double all = median_seconds(over_all);
  PrintFigure(fmt::format("over {} documents {:.2f} ms, over one {:.2f} ms",
                          kDocuments, 1e3 * all,
                          1e3 * median_seconds(over_one)));
}

TEST_F(AllDocumentsTest, AnswersFromTheBestPassages) {
  Start();
  Add(TextAbout("harbour"));
  Add("The secret passkey is ABC123 . bridge bridge bridge");
  AskInput input = Question("bridge passkey");
  input.retrieval.top_k = 1;
  AskResult took;
  const auto answer = server().Ask(input, &took);
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(*answer, HasSubstr("ABC123"));
  EXPECT_EQ(took.usage.documents, 2);
}

TEST_F(AllDocumentsTest, FindsByWordsWhatTheEmbedderDoesNot) {
  Start();
  Add(TextAbout("harbour"));
  const std::string secret = Add(TextAbout("SECRET:"));
  AskInput input = Question("secret?");
  input.retrieval.ranking = Ranking::kLexical;
  AskResult took;
  ASSERT_THAT(server().Ask(input, &took), IsOk());
  ASSERT_EQ(took.chunks.size(), 1u);
  EXPECT_EQ(took.chunks[0].context_id, secret);
  EXPECT_GT(took.chunks[0].bm25, 0);
}

TEST_F(AllDocumentsTest, FindsByWordsWhatIsBehindAllThatAreNear) {
  Start();
  for (int i = 0; i < Retriever::kCandidates + 10; ++i)
    Add(TextAbout("harbour", "plain" + std::to_string(i)));
  const std::string secret = Add(TextAbout("SECRET:"));
  AskInput input = Question("secret? harbour harbour harbour");
  const auto best = [&](Ranking ranking) {
    input.retrieval.ranking = ranking;
    AskResult took;
    EXPECT_THAT(server().Ask(input, &took), IsOk());
    return took.chunks.empty() ? "" : took.chunks[0].context_id;
  };
  EXPECT_NE(best(Ranking::kDense), secret);
  EXPECT_EQ(best(Ranking::kLexical), secret);
  // The words of what is gone are gone.
  ASSERT_THAT(server().pipeline.Delete(secret), IsOk());
  EXPECT_NE(best(Ranking::kLexical), secret);
  const std::string again = Add(TextAbout("SECRET:", "again"));
  EXPECT_EQ(best(Ranking::kLexical), again);
  Start();
  EXPECT_EQ(best(Ranking::kLexical), again) << "read anew";
}

TEST_F(AllDocumentsTest, ADocumentAddedLaterIsFoundAndAloneIsEmbedded) {
  Start();
  for (int i = 0; i < 5; ++i) Add(TextAbout("subject" + std::to_string(i)));
  Found("subject1");
  EXPECT_EQ(server().embedder.embedded(), 5 + 1);
  const std::string later = Add(TextAbout("later"));
  EXPECT_EQ(Best("later"), later);
  EXPECT_EQ(server().embedder.embedded(), 5 + 1 + 1 + 1);
  // One that was asked by its name is embedded already.
  const std::string named = Add(TextAbout("named"));
  ASSERT_THAT(
      server().Ask(
          {.context_ids = {named}, .question = "Q", .mode = AskMode::kRag}),
      IsOk());
  const int before = server().embedder.embedded();
  EXPECT_EQ(Best("named"), named);
  EXPECT_EQ(server().embedder.embedded(), before + 1);
}

TEST_F(AllDocumentsTest, TheIndexOutlivesARestart) {
  Start();
  for (int i = 0; i < 5; ++i) Add(TextAbout("subject" + std::to_string(i)));
  const std::string third = Best("subject3");
  const std::string stored = Stored();
  EXPECT_FALSE(stored.empty());
  Start();
  EXPECT_EQ(Best("subject3"), third);
  EXPECT_EQ(server().embedder.embedded(), 1) << "the question's alone";
  EXPECT_EQ(Stored(), stored);
}

TEST_F(AllDocumentsTest, ADamagedOrMissingOrForeignOneIsMadeAnew) {
  Start();
  for (int i = 0; i < 5; ++i) Add(TextAbout("subject" + std::to_string(i)));
  const std::string third = Best("subject3");
  const std::string good = Stored();
  const auto expect_made_anew = [&](int embedded) {
    EXPECT_EQ(Best("subject3"), third);
    EXPECT_EQ(server().embedder.embedded(), embedded);
    EXPECT_THAT(DecodeTenantIndex(Stored()), IsOk());
    EXPECT_EQ(Stored(), good);
  };
  Stop();
  for (const size_t at : {size_t{3}, good.size() / 2, good.size() - 1}) {
    RawDatabase raw(folder());
    std::string value = raw.Get("tenant_indexes", "tenant/");
    value[at] = char(value[at] ^ 4);
    raw.Put("tenant_indexes", "tenant/", value);
  }
  Start();
  EXPECT_THAT(server().files->GetTenantIndex(""),
              StatusIs(StatusCode::kDataLoss, _));
  expect_made_anew(1);
  // Damaged inside a seal that is whole.
  std::string damaged = good;
  damaged[good.size() / 2] = char(damaged[good.size() / 2] ^ 1);
  ASSERT_THAT(server().files->PutTenantIndex("", {}, damaged), IsOk());
  Start();
  expect_made_anew(1);
  // Another tenant's.
  Stop();
  {
    RawDatabase raw(folder());
    raw.Put("tenant_indexes", "tenant/acme",
            raw.Get("tenant_indexes", "tenant/"));
  }
  Start();
  EXPECT_THAT(server().files->GetTenantIndex("acme"),
              StatusIs(StatusCode::kDataLoss, _));
  HarnessOptions options;
  options.embedder.seed = "another";
  Start(options);
  EXPECT_EQ(Best("subject3"), third);
  EXPECT_EQ(server().embedder.embedded(), 5 + 1);
  EXPECT_EQ(DecodeTenantIndex(Stored())->settings().embedder_fingerprint,
            server().embedder.info().fingerprint);
}

TEST_F(AllDocumentsTest, ADeletedDocumentIsGoneAtOnceAndFromTheFiles) {
  Start();
  const std::string text = TextAbout("harbour", "kQ7xZ2pLw9Rv4TbNs8YhGd3Mf");
  const std::string gone = Add(text);
  for (int i = 0; i < 5; ++i) Add(TextAbout("subject" + std::to_string(i)));
  EXPECT_EQ(Best("harbour"), gone);
  const std::string vector = VectorOf(text);
  EXPECT_THAT(Stored(), HasSubstr(vector)) << "as it is looked for below";
  ASSERT_THAT(server().pipeline.Delete(gone), IsOk());
  EXPECT_THAT(Stored(), IsEmpty());
  EXPECT_THAT(Found("harbour"), Each(Not(gone)));
  EXPECT_FALSE(Stored().empty()) << "made for the others";
  EXPECT_THAT(Stored(), Not(HasSubstr(vector)));
  Stop();
  EXPECT_TRUE(IsInFiles(vector)) << "as long as it was not erased";
  Start();
  EXPECT_THAT(Found("harbour"), Each(Not(gone)));
  ASSERT_THAT(server().store->EraseDeleted(), IsOk());
  EXPECT_FALSE(IsInFiles(vector));
  EXPECT_FALSE(IsInFiles("kQ7xZ2pLw9Rv4TbNs8YhGd3Mf"));
}

TEST_F(AllDocumentsTest, AnExpiredDocumentIsGoneAtOnce) {
  Start();
  const std::string text = TextAbout("harbour");
  const std::string gone = Add(text, "", {.ttl_seconds = 60});
  Add(TextAbout("bridge"));
  EXPECT_EQ(Best("harbour"), gone);
  server().clock.Advance(kMinute);
  EXPECT_THAT(Found("harbour"), Each(Not(gone)));
  const std::string vector = VectorOf(text);
  EXPECT_THAT(Stored(), Not(HasSubstr(vector))) << "before the sweep";
  ASSERT_THAT(server().store->Sweep(), IsOk());
  ASSERT_THAT(server().store->EraseDeleted(), IsOk());
  EXPECT_FALSE(IsInFiles(vector));
  EXPECT_THAT(Found("harbour"), Each(Not(gone)));
}

TEST_F(AllDocumentsTest, AnEvictedDocumentIsGoneAtOnce) {
  HarnessOptions options;
  options.keeper.max_contexts = 3;
  Start(options);
  const std::string text = TextAbout("harbour");
  const std::string gone = Add(text);
  server().clock.Advance(kMinute);
  const std::string bridge = Add(TextAbout("bridge"));
  server().clock.Advance(kMinute);
  Add(TextAbout("orchard"));
  AskInput input = Question("bridge");
  input.retrieval.top_k = 1;
  server().clock.Advance(kMinute);
  ASSERT_THAT(Try(input, Of("")), IsOk());
  EXPECT_EQ(server().pipeline.Get(bridge)->used_unix_ms,
            server().clock.UnixMillis());
  EXPECT_LT(server().pipeline.Get(gone)->used_unix_ms,
            server().clock.UnixMillis())
      << "a question uses what it answers from";
  const std::string vector = VectorOf(text);
  EXPECT_THAT(Stored(), HasSubstr(vector));
  Add(TextAbout("market"));
  ASSERT_EQ(server().removed.size(), 1u);
  EXPECT_EQ(server().removed[0].context_id, gone);
  EXPECT_THAT(Stored(), IsEmpty());
  EXPECT_THAT(Found("harbour"), Each(Not(gone)));
  EXPECT_THAT(Stored(), Not(HasSubstr(vector)));
}

TEST_F(AllDocumentsTest, ManyDeletionsMakeTheGraphAnew) {
  Start();
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i)
    ids.push_back(Add(TextAbout("subject" + std::to_string(i))));
  Found("Q");
  const size_t all = Stored().size();
  for (int i = 0; i < 30; ++i)
    ASSERT_THAT(server().pipeline.Delete(ids[size_t(i)]), IsOk());
  const int before = server().embedder.embedded();
  EXPECT_EQ(Best("subject35"), ids[35]);
  EXPECT_EQ(server().embedder.embedded(), before + 1);
  EXPECT_LT(Stored().size(), all / 2);
}

// While the others are embedded, the first is deleted.
TEST_F(AllDocumentsTest, ADocumentDeletedMeanwhileIsNotFound) {
  std::atomic<int> embeds = 0;
  std::vector<std::string> ids;
  HarnessOptions options;
  options.embedder.before_embed = [&] {
    if (++embeds == 4) {  // the question, two documents, now the third
      for (const std::string& id : ids) {
        const auto record = server().store->GetRecord(id);
        if (server().store->GetChunkIndex(record->document_id).ok()) {
          EXPECT_THAT(server().pipeline.Delete(id), IsOk());
        }
      }
    }
    return absl::OkStatus();
  };
  Start(options);
  for (int i = 0; i < 5; ++i)
    ids.push_back(Add(TextAbout("subject" + std::to_string(i))));
  const auto found = Found("Q");
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), 3u);
  for (const std::string& id : found)
    EXPECT_THAT(server().pipeline.Get(id), IsOk());
  EXPECT_EQ(DecodeTenantIndex(Stored())->document_ids().size(), 3u);
}

TEST_F(AllDocumentsTest, WhatIsDoneByACancellationStaysDone) {
  std::atomic<int> embeds = 0;
  HarnessOptions options;
  options.embedder.before_embed = [&] {
    ++embeds;
    return absl::OkStatus();
  };
  Start(options);
  for (int i = 0; i < 20; ++i) Add(TextAbout("subject" + std::to_string(i)));
  Caller leaving = Of("");
  leaving.has_left = [&] { return embeds >= 6; };
  EXPECT_THAT(Try(Question("Q"), leaving), StatusIs(StatusCode::kCancelled, _));
  const int done = server().embedder.embedded();
  EXPECT_LT(done, 10);
  Caller late = Of("");
  late.deadline = Clock::now() - std::chrono::seconds(1);
  EXPECT_THAT(Try(Question("Q"), late),
              StatusIs(StatusCode::kDeadlineExceeded, _));
  Found("Q");
  EXPECT_LE(server().embedder.embedded(), 20 + 3) << "and the questions";
}

TEST_F(AllDocumentsTest, OthersAreAnsweredWhileItEmbeds) {
  HarnessOptions options;
  options.embedder.before_embed = [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return absl::OkStatus();
  };
  Start(options);
  for (int i = 0; i < 100; ++i)
    Add(TextAbout("subject" + std::to_string(i)), "acme");
  const std::string other = Add(TextAbout("harbour"), "globex");
  std::atomic<bool> ended = false;
  std::thread long_one([&] {
    EXPECT_THAT(Try(Question("Q"), Of("acme")), IsOk());
    ended = true;
  });
  while (server().embedder.embedded() < 5) std::this_thread::yield();
  EXPECT_EQ(Best("harbour", "globex"), other);
  Caller leaving = Of("acme");
  const auto leaves_at = Clock::now() + std::chrono::milliseconds(100);
  leaving.has_left = [&] { return Clock::now() >= leaves_at; };
  EXPECT_THAT(Try(Question("Q"), leaving), StatusIs(StatusCode::kCancelled, _));
  EXPECT_FALSE(ended);
  long_one.join();
}

TEST_F(AllDocumentsTest, MemoryIsBounded) {
  HarnessOptions options;
  options.limits.max_index_bytes = 100'000;  // room for about 90 such documents
  Start(options);
  for (const std::string tenant : {"acme", "globex"}) {
    for (int i = 0; i < 60; ++i)
      Add(TextAbout("subject" + std::to_string(i)), tenant);
  }
  for (const std::string tenant : {"acme", "globex", "acme"}) {
    EXPECT_THAT(Found("subject7", tenant), Not(IsEmpty()));
    const int64_t bytes = server().pipeline.retriever()->indexes().bytes();
    EXPECT_GT(bytes, 60 * 64 * 4);
    EXPECT_LE(bytes, 100'000);
  }
  EXPECT_EQ(server().embedder.embedded(), 2 * 60 + 3) << "nothing twice";
  for (int i = 60; i < 120; ++i)
    Add(TextAbout("subject" + std::to_string(i)), "acme");
  EXPECT_THAT(
      Try(Question("Q"), Of("acme")),
      StatusIs(StatusCode::kResourceExhausted, HasSubstr("--max-index-bytes")));
  EXPECT_LE(server().pipeline.retriever()->indexes().bytes(), 100'000);
  EXPECT_THAT(Found("subject7", "globex"), Not(IsEmpty()));
}

TEST_F(AllDocumentsTest, SaysWhatItDoesNotTake) {
  Start();
  Add(TextAbout("harbour"));
  for (const AskMode mode :
       {AskMode::kGist, AskMode::kFull, AskMode::kHybrid}) {
    AskInput input = Question("Q");
    input.mode = mode;
    EXPECT_THAT(Try(input, Of("")), StatusIs(StatusCode::kInvalidArgument,
                                             HasSubstr("0 context ids")));
  }
  AskInput unasked = Question("Q");
  unasked.all_documents = false;
  EXPECT_THAT(Try(unasked, Of("")), StatusIs(StatusCode::kInvalidArgument, _));
  AskInput chunks = Question("Q");
  chunks.retrieval.chunk_tokens = 100;
  EXPECT_THAT(Try(chunks, Of("")), StatusIs(StatusCode::kInvalidArgument,
                                            HasSubstr("chunks of 100")));
  AskInput overlap = Question("Q");
  overlap.retrieval.overlap_tokens = 0;
  EXPECT_THAT(Try(overlap, Of("")), StatusIs(StatusCode::kInvalidArgument, _));
  AskInput many = Question("Q");
  many.retrieval.top_k = 65;
  EXPECT_THAT(Try(many, Of("")), StatusIs(StatusCode::kInvalidArgument, _));
}

TEST_F(AllDocumentsTest, DocumentsWithoutTextAreLeftOut) {
  Start();
  const std::string without = Add(TextAbout("harbour"));
  const std::string exported = server().pipeline.Export(without, true).value();
  ASSERT_THAT(server().pipeline.Delete(without), IsOk());
  ASSERT_THAT(server().pipeline.Import(exported, Caller()), IsOk());
  const auto none = Try(Question("Q"), Of(""));
  EXPECT_THAT(none, StatusIs(StatusCode::kFailedPrecondition, _));
  EXPECT_EQ(DetailsOf(none.status()).reason, Reason::kTextNotKept);
  const std::string bridge = Add(TextAbout("bridge"));
  // White space has no passage, and is a document all the same.
  Add(" \n \n ");
  EXPECT_THAT(Found("harbour"), Each(bridge));
}

TEST_F(AllDocumentsTest, EightAtOnceEmbedEachDocumentOnce) {
  Start();
  for (int i = 0; i < 30; ++i) Add(TextAbout("subject" + std::to_string(i)));
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(
        [&] { answered += Try(Question("subject3"), Of("")).ok() ? 1 : 0; });
  }
  // Another one comes meanwhile.
  Add(TextAbout("market"));
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 8);
  EXPECT_LE(server().embedder.embedded(), 31 + 8);
}

}  // namespace
}  // namespace gist
