// safetensors: named tensors behind a JSON header.
// Source: github.com/huggingface/safetensors#format.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

enum class TensorType { kF32, kF16, kBf16, kU8, kI8, kU32 };

struct SafeTensor {
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  std::string_view data;  // little-endian, row-major
  int64_t Elements() const;
};

// `metadata` is the file's __metadata__: string to string.
struct SafeTensors {
  std::map<std::string, std::string> metadata;
  std::map<std::string, SafeTensor> tensors;
};

// Tensors of other dtypes than TensorType's: an error, or as if not there.
enum class OtherTypes { kRefuse, kLeaveOut };

// Borrows `bytes`. kDataLoss: header longer than the file or than 100 MB, not
// JSON, offsets that overlap, leave gaps or leave the file, a shape that does
// not match its bytes, duplicate names. kUnimplemented: another dtype, named.
absl::StatusOr<SafeTensors> ParseSafeTensors(
    std::string_view bytes, OtherTypes other_types = OtherTypes::kRefuse);

// The header is padded with spaces to a multiple of 8 bytes; tensors of wide
// elements come first, so that each is aligned. Names and metadata are UTF-8
// (what is not becomes U+FFFD); each tensor's data is as long as its shape asks
// for, and none is called __metadata__.
std::string WriteSafeTensors(const SafeTensors& file);

int TensorTypeBytes(TensorType type);
// Writes tensor.Elements() floats; integers as their numbers.
void ToFloats(const SafeTensor& tensor, float* out);

}  // namespace gist
