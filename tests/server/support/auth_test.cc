// The token file, and who it lets in.
#include "server/support/auth.h"

#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

#include "server/support/errors.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Made {
  std::string token;
  TokenLine line;
};

Made Make(const std::string& role, const std::string& tenant = "acme") {
  Made made;
  made.token = NewToken();
  made.line = {std::string(*TokenId(made.token)),
               tenant,
               role,
               NewTokenSalt(),
               "",
               std::nullopt};
  made.line.hash = TokenHash(made.line.salt, made.token);
  return made;
}

absl::StatusOr<Principal> Find(const TokenBook& book, const std::string& token,
                               int64_t now = 1) {
  const std::string header = "Bearer " + token;
  const std::string_view values[] = {header};
  return book.Find(values, now);
}

Reason ReasonOf(const absl::Status& status) { return DetailsOf(status).reason; }

TEST(TokenBookTest, ATokenIsItsTenantAndRole) {
  const Made reader = Make("reader"), admin = Make("admin", "default");
  const auto book =
      TokenBook::Parse("# tokens of acme\n\n" + FormatTokenLine(reader.line) +
                       "  # Ann\n" + FormatTokenLine(admin.line));
  ASSERT_THAT(book, IsOk());
  EXPECT_EQ(book->size(), 2u);
  const auto ann = Find(*book, reader.token);
  ASSERT_THAT(ann, IsOk());
  EXPECT_EQ(ann->tenant, "acme");
  EXPECT_EQ(ann->role, Role::kReader);
  EXPECT_EQ(ann->token_id, reader.line.id);
  const auto root = Find(*book, admin.token);
  ASSERT_THAT(root, IsOk());
  EXPECT_EQ(root->tenant, "");  // the default tenant
  EXPECT_EQ(root->role, Role::kAdmin);
}

TEST(TokenBookTest, ExpiryIsToTheSecond) {
  Made made = Make("writer");
  made.line.expires = 1'800'000'000;
  const auto book = TokenBook::Parse(FormatTokenLine(made.line));
  ASSERT_THAT(book, IsOk());
  EXPECT_THAT(Find(*book, made.token, 1'799'999'999), IsOk());
  const auto late = Find(*book, made.token, 1'800'000'000);
  EXPECT_EQ(ReasonOf(late.status()), Reason::kTokenExpired);
  EXPECT_THAT(late, StatusIs(StatusCode::kUnauthenticated,
                             HasSubstr("2027-01-15T08:00:00Z")));
  // Who has the id alone does not learn that it expired.
  std::string guess = made.token;
  guess.back() = guess.back() == '0' ? '1' : '0';
  EXPECT_EQ(ReasonOf(Find(*book, guess, 1'800'000'000).status()),
            Reason::kTokenInvalid);
}

TEST(TokenBookTest, ErrorsHoldNoPartOfTheToken) {
  const auto book = TokenBook::Parse("");
  ASSERT_THAT(book, IsOk());
  const std::string token = NewToken();
  EXPECT_THAT(Find(*book, token),
              StatusIs(StatusCode::kUnauthenticated,
                       Not(HasSubstr(token.substr(5, 16)))));
}

TEST(TokenBookTest, ALineThatIsWrongIsNamedWithoutItsSecrets) {
  const TokenLine good = Make("reader").line;
  const std::string line = FormatTokenLine(good);
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = line;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::pair<std::string, const char*> wrong[] = {
      {replaced("role=reader", "role=owner"), "role is none of"},
      {replaced("tenant=acme", "tenant=../acme"), "tenant is not"},
      {replaced("tenant=acme", "tenant="), "tenant is not"},
      {replaced("id=", "id=X"), "id is not"},
      {replaced("salt=", "salt=0"), "salt is not"},
      {replaced("sha256=", "sha256=0"), "sha256 is not"},
      {replaced("tenant=acme ", ""), "tenant is missing"},
      {line + " role=admin", "a key comes twice"},
      {line + " colour=red", "unknown key"},
      {line + " expires=tomorrow", "expires is not"},
      {line + " expires=2027-02-30T00:00:00Z", "expires is not"},
      {"reader acme", "a word without ="},
      {line + "\n" + line, "another line's too"}};
  for (const auto& [text, problem] : wrong) {
    const auto book = TokenBook::Parse("\n" + text);
    EXPECT_THAT(book, StatusIs(StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("line "), HasSubstr(problem),
                                     Not(HasSubstr(good.hash)),
                                     Not(HasSubstr(good.salt)))))
        << text;
  }
}

TEST(RoleTest, EachRoleHasWhatThoseBeforeItHave) {
  for (int have = 1; have <= 4; ++have) {
    for (int want = 1; want <= 4; ++want) {
      const absl::Status status =
          CheckRole({"acme", Role(have), "id"}, Role(want));
      EXPECT_EQ(status.ok(), have >= want);
      if (status.ok()) continue;
      EXPECT_EQ(ReasonOf(status), Reason::kRoleTooLow);
    }
  }
}

class AuthenticatorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("", sink));
  }
  void Open() {
    authenticator_ =
        Authenticator::Open(path(), [this] { return now_.load(); }).value();
  }
  void Write(const std::string& text) { std::ofstream(path()) << text; }
  bool LetsIn(const std::string& token) {
    ++now_;  // the file is looked at once a second
    const std::string header = "Bearer " + token;
    const std::string_view values[] = {header};
    return authenticator_->Authenticate(values).ok();
  }
  int Logged(const std::string& text) const {
    int times = 0;
    const std::string log = log_.str();
    for (size_t at = log.find(text); at != log.npos;
         at = log.find(text, at + 1)) {
      ++times;
    }
    return times;
  }
  std::string path() const { return dir_ / "auth.tokens"; }

  TempDir dir_;
  std::ostringstream log_;
  std::atomic<int64_t> now_ = 1000;
  std::unique_ptr<Authenticator> authenticator_;
};

TEST_F(AuthenticatorTest, AChangedFileIsReadAgain) {
  const Made first = Make("reader"), second = Make("reader");
  Write(FormatTokenLine(first.line));
  Open();
  EXPECT_TRUE(LetsIn(first.token));
  EXPECT_FALSE(LetsIn(second.token));
  Write(FormatTokenLine(second.line));
  EXPECT_FALSE(LetsIn(first.token));
  EXPECT_TRUE(LetsIn(second.token));
  // Put in its place, as an editor or a mounted secret does.
  std::ofstream(path() + ".new") << FormatTokenLine(first.line);
  std::filesystem::rename(path() + ".new", path());
  EXPECT_TRUE(LetsIn(first.token));
  EXPECT_FALSE(LetsIn(second.token));
}

TEST_F(AuthenticatorTest, ABrokenFileKeepsTheTokensAndIsLoggedOnce) {
  const Made made = Make("reader");
  Write(FormatTokenLine(made.line));
  Open();
  Write("id=zzz");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(LetsIn(made.token));
  EXPECT_EQ(Logged("line 1: id is not 16 hex digits"), 1);
  std::filesystem::remove(path());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(LetsIn(made.token));
  EXPECT_EQ(Logged("cannot open"), 1);
  Write("");  // nobody any more
  EXPECT_FALSE(LetsIn(made.token));
  EXPECT_EQ(Logged(made.line.hash), 0);
  EXPECT_EQ(Logged(made.token), 0);
}

TEST_F(AuthenticatorTest, AFileThatIsMissingOrWrongAtTheStartIsAnError) {
  EXPECT_THAT(Authenticator::Open(path()).status(),
              StatusIs(StatusCode::kNotFound, HasSubstr(path())));
  Write("who=knows");
  EXPECT_THAT(
      Authenticator::Open(path()).status(),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr(path()), HasSubstr("line 1: unknown key"))));
}

TEST_F(AuthenticatorTest, CallsGoOnWhileTheFileChanges) {
  const Made stays = Make("reader");
  Write(FormatTokenLine(stays.line));
  Open();
  std::atomic<bool> done = false;
  std::atomic<int> refused = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      while (!done) refused += LetsIn(stays.token) ? 0 : 1;
    });
  }
  for (int i = 0; i < 50; ++i) {
    std::ofstream(path() + ".new") << FormatTokenLine(stays.line) << "\n"
                                   << FormatTokenLine(Make("writer").line);
    std::filesystem::rename(path() + ".new", path());
  }
  done = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(refused, 0);
}

}  // namespace
}  // namespace gist
