// The names of a document's representations, from cheap to dear.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/compress/compressed_kv.h"

namespace gist {

// kRestored and kSelected are reserved names: nothing makes them yet.
enum class Rung { kGist, kRestored, kSelected, kFull };

// "gist", "restored", "selected", "full".
std::string_view RungName(Rung rung);
std::optional<Rung> ParseRung(std::string_view name);

// The version of the method that makes a rung here, 1 or more. It is higher
// once other keys and values come of the same document, model, adapter and
// CompressionSpec.
int MethodVersion(Rung rung);

// One way to compress a document.
struct CompressionSpec {
  Rung rung = Rung::kGist;
  int gist_tokens = 0;  // of kGist; 0: the adapter's default
  int ratio = 0;        // of the other rungs, tokens a slot; 1 for kFull
  KvStorage storage = KvStorage::kF16;
  friend bool operator==(const CompressionSpec&,
                         const CompressionSpec&) = default;
};

// One stored form of a context: how it was made and what it takes.
struct Representation {
  Rung rung = Rung::kGist;
  int gist_tokens = 0;                   // of kGist
  int ratio = 0;                         // of the other rungs
  KvStorage storage = KvStorage::kF16;   // as asked for; kF16 may hold wider
                                         // numbers where the range needs it
  int method_version = 1;                // MethodVersion of its maker
  std::string adapter_fingerprint = {};  // 64 hex digits; empty: none was used
  int64_t kv_slots = 0;  // of one layer and KV head, mean, rounded up
  int64_t kv_bytes = 0;  // CompressedKv::Bytes
  int64_t created_unix_ms = 0;
  double build_seconds = 0;  // wall time of the computation
  bool imported = false;     // came from a file, was not computed here
  friend bool operator==(const Representation&,
                         const Representation&) = default;
};

// What tells a context's representations apart: rung, number of gists or ratio,
// storage, adapter fingerprint; as "gist/10/f16/64 hex digits".
std::string RepresentationKey(const Representation& representation);

// OK: the method here would make the same. kFailedPrecondition names both
// versions and what to do.
absl::Status CheckMethodVersion(const Representation& representation);

// Sets kv_slots and kv_bytes to those of `kv`.
void SetSizes(const CompressedKv& kv, Representation& representation);

// What keeps `kv` from being the keys and values of `representation`, sizes
// included; empty: nothing.
std::string RepresentationProblem(const Representation& representation,
                                  const CompressedKv& kv);

}  // namespace gist
