// A gist blob: GistKv and where it comes from, as a valid safetensors file.
// FORMAT.md gives the bytes.
#pragma once

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

// Keys and values as F16; BF16 where a value leaves F16's range (over 65,504);
// F32 where one is not representable in BF16's range. kInvalidArgument: NaN,
// infinity, or sizes that do not match the data.
absl::StatusOr<std::string> EncodeGistBlob(const GistBlob& blob);

// kDataLoss: truncated, bit-flipped, oversized, or not a gist blob at all; the
// message says what was found and what was wanted. Allocates no more than the
// input's size times a small constant, whatever the header claims.
absl::StatusOr<GistBlob> DecodeGistBlob(std::string_view bytes);

// kFailedPrecondition unless `blob` was made by the model with
// `model_fingerprint`.
absl::Status CheckModel(const ContextRecord& record,
                        std::string_view model_fingerprint);

}  // namespace gist
