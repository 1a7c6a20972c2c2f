// The seam of compression methods: how a document becomes CompressedKv.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/compress/compressed_kv.h"
#include "core/compress/representation.h"

namespace gist {

// One document that a method compresses. Its KV cache is freed with it. It
// keeps what it needs of its method alive. Not thread-safe.
class Compression {
 public:
  virtual ~Compression() = default;
  // Tokens of the document read so far; the shared prefix is not counted.
  virtual int tokens() const = 0;
  // Memory that the KV cache holds, room for growth included, in bytes.
  virtual int64_t kv_bytes() const = 0;
  // Appends tokens of the document. kOutOfRange: the model's context is full.
  virtual absl::Status Prefill(std::span<const int32_t> chunk) = 0;
  // The document's keys and values, in `spec.storage` or in kF32. It may be
  // called again, with another spec of the same rung, and after further tokens.
  virtual absl::StatusOr<CompressedKv> Finish(const CompressionSpec& spec) = 0;
};

// A way to compress. A method is constant. Document, model, spec, adapter and
// MethodVersion determine its result.
class CompressionMethod {
 public:
  virtual ~CompressionMethod() = default;
  // The name of its rung.
  virtual std::string_view name() const = 0;
  virtual absl::StatusOr<std::unique_ptr<Compression>> Begin() const = 0;
};

}  // namespace gist
