// Small contexts for the tests of storage/.
#pragma once

#include <string>
#include <string_view>

#include "core/base/identity.h"
#include "core/compress/compressed_kv.h"
#include "storage/gist_store.h"
#include "storage/kv_codec.h"

namespace gist {

inline constexpr char kSampleText[] = "The key of the blue door is 7316.";

// Shape [2, 1, gist_tokens, 4] in F16; every number is exact.
inline CompressedKv SampleGists(int gist_tokens = 2) {
  GistKv gists{
      .layers = 2, .kv_heads = 1, .gist_tokens = gist_tokens, .head_dim = 4};
  for (size_t i = 0; i < gists.Elements(); ++i) {
    gists.keys.push_back(float(i) * 0.25f - 1.0f);
    gists.values.push_back(2.0f - float(i) * 0.5f);
  }
  return InStorage(FromDense(gists), KvStorage::kF16).value();
}

// As of 11 tokens, in I8; layer 1 lacks the last slot, so that it is ragged.
inline CompressedKv SampleFull() {
  CompressedKv kv{.layers = 2, .kv_heads = 1, .head_dim = 4};
  kv.first_slot = {0, 11, 21};
  for (uint32_t slot = 0; slot < 21; ++slot) {
    kv.positions.push_back(slot % 11);
    for (int dim = 0; dim < 4; ++dim) {
      const float numbers[] = {float(slot) - float(dim) * 3,
                               float(slot * 7 % 5) - 2};
      const auto* const bytes = reinterpret_cast<const char*>(numbers);
      kv.keys.append(bytes, 4);
      kv.values.append(bytes + 4, 4);
    }
  }
  return InStorage(kv, KvStorage::kI8).value();
}

inline Representation SampleGistForm(int gist_tokens = 2) {
  Representation form{.rung = Rung::kGist,
                      .gist_tokens = gist_tokens,
                      .storage = KvStorage::kF16,
                      .adapter_fingerprint = Sha256Hex("adapter"),
                      .created_unix_ms = 1'700'000'000'123,
                      .build_seconds = 0.1};
  SetSizes(SampleGists(gist_tokens), form);
  return form;
}

inline Representation SampleFullForm() {
  Representation form{.rung = Rung::kFull,
                      .ratio = 1,
                      .storage = KvStorage::kI8,
                      .created_unix_ms = 1'700'000'000'456,
                      .build_seconds = 0.2};
  SetSizes(SampleFull(), form);
  return form;
}

// Of `text` with one representation, as Put stores it with SampleGists. Several
// models make several contexts of one document.
inline ContextRecord SampleRecord(std::string_view text = kSampleText,
                                  int gist_tokens = 2,
                                  std::string_view model = "model") {
  ContextRecord record{
      .context_id = {},
      .document_id = DocumentId("", text),
      .model_fingerprint = Sha256Hex(model),
      .document_bytes = int64_t(text.size()),
      .document_tokens = 11,
      .created_unix_ms = 1'700'000'000'123,
      .representations = {SampleGistForm(gist_tokens)},
  };
  record.context_id = ContextId(record.document_id, record.model_fingerprint);
  return record;
}

// The same under the id that a gistd before database version 3 gave.
inline ContextRecord OldSampleRecord(std::string_view text = kSampleText,
                                     int gist_tokens = 2) {
  ContextRecord record = SampleRecord(text, gist_tokens);
  record.context_id = OldContextId(record.document_id, record.model_fingerprint,
                                   Sha256Hex("adapter"), gist_tokens);
  return record;
}

inline KvBlob SampleBlob() {
  return {SampleRecord(), {SampleGists()}, /*text=*/""};
}

// Gists and a full representation.
inline KvBlob SampleBlobOfTwo() {
  KvBlob blob{SampleRecord(), {SampleGists(), SampleFull()}, kSampleText};
  blob.record.representations.push_back(SampleFullForm());
  return blob;
}

}  // namespace gist
