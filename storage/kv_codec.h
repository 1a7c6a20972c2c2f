// A gist blob: GistKv and where it comes from, as a valid safetensors file.
// FORMAT.md gives the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/gist_kv.h"
#include "storage/gist_store.h"

namespace gist {

struct GistBlob {
  ContextRecord record;
  GistKv gists;
  std::string text;  // the document; only in exported files, else empty
};

// Keys and values as F16; BF16 if a value leaves F16's range (over 65,504); F32
// if one leaves BF16's. Equal blobs give equal bytes. kInvalidArgument: NaN,
// infinity, sizes that do not match the data, ids that do not match each other.
absl::StatusOr<std::string> EncodeGistBlob(const GistBlob& blob);

// kDataLoss: truncated, bit-flipped, oversized, or not a gist blob at all; the
// message says what was found and what was wanted. Allocates no more than the
// input's size times a small constant, whatever the header claims.
// kFailedPrecondition: a whole file of a newer format version.
absl::StatusOr<GistBlob> DecodeGistBlob(std::string_view bytes);

// Bytes of keys and values in the blob of `gists`: ContextRecord.kv_bytes.
int64_t BlobKvBytes(const GistKv& gists);

// kFailedPrecondition unless `record` was made by the model with
// `model_fingerprint`.
absl::Status CheckModel(const ContextRecord& record,
                        std::string_view model_fingerprint);

}  // namespace gist
