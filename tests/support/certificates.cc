#include "tests/support/certificates.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>

namespace gist {
namespace {

void Check(bool ok) {
  if (!ok) throw std::runtime_error("OpenSSL made no certificate");
}

template <typename Write>
std::string ToPem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()),
                                                      &BIO_free);
  Check(write(bio.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, size_t(size));
}

void AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  Check(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

constexpr long kDay = 24 * 3600;

// Named and timed, not signed.
X509* Draft(const std::string& name, EVP_PKEY* key, int days) {
  static std::atomic<long> serial = 1;
  X509* const certificate = X509_new();
  Check(certificate != nullptr);
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -400 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), days * kDay);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(
      X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name)
    : key_(EVP_EC_gen("P-256"), &EVP_PKEY_free),
      certificate_(Draft(name, key_.get(), 10), &X509_free) {
  X509* const own = certificate_.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  AddExtension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(own, own, NID_key_usage, "critical,keyCertSign");
  Check(X509_sign(own, key_.get(), EVP_sha256()) > 0);
  pem_ = ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, own); });
}

Identity TestAuthority::Issue(const std::string& name, int days) const {
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Certificate made(Draft(name, key.get(), days), &X509_free);
  X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(made.get(), certificate_.get(), NID_subject_alt_name,
               "IP:127.0.0.1,DNS:localhost");
  Check(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0);
  return {ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, made.get()); }),
          ToPem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0,
                                            nullptr, nullptr);
          })};
}

}  // namespace gist
