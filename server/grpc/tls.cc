#include "server/grpc/tls.h"

#include <mutex>
#include <utility>

#include "core/base/certificate.h"
#include "core/base/status.h"
#include "grpc/grpc.h"
#include "grpc/grpc_security.h"
#include "server/scheduling/caller.h"
#include "server/support/file_io.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

constexpr std::chrono::seconds kLookAgain{1};

struct TlsTexts {
  std::string cert, key, client_ca;
};

absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsFiles& files) {
  TlsTexts texts;
  const std::pair<const char*, std::pair<const std::string&, std::string*>>
      wanted[] = {{"--tls-cert", {files.cert, &texts.cert}},
                  {"--tls-key", {files.key, &texts.key}},
                  {"--tls-client-ca", {files.client_ca, &texts.client_ca}}};
  for (const auto& [flag, file] : wanted) {
    if (file.first.empty()) continue;
    auto text = ReadStateFile(file.first);
    if (!text.ok()) return Within(flag, text.status());
    *file.second = *std::move(text);
  }
  GIST_RETURN_IF_ERROR(
      Within("--tls-cert and --tls-key", CheckKeyPair(texts.cert, texts.key)));
  if (files.client_ca.empty()) return texts;
  GIST_RETURN_IF_ERROR(
      Within("--tls-client-ca", CheckCertificates(texts.client_ca)));
  return texts;
}

// Asks for the files before each handshake.
class ReloadingCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReloadingCredentials(TlsFiles files) : files_(std::move(files)) {
    auto* const options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            files_.client_ca.empty()
                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
            &Fetch, this);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);
  }
  ~ReloadingCredentials() override {
    grpc_server_credentials_release(credentials_);
  }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address,
                      grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<ReloadingCredentials*>(self)->Look(config);
  }

  grpc_ssl_certificate_config_reload_status Look(
      grpc_ssl_server_certificate_config** config) {
    const std::scoped_lock lock(mutex_);
    const Clock::time_point now = Clock::now();
    if (now - looked_at_ < kLookAgain) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    looked_at_ = now;
    std::string stamp =
        fmt::format("{}|{}|{}", StampOfFile(files_.cert),
                    StampOfFile(files_.key), StampOfFile(files_.client_ca));
    if (stamp == stamp_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const bool is_first = stamp_.empty();
    stamp_ = std::move(stamp);
    const auto texts = ReadTlsFiles(files_);
    if (!texts.ok()) {
      SPDLOG_ERROR("tls kept_certificate={} error={:?}", !is_first,
                   Message(texts.status()));
      return is_first ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL
                      : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    if (!is_first) SPDLOG_INFO("tls certificate={:?} read again", files_.cert);
    const grpc_ssl_pem_key_cert_pair pair = {texts->key.c_str(),
                                             texts->cert.c_str()};
    // gRPC aborts without authorities; where no client is asked for a
    // certificate it does not use them.
    const std::string& authorities =
        texts->client_ca.empty() ? texts->cert : texts->client_ca;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(),
                                                        &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsFiles files_;
  grpc_server_credentials* credentials_ = nullptr;
  std::mutex mutex_;  // guards all below
  Clock::time_point looked_at_;
  std::string stamp_;  // of the files that were read last
};

}  // namespace

absl::Status CheckTlsFiles(const TlsFiles& files) {
  if (files.cert.empty()) return absl::OkStatus();
  return ReadTlsFiles(files).status();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsFiles& files) {
  if (files.cert.empty()) return grpc::InsecureServerCredentials();
  GIST_RETURN_IF_ERROR(CheckTlsFiles(files));
  return std::make_shared<ReloadingCredentials>(files);
}

}  // namespace gist
