// Two tenants and the default one on one server: nobody sees what is another's.
#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "client/error_info.h"
#include "core/base/identity.h"
#include "server/support/errors.h"
#include "storage/kv_codec.h"
#include "tests/server/grpc/auth_harness.h"

namespace gist {
namespace {

using client::ErrorInfoOf;
using client::GistClient;
using client::TrainingClient;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TenantsTest : public AuthTest {
 protected:
  void SetUp() override {
    AuthTest::SetUp();
    WriteAuthFile(acme_.line + "\n" + globex_.line + "\n" + default_.line);
    Serve();
  }

  std::string IdOf(const TestToken& who, const std::string& text) {
    const auto result = GistClient(As(who.token)).Compress(text, {});
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->context().context_id() : "";
  }
  std::vector<std::string> ListOf(const TestToken& who, int page_size = 0) {
    std::vector<std::string> ids;
    EXPECT_THAT(GistClient(As(who.token))
                    .ListContexts(
                        [&](const client::Context& context) {
                          ids.push_back(context.context_id());
                          return absl::OkStatus();
                        },
                        page_size),
                IsOk());
    return ids;
  }
  std::string Export(const TestToken& who, const std::string& id,
                     bool without_text = false) {
    std::string file;
    EXPECT_THAT(GistClient(As(who.token))
                    .ExportContext(id, without_text,
                                   [&](std::string_view bytes) {
                                     file += bytes;
                                     return absl::OkStatus();
                                   }),
                IsOk());
    return file;
  }
  static client::ByteSource Bytes(std::string bytes) {
    return [bytes = std::move(bytes)]() mutable -> absl::StatusOr<std::string> {
      return std::exchange(bytes, "");
    };
  }

  const TestToken acme_{"admin", "acme"};
  const TestToken globex_{"admin", "globex"};
  const TestToken default_{"admin", "default"};
  const std::string text_ = DocumentWith("ABC123");
};

TEST_F(TenantsTest, TheSameTextHasAnotherIdForEach) {
  const std::string a = IdOf(acme_, text_), b = IdOf(globex_, text_);
  const std::string d = IdOf(default_, text_);
  EXPECT_NE(a, b);
  EXPECT_NE(a, d);
  EXPECT_THAT(ListOf(acme_), ElementsAre(a));
  EXPECT_THAT(ListOf(globex_), ElementsAre(b));
  EXPECT_THAT(ListOf(default_), ElementsAre(d));
  // The default tenant's ids are those of a server without tenants.
  EXPECT_EQ(server().harness.pipeline.Get(d)->record.document_id,
            DocumentId("", text_));
}

TEST_F(TenantsTest, PagesHoldOnesOwnAlone) {
  std::vector<std::string> acme;
  for (int i = 0; i < 5; ++i) {
    acme.push_back(IdOf(acme_, "text " + std::to_string(i)));
    IdOf(globex_, "text " + std::to_string(i));
  }
  std::ranges::sort(acme);
  EXPECT_EQ(ListOf(acme_, /*page_size=*/2), acme);
  EXPECT_EQ(ListOf(globex_, 1).size(), 5u);
}

TEST_F(TenantsTest, AnothersContextIsNotFoundByAnyCall) {
  const std::string id = IdOf(acme_, text_);
  const GistClient globex(As(globex_.token));
  client::Question question;
  question.context_ids = {id};
  question.text = "What is it?";
  const auto ignore = [](std::string_view) { return absl::OkStatus(); };
  std::vector<absl::Status> refused = {globex.GetContext(id).status(),
                                       globex.DeleteContext(id),
                                       globex.ExportContext(id, false, ignore)};
  for (const client::Mode mode : client::kModes) {
    question.mode = mode;
    refused.push_back(globex.Ask(question, ignore).status());
  }
  for (const absl::Status& status : refused) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_EQ(ErrorInfoOf(status).reason, "CONTEXT_NOT_FOUND");
  }
  const auto compared = globex.Compare(question, {});
  ASSERT_THAT(compared, IsOk());
  for (const auto& answer : compared->answers) {
    EXPECT_EQ(ErrorInfoOf(client::StatusOf(answer)).reason,
              "CONTEXT_NOT_FOUND");
  }
  // Word for word what an id says that nobody has.
  const std::string nobodys = "ctx_00000000000000000000000000000000";
  std::string message(Message(refused[0]));
  message.replace(message.find(id), id.size(), nobodys);
  EXPECT_EQ(message, Message(globex.GetContext(nobodys).status()));
  // And the owner still has it.
  EXPECT_THAT(GistClient(As(acme_.token)).GetContext(id), IsOk());
}

TEST_F(TenantsTest, AQuestionOverAllDocumentsIsOverOnesOwn) {
  const std::string a = IdOf(acme_, text_), b = IdOf(globex_, text_);
  client::Question question;
  question.text = "What is the passkey?";
  question.mode = client::Mode::kRag;
  const auto ignore = [](std::string_view) { return absl::OkStatus(); };
  const auto contexts = [&](const TestToken& who) {
    std::vector<std::string> ids;
    const auto asked = GistClient(As(who.token)).Ask(question, ignore);
    EXPECT_THAT(asked, IsOk());
    if (!asked.ok()) return ids;
    EXPECT_EQ(asked->usage().documents(), 1);
    for (const auto& chunk : asked->chunks()) ids.push_back(chunk.context_id());
    return ids;
  };
  EXPECT_THAT(contexts(acme_), ElementsAre(a));
  EXPECT_THAT(contexts(globex_), ElementsAre(b));
  const auto nothing = GistClient(As(default_.token)).Ask(question, ignore);
  EXPECT_EQ(ErrorInfoOf(nothing.status()).reason, "TEXT_NOT_KEPT");
  for (const client::Mode mode : client::kModes) {
    if (mode == client::Mode::kRag) continue;
    question.mode = mode;
    const auto refused = GistClient(As(acme_.token)).Ask(question, ignore);
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
  }
  const auto compared = GistClient(As(acme_.token)).Compare(question, {});
  ASSERT_THAT(compared, IsOk());
  for (const auto& answer : compared->answers) {
    EXPECT_TRUE(absl::IsInvalidArgument(client::StatusOf(answer)));
  }
}

TEST_F(TenantsTest, NothingInMemoryTellsWhatAnotherRead) {
  setup_.server.limits.max_cached_kv_bytes = 1 << 30;
  Serve();
  const auto compress = [&](const TestToken& who, int gists) {
    client::CompressOptions wanted;
    wanted.gist_tokens = gists;
    return GistClient(As(who.token)).Compress(text_, wanted).value();
  };
  const auto first = compress(acme_, 4);
  EXPECT_FALSE(first.cached());
  EXPECT_GT(compress(acme_, 2).usage().cached_tokens(), 0);  // its own is there
  const auto other = compress(globex_, 4);
  EXPECT_FALSE(other.cached());
  EXPECT_EQ(other.usage().cached_tokens(), 0);
  // The prompts of full-context questions, likewise.
  const auto cached_tokens = [&](const TestToken& who) {
    client::Question question;
    question.context_ids = {compress(who, 4).context().context_id()};
    question.text = "Q";
    question.mode = client::Mode::kFull;
    const auto asked =
        GistClient(As(who.token)).Ask(question, [](std::string_view) {
          return absl::OkStatus();
        });
    EXPECT_THAT(asked, IsOk());
    return asked->usage().cached_tokens();
  };
  EXPECT_EQ(cached_tokens(acme_), 0);
  EXPECT_GT(cached_tokens(acme_), 0);
  EXPECT_EQ(cached_tokens(globex_), 0);
}

TEST_F(TenantsTest, AnExportedFileBecomesItsImporters) {
  const std::string a = IdOf(acme_, text_);
  const std::string file = Export(acme_, a);
  const GistClient globex(As(globex_.token));
  const auto imported = globex.ImportContext(Bytes(file));
  ASSERT_THAT(imported, IsOk());
  EXPECT_NE(imported->context_id(), a);
  EXPECT_TRUE(imported->has_text());
  EXPECT_THAT(ListOf(globex_), ElementsAre(imported->context_id()));
  // The same name that compressing the text gives.
  EXPECT_EQ(IdOf(globex_, text_), imported->context_id());
  // Its own file leads back to what is there.
  EXPECT_EQ(
      GistClient(As(acme_.token)).ImportContext(Bytes(file))->context_id(), a);
}

// A file without its text could name any document, another tenant's too.
TEST_F(TenantsTest, AFileWithoutItsTextReachesNoForeignText) {
  const std::string a = IdOf(acme_, text_);
  auto forged = DecodeKvBlob(Export(acme_, a, /*without_text=*/true));
  ASSERT_THAT(forged, IsOk());
  for (const char* tenant : {"", "acme", "globex"}) {
    forged->record.tenant = tenant;
    const auto bytes = EncodeKvBlob(*forged);
    ASSERT_THAT(bytes, IsOk());
    for (const TestToken* who : {&globex_, &default_}) {
      const GistClient client(As(who->token));
      const auto imported = client.ImportContext(Bytes(*bytes));
      ASSERT_THAT(imported, IsOk());
      EXPECT_FALSE(imported->has_text()) << tenant;
      EXPECT_NE(imported->document_id(), forged->record.document_id);
    }
  }
}

TEST_F(TenantsTest, DatasetsAndTrainingsAreOnesOwn) {
  const std::string lines =
      R"({"context": "one", "question": "q", "answer": "a"})"
      "\n"
      R"({"context": "two", "question": "q", "answer": "b"})"
      "\n";
  const TrainingClient acme(As(acme_.token)), globex(As(globex_.token));
  const auto dataset = acme.UploadDataset(Bytes(lines));
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ(acme.ListDatasets()->size(), 1u);
  EXPECT_THAT(*globex.ListDatasets(), IsEmpty());
  EXPECT_EQ(ErrorInfoOf(globex.DeleteDataset(dataset->dataset_id())).reason,
            "DATASET_NOT_FOUND");
  client::TrainingRequest request;
  request.request_id = "mine";
  request.preset = "long";
  request.name = "mine";
  request.dataset_ids = {dataset->dataset_id()};
  std::string job;
  const auto until_known = [&](const client::TrainingEvent& event) {
    job = event.training().job_id();
    return absl::AbortedError("seen");
  };
  EXPECT_EQ(ErrorInfoOf(globex.Train(request, until_known)).reason,
            "DATASET_NOT_FOUND");
  ASSERT_TRUE(absl::IsAborted(acme.Train(request, until_known)));
  EXPECT_EQ(acme.List()->size(), 1u);
  EXPECT_THAT(*globex.List(), IsEmpty());
  const auto ignore = [](const client::TrainingEvent&) {
    return absl::OkStatus();
  };
  for (const absl::Status& status :
       {globex.Get(job).status(), globex.Cancel(job).status(),
        globex.Watch(job, ignore), globex.PromoteAdapter(job).status()}) {
    EXPECT_THAT(ErrorInfoOf(status).reason,
                AnyOf("TRAINING_NOT_FOUND", "ADAPTER_NOT_FOUND"));
  }
  // The same request_id of another tenant is another request.
  request.dataset_ids.clear();
  request.generator.emplace().name = "niah";
  const std::string acmes = job;
  ASSERT_TRUE(absl::IsAborted(globex.Train(request, until_known)));
  EXPECT_NE(job, acmes);
  EXPECT_THAT(acme.Cancel(acmes), IsOk());
  EXPECT_THAT(globex.Cancel(job), IsOk());
}

// What the server says of itself: no text, no token, no id of another.
TEST_F(TenantsTest, LogsAndMetricsHoldNoTextAndNoToken) {
  const std::string id = IdOf(acme_, text_);
  client::Question question;
  question.context_ids = {id};
  question.text = "Wherefore art thou Zanzibar?";
  const auto ignore = [](std::string_view) { return absl::OkStatus(); };
  ASSERT_THAT(GistClient(As(acme_.token)).Ask(question, ignore), IsOk());
  const GistClient globex(As(globex_.token));
  EXPECT_FALSE(globex.Ask(question, ignore).ok());
  EXPECT_THAT(globex.GetContext("ctx_none").status().message(),
              Not(HasSubstr(id)));
  grpc_->Shutdown();
  for (const std::string& page : {log(), server().metrics.Render()}) {
    EXPECT_THAT(page, Not(HasSubstr("ABC123")));
    EXPECT_THAT(page, Not(HasSubstr("Zanzibar")));
    for (const TestToken* token : {&acme_, &globex_, &default_}) {
      EXPECT_THAT(page, Not(HasSubstr(token->token.substr(22))));
    }
  }
  EXPECT_THAT(log(), HasSubstr("rpc=Ask"));
  EXPECT_THAT(server().metrics.Render(), Not(HasSubstr("acme")));
  EXPECT_THAT(server().metrics.Render(), Not(HasSubstr(id)));
  // Lines of globex's calls do not hold acme's id.
  std::istringstream lines(log());
  for (std::string line; std::getline(lines, line);) {
    if (line.find("tenant=globex") == line.npos) continue;
    EXPECT_THAT(line, Not(HasSubstr(id)));
  }
}

// How far apart two samples are, by ranks (Mann-Whitney), in standard
// deviations of chance.
double RankDistance(const std::vector<double>& a,
                    const std::vector<double>& b) {
  double wins = 0;
  for (const double x : a) {
    for (const double y : b) wins += x < y ? 1 : x == y ? 0.5 : 0;
  }
  const double n = double(a.size()), m = double(b.size());
  return (wins - n * m / 2) / std::sqrt(n * m * (n + m + 1) / 12);
}

// Compressing what another tenant holds takes as long as what nobody holds.
TEST_F(TenantsTest, TheClockDoesNotTellWhatAnotherHolds) {
  constexpr int kPairs = 50;
  constexpr double kChance = 3.3;  // a false alarm in a thousand runs
  setup_.server.limits.max_cached_kv_bytes = 1 << 30;
  Serve();
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const GistClient acme(As(acme_.token)), globex(As(globex_.token));
  const auto seconds = [&](const std::string& text) {
    const Clock::time_point start = Clock::now();
    EXPECT_THAT(globex.Compress(text, {}), IsOk());
    return SecondsSince(start);
  };
  std::vector<double> held, free, own;
  for (int i = 0; i < kPairs; ++i) {
    const std::string known = DocumentWith("KNOWN" + std::to_string(i), 200);
    const std::string unknown = DocumentWith("OTHER" + std::to_string(i), 200);
    ASSERT_THAT(acme.Compress(known, {}), IsOk());
    const bool known_first = random() % 2 == 0;
    if (known_first) held.push_back(seconds(known));
    free.push_back(seconds(unknown));
    if (!known_first) held.push_back(seconds(known));
    own.push_back(seconds(known));  // by now its own
  }
  EXPECT_LT(std::abs(RankDistance(held, free)), kChance);
  EXPECT_GT(RankDistance(own, free), kChance);  // such a difference is seen
}

// Records of a time without tenants are the default tenant's.
TEST_F(TenantsTest, ContextsFromBeforeTenantsAreTheDefaultTenants) {
  Close();
  Start();  // no tokens
  const std::string id = server().harness.IdOf(text_);
  Stop();
  Serve();
  EXPECT_THAT(ListOf(default_), ElementsAre(id));
  EXPECT_THAT(ListOf(acme_), IsEmpty());
  EXPECT_EQ(IdOf(default_, text_), id);
}

}  // namespace
}  // namespace gist
