#include "core/base/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace gist {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Open(std::string_view pem) {
  return {BIO_new_mem_buf(pem.data(), int(pem.size())), &BIO_free};
}

// Null: there is none, or it does not parse. Encrypted keys are not asked for
// their password: that would wait at a terminal.
Certificate NextCertificate(BIO* bio) {
  Certificate next(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr),
                   &X509_free);
  return next;
}

int NoPassword(char*, int, int, void*) { return -1; }

}  // namespace

absl::Status CheckKeyPair(std::string_view chain, std::string_view key) {
  const Bio chain_bio = Open(chain), key_bio = Open(key);
  const Certificate leaf = NextCertificate(chain_bio.get());
  const Key private_key(
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, &NoPassword, nullptr),
      &EVP_PKEY_free);
  const bool fits = leaf != nullptr && private_key != nullptr &&
                    X509_check_private_key(leaf.get(), private_key.get()) == 1;
  ERR_clear_error();
  if (leaf == nullptr) {
    return absl::InvalidArgumentError(
        "the certificate file has no certificate in PEM");
  }
  if (private_key == nullptr) {
    return absl::InvalidArgumentError(
        "the key file has no private key in PEM, or one with a password");
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the private key is not the certificate's: they belong to two pairs");
}

absl::Status CheckCertificates(std::string_view pem) {
  const Bio bio = Open(pem);
  int certificates = 0;
  while (NextCertificate(bio.get()) != nullptr) ++certificates;
  const bool at_end =
      ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates > 0 && at_end) return absl::OkStatus();
  return absl::InvalidArgumentError(
      certificates == 0 ? "the file has no certificate in PEM"
                        : "a certificate in the file does not parse");
}

}  // namespace gist
