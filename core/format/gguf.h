// GGUF: the metadata and tensors of a model file.
// Source: github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 2 and 3,
// little-endian).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "core/format/ggml_type.h"

namespace gist {

struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::kF32;
  // 1 to 4, each at least 1. As in the file: dims[0] is the fastest, so a
  // [rows, columns] matrix has dims {columns, rows}. Blocks lie along dims[0].
  std::vector<int64_t> dims;
  std::string_view data;  // into the bytes that were parsed
  int64_t Elements() const;
};

using GgufValue = std::variant<bool, int64_t, uint64_t, double, std::string,
                               std::vector<bool>, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;

// Borrows the bytes it was parsed from; takes memory in proportion to its
// metadata, whatever the counts in it say. A header that lies (counts, lengths,
// offsets, overlong strings) is kDataLoss with what, got, wanted; a tensor type
// that is not supported is kUnimplemented and names the tensor, its type and
// the supported ones, as are other versions and arrays of arrays.
class Gguf {
 public:
  static absl::StatusOr<Gguf> Parse(std::string_view bytes);
  // From parts of any origin. Each tensor stands under its name, has dims that
  // are a multiple of its blocks, and data of the size that they ask for.
  static Gguf FromParts(std::map<std::string, GgufValue> values,
                        std::map<std::string, GgufTensor> tensors);

  // kNotFound names the key; kDataLoss: the key has another type.
  absl::StatusOr<std::string> String(const std::string& key) const;
  absl::StatusOr<bool> Bool(const std::string& key) const;
  absl::StatusOr<int64_t> Int(const std::string& key) const;
  absl::StatusOr<double> Float(const std::string& key) const;  // ints too
  absl::StatusOr<std::vector<std::string>> Strings(
      const std::string& key) const;
  absl::StatusOr<std::vector<int64_t>> Ints(const std::string& key) const;
  bool Has(const std::string& key) const { return values_.contains(key); }
  // Integers of up to 32 bits and int64 are int64_t, uint64 stays what it is
  // (in arrays it has to fit int64_t).
  const std::map<std::string, GgufValue>& values() const { return values_; }

  // kNotFound names the tensor.
  absl::StatusOr<const GgufTensor*> Tensor(const std::string& name) const;
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

 private:
  std::map<std::string, GgufValue> values_;
  std::map<std::string, GgufTensor> tensors_;
};

// Writes `elements` floats, a multiple of the type's block, from their blocks
// at `data`. Equal bit for bit to PyPI's gguf (gguf.quants.dequantize).
void Dequantize(GgmlType type, const char* data, int64_t elements, float* out);
// Writes tensor.Elements() floats.
void Dequantize(const GgufTensor& tensor, float* out);

}  // namespace gist
