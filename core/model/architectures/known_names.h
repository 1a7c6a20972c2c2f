// The metadata keys of a model file that are understood.
#pragma once

#include "absl/status/status.h"
#include "core/format/gguf.h"
#include "core/model/architectures/architecture.h"

namespace gist {

// Our own key: the order of query and key rows, where a file's differs from its
// architecture's. "halves" or "interleaved", see RopeOrder.
inline constexpr char kRopeOrderKey[] = "gist.rope_order";

// OK: each key of the architecture (its prefix, a dot) is read, changes
// nothing, or has the one supported value. Keys of other prefixes pass
// (general, tokenizer, quantize, split and those of tools). kUnimplemented
// names the key and says what is wanted.
absl::Status CheckKeys(const Gguf& file, const Architecture& architecture);

}  // namespace gist
