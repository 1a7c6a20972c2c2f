// Writes GGUF, for tests and fuzzers: whole files, and the pieces that a lying
// file is put together from.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/format/gguf.h"

namespace gist {

template <typename T>
std::string Raw(T number) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &number, sizeof(T));
  return bytes;
}

inline std::string RawString(std::string_view text) {
  return Raw(uint64_t{text.size()}) + std::string(text);
}

// GGUF's number of the value type that keeps all of a T.
template <typename T>
constexpr uint32_t kGgufValueType = std::is_same_v<T, bool>          ? 7
                                    : std::is_same_v<T, std::string> ? 8
                                    : std::is_same_v<T, uint64_t>    ? 10
                                    : std::is_same_v<T, int64_t>     ? 11
                                                                     : 12;

template <typename T>
std::string RawElement(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return RawString(value);
  } else {
    return Raw(value);
  }
}

// A value's type and the value.
template <typename T>
std::string RawScalar(const T& value) {
  return Raw(kGgufValueType<T>) + RawElement(value);
}
template <typename T>
std::string RawArray(const std::vector<T>& values) {
  std::string bytes =
      Raw(uint32_t{9}) + Raw(kGgufValueType<T>) + Raw(uint64_t{values.size()});
  // vector<bool> has no bool to refer to.
  for (const auto& value : values) bytes += RawElement<T>(value);
  return bytes;
}
inline std::string RawValue(const GgufValue& value) {
  return std::visit(
      []<typename T>(const T& held) {
        if constexpr (requires { typename T::value_type; } &&
                      !std::is_same_v<T, std::string>) {
          return RawArray(held);
        } else {
          return RawScalar(held);
        }
      },
      value);
}

// One tensor as the header lists it.
inline std::string RawTensorEntry(std::string_view name,
                                  const std::vector<int64_t>& dims,
                                  uint32_t type, uint64_t offset) {
  std::string bytes = RawString(name) + Raw(uint32_t(dims.size()));
  for (int64_t dim : dims) bytes += Raw(dim);
  return bytes + Raw(type) + Raw(offset);
}

inline void PadTo(uint64_t alignment, std::string& bytes) {
  bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
}

// What a GGUF file consists of; counts that are not set are the true ones.
struct GgufDraft {
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t alignment = 32;
  std::vector<std::string> keys;     // RawString(key) + RawValue(value)
  std::vector<std::string> tensors;  // RawTensorEntry
  std::string data;

  std::string Bytes() const { return Bytes(tensors.size(), keys.size()); }
  std::string Bytes(uint64_t tensor_count, uint64_t key_count) const {
    std::string bytes =
        magic + Raw(version) + Raw(tensor_count) + Raw(key_count);
    for (const std::string& key : keys) bytes += key;
    for (const std::string& tensor : tensors) bytes += tensor;
    if (!tensors.empty()) PadTo(alignment, bytes);
    return bytes + data;
  }
};

// A version 3 file with this content; `alignment` has to be what the key
// general.alignment says, or 32.
inline std::string WriteGguf(const std::map<std::string, GgufValue>& values,
                             const std::map<std::string, GgufTensor>& tensors,
                             uint64_t alignment) {
  GgufDraft draft;
  draft.alignment = alignment;
  for (const auto& [key, value] : values)
    draft.keys.push_back(RawString(key) + RawValue(value));
  for (const auto& [name, tensor] : tensors) {
    PadTo(alignment, draft.data);
    draft.tensors.push_back(RawTensorEntry(
        name, tensor.dims, uint32_t(tensor.type), draft.data.size()));
    draft.data += tensor.data;
  }
  return draft.Bytes();
}

}  // namespace gist
