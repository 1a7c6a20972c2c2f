#include "core/base/identity.h"

#include <openssl/evp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "fmt/format.h"

namespace gist {
namespace {

// A digest, SHA-256 unless told otherwise, over what Add was given, in order.
// Borrows: a mapped file is read where it lies.
class Digest {
 public:
  explicit Digest(const EVP_MD* kind = EVP_sha256())
      : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    Check(context_ != nullptr &&
          EVP_DigestInit_ex(context_.get(), kind, nullptr) == 1);
  }

  Digest& Add(std::string_view bytes) {
    Check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
    return *this;
  }

  // Eight bytes, little-endian.
  Digest& AddNumber(uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = char(number >> (8 * i));
    return Add({bytes, sizeof(bytes)});
  }

  // With its length in front no two lists of fields feed the hash equal bytes.
  Digest& AddField(std::string_view field) {
    return AddNumber(field.size()).Add(field);
  }

  std::string Hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    Check(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1);
    std::string hex;
    for (unsigned int i = 0; i < size; ++i)
      hex += fmt::format("{:02x}", digest[i]);
    return hex;
  }

 private:
  // No input makes these calls fail, a broken OpenSSL does; without a hash
  // there is no name under which anything could be kept.
  static void Check(bool ok) {
    if (ok) return;
    std::fputs("gist: this OpenSSL computes no SHA-256 or SHA-1\n", stderr);
    std::abort();
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

bool IsLowerHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string Sha256Hex(std::string_view bytes) {
  return Digest().Add(bytes).Hex();
}

std::string GitBlobHex(std::string_view bytes) {
  const std::string header = fmt::format("blob {}", bytes.size());
  return Digest(EVP_sha1())
      .Add({header.c_str(), header.size() + 1})  // its NUL too
      .Add(bytes)
      .Hex();
}

std::string DocumentId(std::string_view tenant_salt, std::string_view text) {
  return Digest().AddField(tenant_salt).Add(text).Hex();
}

std::string ContextId(std::string_view document_id,
                      std::string_view model_fingerprint) {
  const std::string hash =
      Digest().AddField(document_id).AddField(model_fingerprint).Hex();
  return fmt::format("ctx_{}{}", document_id.substr(0, 8), hash.substr(0, 24));
}

std::string OldContextId(std::string_view document_id,
                         std::string_view model_fingerprint,
                         std::string_view adapter_fingerprint,
                         int gist_tokens) {
  const std::string key_hash = Digest()
                                   .AddField(document_id)
                                   .AddField(model_fingerprint)
                                   .AddField(adapter_fingerprint)
                                   .AddNumber(uint64_t(gist_tokens))
                                   .Hex();
  return "ctx_" + key_hash.substr(0, 32);
}

}  // namespace gist
