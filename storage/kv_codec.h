// A blob: a context's record, keys and values of its representations, and in
// exported files the document. A valid safetensors file; FORMAT.md gives the
// bytes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/compress/compressed_kv.h"
#include "storage/gist_store.h"

namespace gist {

struct KvBlob {
  ContextRecord record;
  std::vector<CompressedKv> kv;  // of record.representations, in order
  std::string text;  // the document; only in exported files, else empty
};

// Version 2. Sets kv_slots and kv_bytes of the representations. Equal blobs
// give equal bytes. kInvalidArgument: numbers that are not finite, sizes that
// do not fit the data, ids that do not fit each other.
absl::StatusOr<std::string> EncodeKvBlob(ContextRecord record,
                                         std::span<const CompressedKv> kv,
                                         std::string_view text = {});
absl::StatusOr<std::string> EncodeKvBlob(const KvBlob& blob);

// Versions 1 and 2. kDataLoss: truncated, bit-flipped, oversized, or not a blob
// at all; the message says what was found and what was wanted. Allocates no
// more than the input's size times a small constant, whatever the header
// claims. kFailedPrecondition: a whole file of a newer format version, or one
// with a rung or storage type that only a newer gistd knows.
absl::StatusOr<KvBlob> DecodeKvBlob(std::string_view bytes);

// kFailedPrecondition unless `record` was made by the model with
// `model_fingerprint`.
absl::Status CheckModel(const ContextRecord& record,
                        std::string_view model_fingerprint);

}  // namespace gist
