// TLS on a live server: who gets in, and what happens when files change.
#include "server/grpc/tls.h"

#include <openssl/ssl.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "client/gist_client.h"
#include "core/base/certificate.h"
#include "server/grpc/service.h"
#include "spdlog/spdlog.h"
#include "tests/server/harness.h"
#include "tests/support/certificates.h"

namespace gist {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using Tls = client::ClientOptions::Tls;

class GrpcTlsTest : public PipelineTest {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { grpc_.reset(); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = files_ / name;
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  TlsFiles WritePair(const Identity& identity) {
    return {Write("cert.pem", identity.certificate),
            Write("key.pem", identity.key), ""};
  }
  void Serve(const TlsFiles& tls) {
    grpc_.reset();
    Start();
    metrics_ = std::make_unique<Metrics>();
    grpc_ = GrpcServer::Start({server().pipeline}, *metrics_,
                              {.listen = "127.0.0.1:0", .tls = tls})
                .value();
  }
  absl::StatusCode Call(const Tls& tls) {
    client::ClientOptions options;
    options.target = grpc_->address();
    options.timeout_seconds = 10;
    options.tls = tls;
    return client::GistClient(options).GetServerInfo().status().code();
  }
  Tls Believing(const TestAuthority& authority) {
    return {.enabled = true, .ca = authority.pem(), .cert = "", .key = ""};
  }
  Tls With(const TestAuthority& authority, const Identity& identity) {
    return {.enabled = true,
            .ca = authority.pem(),
            .cert = identity.certificate,
            .key = identity.key};
  }
  // Within ten seconds.
  bool Becomes(const Tls& tls, absl::StatusCode wanted) {
    for (int i = 0; i < 100; ++i) {
      if (Call(tls) == wanted) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }

  TempDir files_;
  const TestAuthority authority_{"authority"};
  const TestAuthority other_{"another authority"};
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<GrpcServer> grpc_;
};

TEST_F(GrpcTlsTest, WhoBelievesTheAuthorityGetsIn) {
  Serve(WritePair(authority_.Issue("gistd")));
  EXPECT_EQ(Call(Believing(authority_)), StatusCode::kOk);
  EXPECT_EQ(Call(Believing(other_)), StatusCode::kUnavailable);
  EXPECT_EQ(Call({}), StatusCode::kUnavailable);  // not encrypted
}

TEST_F(GrpcTlsTest, ClientsMustShowACertificateWhereItIsAsked) {
  TlsFiles files = WritePair(authority_.Issue("gistd"));
  files.client_ca = Write("clients.pem", other_.pem());
  Serve(files);
  EXPECT_EQ(Call(With(authority_, other_.Issue("ann"))), StatusCode::kOk);
  EXPECT_EQ(Call(Believing(authority_)), StatusCode::kUnavailable);
  EXPECT_EQ(Call(With(authority_, authority_.Issue("eve"))),
            StatusCode::kUnavailable);  // of another authority
  EXPECT_EQ(Call(With(authority_, other_.Issue("bob", /*days=*/-1))),
            StatusCode::kUnavailable);  // expired
}

TEST_F(GrpcTlsTest, ChangedFilesAreReadByARunningServer) {
  Serve(WritePair(authority_.Issue("gistd")));
  ASSERT_EQ(Call(Believing(authority_)), StatusCode::kOk);
  WritePair(other_.Issue("gistd"));
  EXPECT_TRUE(Becomes(Believing(other_), StatusCode::kOk));
  EXPECT_EQ(Call(Believing(authority_)), StatusCode::kUnavailable);
}

TEST_F(GrpcTlsTest, APairThatDoesNotFitIsPassedOver) {
  Serve(WritePair(authority_.Issue("gistd")));
  ASSERT_EQ(Call(Believing(authority_)), StatusCode::kOk);
  Write("key.pem", other_.Issue("gistd").key);  // half a change
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  EXPECT_EQ(Call(Believing(authority_)), StatusCode::kOk);
  Write("cert.pem", "no certificate");
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  EXPECT_EQ(Call(Believing(authority_)), StatusCode::kOk);
}

TEST_F(GrpcTlsTest, AChangedClientAuthorityIsReadToo) {
  TlsFiles files = WritePair(authority_.Issue("gistd"));
  files.client_ca = Write("clients.pem", authority_.pem());
  Serve(files);
  const Tls ann = With(authority_, authority_.Issue("ann"));
  const Tls bob = With(authority_, other_.Issue("bob"));
  ASSERT_EQ(Call(ann), StatusCode::kOk);
  ASSERT_EQ(Call(bob), StatusCode::kUnavailable);
  Write("clients.pem", other_.pem());
  EXPECT_TRUE(Becomes(bob, StatusCode::kOk));
  EXPECT_EQ(Call(ann), StatusCode::kUnavailable);
}

// One connection that speaks at most `version`; is the handshake done?
bool ShakesHands(const std::string& address, int version) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(
      SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), version);
  // Level 0 lets this side offer the old versions at all.
  SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");
  const unsigned char h2[] = "\x02h2";
  SSL_CTX_set_alpn_protos(context.get(), h2, 3);
  BIO* const bio = BIO_new_ssl_connect(context.get());
  BIO_set_conn_hostname(bio, address.c_str());
  const bool done = BIO_do_connect(bio) == 1 && BIO_do_handshake(bio) == 1;
  BIO_free_all(bio);
  return done;
}

TEST_F(GrpcTlsTest, NothingBelowTls12IsSpoken) {
  Serve(WritePair(authority_.Issue("gistd")));
  EXPECT_TRUE(ShakesHands(grpc_->address(), TLS1_3_VERSION));
  EXPECT_TRUE(ShakesHands(grpc_->address(), TLS1_2_VERSION));
  EXPECT_FALSE(ShakesHands(grpc_->address(), TLS1_1_VERSION));
  EXPECT_FALSE(ShakesHands(grpc_->address(), TLS1_VERSION));
}

TEST_F(GrpcTlsTest, FilesThatCannotWorkAreAClearError) {
  const Identity a = authority_.Issue("a"), b = authority_.Issue("b");
  TlsFiles files = WritePair(a);
  EXPECT_THAT(MakeServerCredentials(files), IsOk());
  files.client_ca = Write("clients.pem", "-----BEGIN CERTIFICATE-----\nzz");
  EXPECT_THAT(
      MakeServerCredentials(files).status(),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("--tls-client-ca")));
  files.client_ca = files_ / "none.pem";
  EXPECT_THAT(
      MakeServerCredentials(files).status(),
      StatusIs(StatusCode::kNotFound,
               AllOf(HasSubstr("--tls-client-ca"), HasSubstr("none.pem"))));
  files.client_ca.clear();
  Write("key.pem", b.key);
  EXPECT_THAT(MakeServerCredentials(files).status(),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("is not the certificate's")));
  Write("key.pem", "no key");
  EXPECT_THAT(MakeServerCredentials(files).status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("key file")));
}

TEST(CertificateTest, AFileOfSeveralIsReadToItsEnd) {
  const TestAuthority a("a"), b("b");
  EXPECT_THAT(CheckCertificates(a.pem() + b.pem()), IsOk());
  EXPECT_THAT(CheckCertificates(""), StatusIs(StatusCode::kInvalidArgument,
                                              HasSubstr("no certificate")));
  std::string broken = b.pem();
  broken[100] = '!';
  EXPECT_THAT(
      CheckCertificates(a.pem() + broken),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("does not parse")));
}

}  // namespace
}  // namespace gist
