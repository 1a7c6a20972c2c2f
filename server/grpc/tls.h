// TLS of the gRPC port.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"

namespace gist {

// PEM files; `cert` empty: no TLS.
struct TlsFiles {
  std::string cert;       // the chain, the server's own certificate first
  std::string key;        // its private key, without a password
  std::string client_ca;  // whose certificates clients must show; empty: none
};

// kNotFound, kInvalidArgument: a file, with its flag.
absl::Status CheckTlsFiles(const TlsFiles& files);

// TLS 1.2 or 1.3. Files that change are read again at the next connection, a
// second later at the latest. Files that do not work are logged once, and what
// was there before them stays. gRPC's own FileWatcherCertificateProvider (1.51)
// is not used: with a key and a certificate that do not fit, as half a renewal
// leaves them, it refuses all new connections. The credentials outlive the
// server. What CheckTlsFiles says.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsFiles& files);

}  // namespace gist
