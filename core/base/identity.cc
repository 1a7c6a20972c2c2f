#include "core/base/identity.h"

#include <openssl/evp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "fmt/format.h"

namespace gist {
namespace {

// SHA-256 over what Add was given, in order. Borrows: a mapped file is read
// where it lies.
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    Check(context_ != nullptr &&
          EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }

  Sha256& Add(std::string_view bytes) {
    Check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
    return *this;
  }

  // Eight bytes, little-endian.
  Sha256& AddNumber(uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = char(number >> (8 * i));
    return Add({bytes, sizeof(bytes)});
  }

  // With its length in front no two lists of fields feed the hash equal bytes.
  Sha256& AddField(std::string_view field) {
    return AddNumber(field.size()).Add(field);
  }

  std::string Hex() {
    unsigned char digest[32];
    Check(EVP_DigestFinal_ex(context_.get(), digest, nullptr) == 1);
    std::string hex;
    for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
    return hex;
  }

 private:
  // No input makes these calls fail, a broken OpenSSL does; without a hash
  // there is no name under which anything could be kept.
  static void Check(bool ok) {
    if (ok) return;
    std::fputs("gist: this OpenSSL computes no SHA-256\n", stderr);
    std::abort();
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

bool IsLowerHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string Sha256Hex(std::string_view bytes) {
  return Sha256().Add(bytes).Hex();
}

std::string DocumentId(std::string_view tenant_salt, std::string_view text) {
  return Sha256().AddField(tenant_salt).Add(text).Hex();
}

std::string ContextId(std::string_view document_id,
                      std::string_view model_fingerprint) {
  const std::string hash =
      Sha256().AddField(document_id).AddField(model_fingerprint).Hex();
  return fmt::format("ctx_{}{}", document_id.substr(0, 8), hash.substr(0, 24));
}

std::string OldContextId(std::string_view document_id,
                         std::string_view model_fingerprint,
                         std::string_view adapter_fingerprint,
                         int gist_tokens) {
  const std::string key_hash = Sha256()
                                   .AddField(document_id)
                                   .AddField(model_fingerprint)
                                   .AddField(adapter_fingerprint)
                                   .AddNumber(uint64_t(gist_tokens))
                                   .Hex();
  return "ctx_" + key_hash.substr(0, 32);
}

}  // namespace gist
