// The real server with the real model, as its users meet it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/status.h"
#include "tests/integration/gistd_fixture.h"

namespace gist {
namespace {

namespace fs = std::filesystem;
using client::GistClient;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kModel[] = "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";

// A document and what the Python reference answers from its gists.
struct Sample {
  std::string text, question, answer;
};

std::vector<Sample> Samples(size_t count) {
  std::ifstream contexts("tests/data/passkey/contexts.jsonl");
  std::ifstream answers("tests/data/passkey/answers.jsonl");
  std::vector<Sample> samples;
  for (std::string context, answer; samples.size() < count &&
                                    std::getline(contexts, context) &&
                                    std::getline(answers, answer);) {
    const auto document = nlohmann::json::parse(context);
    samples.push_back({document.at("context"), document.at("question"),
                       nlohmann::json::parse(answer).at("gist").at("text")});
  }
  EXPECT_EQ(samples.size(), count);
  return samples;
}

class EndToEndTest : public GistdTest {
 protected:
  // Starts a server that must refuse: its exit code and its log.
  std::pair<int, std::string> Refused(
      const std::vector<std::string>& arguments) {
    GistdProcess server(arguments, folder_ / "refused");
    EXPECT_FALSE(server.WaitUntilReady());
    return {server.Wait(), server.Log()};
  }
};

TEST_F(EndToEndTest, AnswersAsTheReferenceOnceComputedAndAfterRestarts) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const Sample sample = Samples(1)[0];
  const auto first = Compress(sample.text);
  EXPECT_FALSE(first.cached());
  EXPECT_GT(first.timings().prefill_seconds(), 0);
  const std::string id = first.context().context_id();
  const client::Question question{.context_ids = {id}, .text = sample.question};
  const Answered answered = Ask(question);
  EXPECT_EQ(answered.text, sample.answer);

  const client::AskResult& result = answered.result;
  EXPECT_EQ(result.usage().loaded_slots(), 10);
  EXPECT_EQ(result.usage().prefilled_tokens(), 0);
  EXPECT_EQ(result.usage().document_tokens(),
            first.context().document_tokens());
  EXPECT_EQ(result.usage().kv_bytes(), 230400);  // 10 x 30 x 2 x 3 x 64 x 2
  EXPECT_EQ(result.usage().full_kv_bytes(),
            result.usage().document_tokens() * 23040);
  EXPECT_EQ(result.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_GT(result.timings().first_token_seconds(), 0);
  EXPECT_LE(result.timings().first_token_seconds(),
            result.timings().total_seconds());

  const auto again = Compress(sample.text);
  EXPECT_TRUE(again.cached());
  EXPECT_EQ(again.timings().prefill_seconds(), 0);
  EXPECT_EQ(again.context().context_id(), id);

  for (const int signal_number : {SIGTERM, SIGKILL}) {
    server_->Signal(signal_number);
    EXPECT_EQ(server_->Wait(), signal_number == SIGTERM ? 0 : 128 + SIGKILL);
    ASSERT_NO_FATAL_FAILURE(Start());
    EXPECT_EQ(Ask(question).text, sample.answer);
    EXPECT_TRUE(Compress(sample.text).cached());
  }
}

TEST_F(EndToEndTest, FiveClientsAtOnceGetTheirOwnAnswers) {
  ASSERT_NO_FATAL_FAILURE(Start({"--embedder", "off"}));
  const std::vector<Sample> samples = Samples(5);
  std::vector<std::string> answers(samples.size());
  std::vector<std::jthread> clients;
  for (size_t i = 0; i < samples.size(); ++i) {
    clients.emplace_back([&, i] {
      const std::string id = Compress(samples[i].text).context().context_id();
      answers[i] = Ask({.context_ids = {id}, .text = samples[i].question}).text;
    });
  }
  clients.clear();
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(answers[i], samples[i].answer) << i;
  }
}

TEST_F(EndToEndTest, LongDocumentIsReadInGroupsAndAskedWithAnother) {
  ASSERT_NO_FATAL_FAILURE(Start({"--embedder", "off"}));
  const std::vector<Sample> samples = Samples(9);
  std::string text;
  for (const Sample& sample : samples) text += sample.text;
  const auto longer = Compress(text);  // two groups
  EXPECT_GT(longer.context().document_tokens(), 8192);
  EXPECT_EQ(longer.context().representations(0).kv_slots(), 20);
  const auto other = Compress(samples[0].text);
  const client::Question question{.context_ids = {longer.context().context_id(),
                                                  other.context().context_id()},
                                  .text = samples[0].question,
                                  .max_tokens = 4};
  const Answered answered = Ask(question);
  EXPECT_THAT(answered.status, IsOk());
  EXPECT_EQ(answered.result.usage().loaded_slots(), 30);

  client::Question full = question;
  full.mode = client::Mode::kFull;
  full.context_ids = {other.context().context_id()};
  EXPECT_EQ(Ask(full).result.usage().prefilled_tokens(),
            other.context().document_tokens());
}

TEST_F(EndToEndTest, FindsThePassageThatAQuestionIsAbout) {
  ASSERT_NO_FATAL_FAILURE(Start());
  for (const Sample& sample : Samples(2)) {
    client::Question question{
        .context_ids = {Compress(sample.text).context().context_id()},
        .text = "What is the secret passkey?",
        .mode = client::Mode::kRag,
        .max_tokens = 2,
        .retrieval = {.top_k = 2, .ranking = client::Ranking::kDense}};
    const Answered answered = Ask(question);
    ASSERT_THAT(answered.status, IsOk());
    const auto& chunks = answered.result.chunks();
    ASSERT_EQ(chunks.size(), 2);
    EXPECT_GE(chunks[0].similarity(), chunks[1].similarity());
    EXPECT_THAT(chunks[0].text() + chunks[1].text(), HasSubstr("passkey"));
    for (const v1::RetrievedChunk& chunk : chunks) {
      EXPECT_EQ(sample.text.substr(size_t(chunk.begin()),
                                   size_t(chunk.end() - chunk.begin())),
                chunk.text());
    }
    EXPECT_GT(answered.result.timings().index_seconds(), 0);
    question.mode = client::Mode::kHybrid;
    const Answered hybrid = Ask(question);
    EXPECT_EQ(hybrid.result.usage().loaded_slots(), 10);
    EXPECT_EQ(hybrid.result.timings().index_seconds(), 0) << "it was kept";
    EXPECT_EQ(hybrid.result.usage().prefilled_tokens(),
              answered.result.usage().prefilled_tokens());
  }
}

TEST_F(EndToEndTest, RefusesWhatExceedsTheModelAndKeepsServing) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const Sample sample = Samples(1)[0];
  const std::string id = Compress(sample.text).context().context_id();
  std::string question;
  while (question.size() < 60000) question += sample.text;
  EXPECT_THAT(Ask({.context_ids = {id}, .text = question}).status,
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("8192")));
  EXPECT_THAT(Ask({.context_ids = {"ctx_none"}, .text = "Who?"}).status,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("ctx_none")));
  EXPECT_THAT(Client().Compress(std::string("\xff\xfe"), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
  EXPECT_EQ(Ask({.context_ids = {id}, .text = sample.question}).text,
            sample.answer);
}

TEST_F(EndToEndTest, ExportedContextAnswersTheSameOnAnotherServer) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const Sample sample = Samples(1)[0];
  const std::string id = Compress(sample.text).context().context_id();
  std::string file;
  ASSERT_THAT(Client().ExportContext(id, false,
                                     [&](std::string_view bytes) {
                                       file += bytes;
                                       return absl::OkStatus();
                                     }),
              IsOk());
  server_.reset();
  fs::remove_all(folder_ / "data");
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto import = [&](std::string bytes) {
    return Client().ImportContext(
        [bytes]() mutable -> absl::StatusOr<std::string> {
          return std::exchange(bytes, std::string());
        });
  };
  std::string flipped = file;
  flipped[flipped.size() / 2] ^= 1;
  EXPECT_THAT(import(flipped),
              StatusIs(absl::StatusCode::kDataLoss, testing::_));
  const auto imported = import(file);
  ASSERT_THAT(imported, IsOk());
  EXPECT_TRUE(imported->representations(0).imported());
  EXPECT_EQ(Ask({.context_ids = {id}, .text = sample.question}).text,
            sample.answer);
}

TEST_F(EndToEndTest, SaysInOneLineWhyItDoesNotStart) {
  const std::string data = folder_ / "data";

  const std::string truncated = folder_ / "truncated.gguf";
  fs::copy_file(kModel, truncated);
  fs::resize_file(truncated, fs::file_size(truncated) / 2);
  const auto [model_code, model_log] =
      Refused({"--data-dir", data, "--model", truncated});
  EXPECT_EQ(model_code, 1);
  EXPECT_THAT(model_log,
              AllOf(HasSubstr("error="), HasSubstr("truncated.gguf")));

  const auto [missing_code, missing_log] =
      Refused({"--data-dir", data, "--model", "none.gguf"});
  EXPECT_EQ(missing_code, 1);
  EXPECT_THAT(missing_log, HasSubstr("none.gguf"));

  ASSERT_NO_FATAL_FAILURE(Start());
  const auto [locked_code, locked_log] = Refused({"--data-dir", data});
  EXPECT_EQ(locked_code, 1);
  EXPECT_THAT(locked_log, AllOf(HasSubstr(data), HasSubstr("in use")));

  const auto [port_code, port_log] =
      Refused({"--data-dir", data + "2", "--listen", options_.target});
  EXPECT_EQ(port_code, 1);
  EXPECT_THAT(port_log, HasSubstr(options_.target));

  std::ofstream(folder_ / "file") << "not a folder";
  const auto [folder_code, folder_log] =
      Refused({"--data-dir", folder_ / "file/data"});
  EXPECT_EQ(folder_code, 1);
  EXPECT_THAT(folder_log, HasSubstr("data"));
}

}  // namespace
}  // namespace gist
