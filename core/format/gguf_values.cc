#include "core/format/gguf_values.h"

#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/status.h"

namespace gist {
namespace {

constexpr uint32_t kArrayType = 9;
constexpr size_t kMaxKeyBytes = 65535;  // the format's own limit

template <typename T>
constexpr size_t kMinBytes = sizeof(T);
template <>
constexpr size_t kMinBytes<std::string> = 8;

// What a value of the file's type T is kept as, alone and in an array.
template <typename T>
using Element = std::conditional_t<
    std::is_same_v<T, bool> || std::is_same_v<T, std::string>, T,
    std::conditional_t<std::is_floating_point_v<T>, double, int64_t>>;
template <typename T>
using Scalar =
    std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, Element<T>>;

template <typename T>
absl::StatusOr<T> ReadValue(GgufReader& reader) {
  if constexpr (std::is_same_v<T, std::string>) {
    return reader.String("a string");
  } else if constexpr (std::is_same_v<T, bool>) {
    GIST_ASSIGN_OR_RETURN(const auto byte, reader.Number<uint8_t>("a bool"));
    if (byte <= 1) return byte == 1;
    return absl::DataLossError(
        fmt::format("gguf: a bool at byte {} is {}, want 0 or 1",
                    reader.offset() - 1, byte));
  } else {
    return reader.Number<T>("a number");
  }
}

template <typename T>
absl::StatusOr<GgufValue> ReadScalar(GgufReader& reader) {
  GIST_ASSIGN_OR_RETURN(T value, ReadValue<T>(reader));
  return GgufValue(Scalar<T>(std::move(value)));
}

template <typename T>
absl::StatusOr<GgufValue> ReadElements(GgufReader& reader, uint64_t count) {
  GIST_RETURN_IF_ERROR(
      reader.RequireRoom(count, kMinBytes<T>, "an array's length"));
  std::vector<Element<T>> elements;
  elements.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    GIST_ASSIGN_OR_RETURN(T value, ReadValue<T>(reader));
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (!std::in_range<int64_t>(value)) {
        return absl::DataLossError(fmt::format(
            "gguf: element {} of an array is {}, want at most 2^63 - 1", i,
            value));
      }
    }
    elements.push_back(Element<T>(std::move(value)));
  }
  return GgufValue(std::move(elements));
}

// Calls `read` with a std::type_identity of the C++ type of the value type
// `type`.
template <typename Read>
absl::StatusOr<GgufValue> WithType(uint32_t type, Read read) {
  switch (type) {
    case 0:
      return read(std::type_identity<uint8_t>());
    case 1:
      return read(std::type_identity<int8_t>());
    case 2:
      return read(std::type_identity<uint16_t>());
    case 3:
      return read(std::type_identity<int16_t>());
    case 4:
      return read(std::type_identity<uint32_t>());
    case 5:
      return read(std::type_identity<int32_t>());
    case 6:
      return read(std::type_identity<float>());
    case 7:
      return read(std::type_identity<bool>());
    case 8:
      return read(std::type_identity<std::string>());
    case 10:
      return read(std::type_identity<uint64_t>());
    case 11:
      return read(std::type_identity<int64_t>());
    case 12:
      return read(std::type_identity<double>());
  }
  return absl::DataLossError(
      fmt::format("gguf: value type {}, want 0 to 12", type));
}

absl::StatusOr<GgufValue> ReadArray(GgufReader& reader) {
  GIST_ASSIGN_OR_RETURN(const auto type,
                        reader.Number<uint32_t>("an array's type"));
  GIST_ASSIGN_OR_RETURN(const auto count,
                        reader.Number<uint64_t>("an array's length"));
  if (type == kArrayType)
    return absl::UnimplementedError("gguf: arrays of arrays are not supported");
  return WithType(type, [&]<typename T>(std::type_identity<T>) {
    return ReadElements<T>(reader, count);
  });
}

absl::StatusOr<GgufValue> ReadTypedValue(GgufReader& reader) {
  GIST_ASSIGN_OR_RETURN(const auto type,
                        reader.Number<uint32_t>("a value's type"));
  if (type == kArrayType) return ReadArray(reader);
  return WithType(type, [&]<typename T>(std::type_identity<T>) {
    return ReadScalar<T>(reader);
  });
}

}  // namespace

absl::Status ReadGgufKeyValue(GgufReader& reader,
                              std::map<std::string, GgufValue>& values) {
  GIST_ASSIGN_OR_RETURN(std::string key, reader.String("a key"));
  if (key.size() > kMaxKeyBytes) {
    return absl::DataLossError(fmt::format(
        "gguf: a key of {} B, want at most {}", key.size(), kMaxKeyBytes));
  }
  absl::StatusOr<GgufValue> value = ReadTypedValue(reader);
  if (!value.ok()) {
    return absl::Status(
        value.status().code(),
        fmt::format("{} (in key {:?})", Message(value.status()), key));
  }
  const auto [position, fresh] =
      values.emplace(std::move(key), *std::move(value));
  if (fresh) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("gguf: key {:?} occurs twice", position->first));
}

}  // namespace gist
