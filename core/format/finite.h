// Numbers that are neither infinite nor NaN.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/format/gguf.h"

namespace gist {

// Where the first number stands that is infinite or NaN; none: no value.
std::optional<int64_t> FirstNonFinite(std::span<const float> values);
// Likewise, of the elements that Dequantize gives; of a block, its first one.
// Reads scales and minima alone: the integers of a block are always finite.
std::optional<int64_t> FirstNonFinite(const GgufTensor& tensor);

}  // namespace gist
