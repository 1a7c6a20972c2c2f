#include "client/gist_client.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/scripted_server.h"
#include "tests/support/status_matchers.h"

namespace gist::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

constexpr char kId[] = "ctx_0123456789abcdef0123456789abcdef";

// Pieces of `piece_bytes`, wherever characters end.
ByteSource InPieces(std::string text, size_t piece_bytes) {
  return [text = std::move(text), piece_bytes,
          at = size_t{0}]() mutable -> absl::StatusOr<std::string> {
    const std::string piece = text.substr(at, piece_bytes);
    at += piece.size();
    return piece;
  };
}

std::string Repeat(const std::string& word, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += word;
  return text;
}

class GistClientTest : public testing::Test {
 protected:
  GistClientTest() { server_.script->compress = FullCompressResponse(); }

  ClientOptions Options() const { return {.target = server_.target()}; }

  ScriptedServer server_;
  GistClient client_{Options()};
};

TEST_F(GistClientTest, SendsASmallDocumentInOneMessage) {
  const auto result = client_.Compress("short text", {.gist_tokens = 6});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->context().context_id(), kId);
  ASSERT_EQ(server_.received->compress.size(), 1u);
  EXPECT_EQ(server_.received->compress[0].text(), "short text");
  EXPECT_EQ(server_.received->compress[0].representation().gist_tokens(), 6);
  EXPECT_EQ(server_.received->compress_streams, 0);
}

TEST_F(GistClientTest, SendsExactlyOneMebibyteInOneMessage) {
  const std::string text(1 << 20, 'x');
  ASSERT_THAT(client_.Compress(text, {}), IsOk());
  EXPECT_EQ(server_.received->compress.size(), 1u);
  EXPECT_EQ(server_.received->compress_streams, 0);
}

TEST_F(GistClientTest, StreamsNineMebibytesWithoutLosingAByte) {
  // 13 bytes a piece: chunk borders fall inside of characters.
  const std::string text =
      Repeat("\xea\xb8\xb0\xec\x8a\xa4 gist\xc3\xa9", 9 << 20);
  ASSERT_THAT(client_.Compress(text, {.gist_tokens = 4}), IsOk());
  EXPECT_EQ(server_.received->compress.size(), 0u);
  EXPECT_TRUE(server_.received->streamed_text == text);
  EXPECT_LE(server_.received->largest_chunk_bytes, size_t{1} << 20);
  EXPECT_EQ(server_.received->stream_gist_tokens.front(), 4);
}

TEST_F(GistClientTest, JoinsASourceThatSplitsCharacters) {
  const std::string text = Repeat("\xed\x95\x9c\xea\xb8\x80", 3'000);
  ASSERT_THAT(client_.Compress(InPieces(text, 7), {}), IsOk());
  ASSERT_EQ(server_.received->compress.size(), 1u);
  EXPECT_EQ(server_.received->compress[0].text(), text);
}

TEST_F(GistClientTest, CutsPiecesThatAreLargerThanTheWireAllows) {
  const std::string text = Repeat("\xed\x95\x9c", 5 << 20);
  ASSERT_THAT(client_.Compress(InPieces(text, 4 << 20), {}), IsOk());
  EXPECT_TRUE(server_.received->streamed_text == text);
  EXPECT_LE(server_.received->largest_chunk_bytes, size_t{1} << 20);
}

TEST_F(GistClientTest, StreamsASmallDocumentWhoseProgressIsWanted) {
  for (const int done : {16, 32}) {
    v1::CompressProgress& progress = server_.script->progress.emplace_back();
    progress.set_done_tokens(done);
    progress.set_total_tokens(32);
  }
  std::vector<std::pair<int64_t, int64_t>> seen;
  const auto result = client_.Compress(
      "short", {.on_progress = [&](int64_t done, int64_t total) {
        seen.emplace_back(done, total);
      }});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(server_.received->streamed_text, "short");
  EXPECT_THAT(seen, ElementsAre(Pair(16, 32), Pair(32, 32)));
  EXPECT_EQ(result->context().context_id(), kId);
}

TEST_F(GistClientTest, NamesTheByteWhereTextIsNotUtf8) {
  EXPECT_THAT(
      client_.Compress("abc\xff", {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("byte 3 of 4")));
  EXPECT_THAT(
      client_.Ask({.context_ids = {kId}, .text = "\xc3("}, nullptr),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("question")));
  EXPECT_TRUE(server_.received->compress.empty());
  EXPECT_TRUE(server_.received->ask.empty());
}

TEST_F(GistClientTest, SaysWhyTheServerHungUpInTheMiddleOfADocument) {
  server_.script->errors["CompressStreamEarly"] = {
      grpc::StatusCode::RESOURCE_EXHAUSTED, "document: too long"};
  EXPECT_THAT(
      client_.Compress(Repeat("text ", 40 << 20), {}),
      StatusIs(absl::StatusCode::kResourceExhausted, "document: too long"));
}

TEST_F(GistClientTest, ReturnsTheErrorOfASourceAndCancelsTheCall) {
  int calls = 0;
  const ByteSource source = [&]() -> absl::StatusOr<std::string> {
    if (++calls == 1) return std::string(2 << 20, 'x');
    return absl::DataLossError("disk broke");
  };
  EXPECT_THAT(client_.Compress(source, {}),
              StatusIs(absl::StatusCode::kDataLoss, "disk broke"));
  calls = 0;
  EXPECT_THAT(client_.ImportContext(source),
              StatusIs(absl::StatusCode::kDataLoss, "disk broke"));
}

TEST_F(GistClientTest, TakesNoStreamForWholeWithoutItsLastMessage) {
  server_.script->leave_out_last_message = true;
  const auto text = [](std::string_view) { return absl::OkStatus(); };
  EXPECT_THAT(client_.Ask({.context_ids = {kId}, .text = "?"}, text),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("last message")));
  EXPECT_THAT(client_.Compress(std::string(2 << 20, 'x'), {}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("last message")));
}

TEST_F(GistClientTest, SendsAllOfAQuestion) {
  server_.script->result = FullResult();
  const Question question = {.context_ids = {kId, "ctx_2"},
                             .text = "Who?",
                             .mode = Mode::kFull,
                             .max_tokens = 9,
                             .temperature = 0.5f,
                             .top_k = 3,
                             .top_p = 0.75f,
                             .seed = 1ull << 63};
  const auto text = [](std::string_view) { return absl::OkStatus(); };
  ASSERT_THAT(client_.Ask(question, text), IsOk());
  ASSERT_EQ(server_.received->ask.size(), 1u);
  const v1::AskRequest& sent = server_.received->ask[0];
  EXPECT_THAT(sent.context_ids(), ElementsAre(kId, "ctx_2"));
  EXPECT_EQ(sent.question(), "Who?");
  EXPECT_EQ(sent.mode(), v1::MODE_FULL);
  EXPECT_EQ(sent.max_tokens(), 9);
  EXPECT_EQ(sent.temperature(), 0.5f);
  EXPECT_EQ(sent.top_k(), 3);
  EXPECT_EQ(sent.top_p(), 0.75f);
  EXPECT_EQ(sent.seed(), 1ull << 63);
}

TEST_F(GistClientTest, GivesTheAnswerInPiecesAndThenItsResult) {
  server_.script->answer = {"The code ", "is ", "4711."};
  server_.script->result = FullResult();
  std::vector<std::string> pieces;
  const auto result = client_.Ask({.context_ids = {kId}, .text = "?"},
                                  [&](std::string_view piece) {
                                    pieces.emplace_back(piece);
                                    return absl::OkStatus();
                                  });
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(pieces, ElementsAre("The code ", "is ", "4711."));
  EXPECT_EQ(result->usage().answer_tokens(), 5);
  EXPECT_EQ(server_.received->ask[0].mode(), v1::MODE_GIST);
}

TEST_F(GistClientTest, GathersAComparisonAndTellsItsProgress) {
  server_.script->on_compare = [](const v1::CompareRequest&) {
    return FullCompareResponses();
  };
  std::vector<std::pair<Mode, int>> begun;
  const auto compared = client_.Compare(
      {.context_ids = {kId}, .text = "?"}, {},
      [&](Mode mode, int done, int) { begun.emplace_back(mode, done); });
  ASSERT_THAT(compared, IsOk());
  EXPECT_THAT(begun, ElementsAre(Pair(Mode::kGist, 0)));
  ASSERT_EQ(compared->answers.size(), 3u);
  EXPECT_THAT(StatusOf(compared->answers[0]), IsOk());
  EXPECT_EQ(compared->answers[0].answer(), "ABC123");
  EXPECT_THAT(StatusOf(compared->answers[1]),
              StatusIs(absl::StatusCode::kOutOfRange, "too long"));
  EXPECT_EQ(compared->summary.agreements_size(), 1);
  server_.script->leave_out_last_message = true;
  EXPECT_THAT(client_.Compare({.context_ids = {kId}, .text = "?"}, {}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("last message")));
}

TEST_F(GistClientTest, CancelsAnAnswerThatItsSinkRefuses) {
  server_.script->answer = {"one", "two"};
  server_.script->hang_after_answer = true;
  int pieces = 0;
  EXPECT_THAT(client_.Ask({.context_ids = {kId}, .text = "?"},
                          [&](std::string_view) {
                            ++pieces;
                            return absl::ResourceExhaustedError("disk full");
                          }),
              StatusIs(absl::StatusCode::kResourceExhausted, "disk full"));
  EXPECT_EQ(pieces, 1);
  EXPECT_TRUE(server_.WaitForCancel());
}

TEST_F(GistClientTest, StopsACallInFlight) {
  server_.script->answer = {"one"};
  server_.script->hang_after_answer = true;
  std::stop_source stop;
  ClientOptions options = Options();
  options.stop = stop.get_token();
  EXPECT_THAT(GistClient(options).Ask({.context_ids = {kId}, .text = "?"},
                                      [&](std::string_view) {
                                        stop.request_stop();
                                        return absl::OkStatus();
                                      }),
              StatusIs(absl::StatusCode::kCancelled, testing::_));
  EXPECT_TRUE(server_.WaitForCancel());
}

TEST_F(GistClientTest, StartsNoCallOnceStopped) {
  std::stop_source stop;
  stop.request_stop();
  ClientOptions options = Options();
  options.stop = stop.get_token();
  const GistClient client(options);
  EXPECT_THAT(client.DeleteContext(kId),
              StatusIs(absl::StatusCode::kCancelled, testing::_));
  EXPECT_THAT(server_.received->deleted, IsEmpty());
}

TEST_F(GistClientTest, GivesUpAfterItsTimeout) {
  server_.script->hang_after_answer = true;
  ClientOptions options = Options();
  options.timeout_seconds = 0.2;
  const auto text = [](std::string_view) { return absl::OkStatus(); };
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(
      GistClient(options).Ask({.context_ids = {kId}, .text = "?"}, text),
      StatusIs(absl::StatusCode::kDeadlineExceeded, testing::_));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(GistClientTest, KeepsCodesAndMessagesOfTheServer) {
  for (int code = 1; code <= 16; ++code) {
    if (code == int(absl::StatusCode::kUnavailable)) continue;
    server_.script->errors["GetServerInfo"] = {
        static_cast<grpc::StatusCode>(code), "what, got, wanted"};
    EXPECT_THAT(
        client_.GetServerInfo(),
        StatusIs(static_cast<absl::StatusCode>(code), "what, got, wanted"));
  }
}

// As gRPC's server words it where it closes. Nobody here cancelled the call.
TEST_F(GistClientTest, TakesACallThatTheServerDroppedForUnavailable) {
  server_.script->errors["GetServerInfo"] = {grpc::StatusCode::CANCELLED,
                                             "CANCELLED"};
  EXPECT_THAT(client_.GetServerInfo(), StatusIs(absl::StatusCode::kUnavailable,
                                                HasSubstr(server_.target())));
}

TEST_F(GistClientTest, NamesTheAddressWhereTheServerIsUnavailable) {
  server_.script->errors["GetServerInfo"] = {grpc::StatusCode::UNAVAILABLE,
                                             "shutting down"};
  EXPECT_THAT(
      client_.GetServerInfo(),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(StartsWith("shutting down"), HasSubstr(server_.target()),
                     HasSubstr("is gistd running?"))));
  EXPECT_THAT(GistClient({.target = "127.0.0.1:1"}).GetServerInfo(),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("tried 127.0.0.1:1;")));
}

TEST_F(GistClientTest, WalksOverAllPages) {
  for (const char* id : {"ctx_1", "ctx_2", "ctx_3", "ctx_4", "ctx_5"}) {
    server_.script->contexts.emplace_back().set_context_id(id);
  }
  std::vector<std::string> ids;
  const auto visit = [&](const Context& context) {
    ids.push_back(context.context_id());
    return absl::OkStatus();
  };
  ASSERT_THAT(client_.ListContexts(visit, 2), IsOk());
  EXPECT_THAT(ids, ElementsAre("ctx_1", "ctx_2", "ctx_3", "ctx_4", "ctx_5"));
  ASSERT_EQ(server_.received->list.size(), 3u);
  EXPECT_EQ(server_.received->list[0].page_token(), "");
  EXPECT_EQ(server_.received->list[2].page_token(), "4");
  EXPECT_EQ(server_.received->list[2].page_size(), 2);
}

TEST_F(GistClientTest, FetchesNoFurtherPageOnceAVisitFails) {
  server_.script->contexts.resize(5);
  EXPECT_THAT(client_.ListContexts(
                  [](const Context&) { return absl::AbortedError("enough"); }),
              StatusIs(absl::StatusCode::kAborted, "enough"));
  EXPECT_EQ(server_.received->list.size(), 1u);
}

TEST_F(GistClientTest, EndsAWalkThatTheServerSendsInCircles) {
  server_.script->contexts.resize(5);
  server_.script->repeat_page_token = true;
  const auto visit = [](const Context&) { return absl::OkStatus(); };
  EXPECT_THAT(client_.ListContexts(visit),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("page token")));
}

TEST_F(GistClientTest, ExportsEveryByteInOrder) {
  server_.script->export_chunks = {std::string(1 << 20, 'a'),
                                   std::string("\0b", 2), "c"};
  std::string file;
  ASSERT_THAT(client_.ExportContext(kId, true,
                                    [&](std::string_view chunk) {
                                      file += chunk;
                                      return absl::OkStatus();
                                    }),
              IsOk());
  EXPECT_EQ(file.size(), (1u << 20) + 3);
  EXPECT_THAT(file, EndsWith(std::string("a\0bc", 4)));
  ASSERT_EQ(server_.received->exports.size(), 1u);
  EXPECT_EQ(server_.received->exports[0].context_id(), kId);
  EXPECT_TRUE(server_.received->exports[0].without_text());
}

TEST_F(GistClientTest, ImportsEveryByteInOrder) {
  const std::string file = Repeat(std::string("ab\0\xff", 4), 3 << 20);
  const auto context = client_.ImportContext(InPieces(file, 3 << 20));
  ASSERT_THAT(context, IsOk());
  EXPECT_EQ(context->context_id(), kId);
  EXPECT_TRUE(server_.received->imported == file);
  EXPECT_LE(server_.received->largest_chunk_bytes, size_t{1} << 20);
}

TEST_F(GistClientTest, AddsADocumentWithItsOptionsOnce) {
  server_.script->add = FullAddResponse();
  const std::string text(5 << 20, 'x');
  const auto added = client_.AddDocument(
      text, {.retention = {.ttl_seconds = 60}, .request_id = "r1"});
  ASSERT_THAT(added, IsOk());
  EXPECT_EQ(added->context().context_id(), kId);
  EXPECT_TRUE(added->cached());
  ASSERT_EQ(server_.received->added.size(), 1u);
  EXPECT_TRUE(server_.received->added[0] == text);
  EXPECT_EQ(server_.received->add[0].request_id(), "r1");
  EXPECT_EQ(server_.received->add[0].retention().ttl_seconds(), 60);
  EXPECT_LE(server_.received->largest_chunk_bytes, size_t{1} << 20);
  server_.script->errors["AddDocument"] = {grpc::StatusCode::RESOURCE_EXHAUSTED,
                                           "full"};
  EXPECT_THAT(client_.AddDocument("text", {}),
              StatusIs(absl::StatusCode::kResourceExhausted, "full"));
}

TEST_F(GistClientTest, NamesWhatItGetsAndDeletes) {
  server_.script->contexts = {FullContext()};
  EXPECT_THAT(client_.GetContext("ctx_other"),
              StatusIs(absl::StatusCode::kNotFound, "no context ctx_other"));
  ASSERT_THAT(client_.GetContext(kId), IsOk());
  ASSERT_THAT(client_.DeleteContext(kId), IsOk());
  EXPECT_THAT(server_.received->deleted, ElementsAre(kId));
}

}  // namespace
}  // namespace gist::client
