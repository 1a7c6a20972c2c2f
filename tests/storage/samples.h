// Small contexts for the tests of storage/.
#pragma once

#include <string>
#include <string_view>

#include "core/base/identity.h"
#include "storage/gist_store.h"
#include "storage/kv_codec.h"

namespace gist {

inline constexpr char kSampleText[] = "The key of the blue door is 7316.";

// Shape [2, 1, gist_tokens, 4]; every value is exact in F16.
inline GistKv SampleGists(int gist_tokens = 2) {
  GistKv gists{.layers = 2,
               .kv_heads = 1,
               .gist_tokens = gist_tokens,
               .head_dim = 4,
               .keys = {},
               .values = {}};
  for (size_t i = 0; i < gists.Elements(); ++i) {
    gists.keys.push_back(float(i) * 0.25f - 1.0f);
    gists.values.push_back(2.0f - float(i) * 0.5f);
  }
  return gists;
}

// Of `text` at `gist_tokens`, as Put stores it with SampleGists.
inline ContextRecord SampleRecord(std::string_view text = kSampleText,
                                  int gist_tokens = 2) {
  ContextRecord record{
      .context_id = {},
      .document_id = DocumentId("", text),
      .model_fingerprint = Sha256Hex("model"),
      .adapter_fingerprint = Sha256Hex("adapter"),
      .document_bytes = int64_t(text.size()),
      .document_tokens = 11,
      .gist_tokens = gist_tokens,
      .kv_bytes = BlobKvBytes(SampleGists(gist_tokens)),
      .created_unix_ms = 1'700'000'000'123,
      .compress_seconds = 0.1,
      .imported = false,
  };
  record.context_id = ContextId(record.document_id, record.model_fingerprint,
                                record.adapter_fingerprint, record.gist_tokens);
  return record;
}

inline GistBlob SampleBlob() {
  return {SampleRecord(), SampleGists(), /*text=*/""};
}

}  // namespace gist
