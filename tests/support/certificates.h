// Certificates of a test's own, made on the spot.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace gist {

struct Identity {
  std::string certificate;  // PEM
  std::string key;          // PEM, without a password
};

// An authority that signs certificates for this machine (127.0.0.1 and
// localhost), as a server or as a client shows them.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  // `days`: until it is over; negative: it was over then.
  Identity Issue(const std::string& name, int days = 1) const;
  const std::string& pem() const { return pem_; }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
  Key key_;
  Certificate certificate_;
  std::string pem_;
};

}  // namespace gist
