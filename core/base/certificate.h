// Certificates in PEM, looked at before a server or client relies on them.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace gist {

// `chain`: the certificate first. kInvalidArgument: no certificate, no private
// key, or the key is another certificate's.
absl::Status CheckKeyPair(std::string_view chain, std::string_view key);

// kInvalidArgument: not one certificate in it, or one that does not parse.
absl::Status CheckCertificates(std::string_view pem);

}  // namespace gist
