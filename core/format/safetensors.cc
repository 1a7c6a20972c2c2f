#include "core/format/safetensors.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <optional>
#include <utility>

#include "core/base/float16.h"
#include "core/base/status.h"
#include "core/format/safetensors_header.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kLengthBytes = 8;

struct TypeName {
  TensorType type;
  std::string_view name;
};
constexpr TypeName kTypeNames[] = {
    {TensorType::kF32, "F32"},   {TensorType::kF16, "F16"},
    {TensorType::kBf16, "BF16"}, {TensorType::kU8, "U8"},
    {TensorType::kI8, "I8"},     {TensorType::kU32, "U32"}};

std::string_view NameOf(TensorType type) {
  return std::ranges::find(kTypeNames, type, &TypeName::type)->name;
}

absl::Status SafetensorsError(const std::string& name,
                              std::string_view problem) {
  return absl::DataLossError(
      fmt::format("safetensors: tensor {:?}: {}", Shown(name), problem));
}

absl::StatusOr<std::string_view> HeaderJson(std::string_view bytes) {
  if (bytes.size() < kLengthBytes) {
    return absl::DataLossError(fmt::format(
        "safetensors: {} B, want at least the header's length of {} B",
        bytes.size(), kLengthBytes));
  }
  uint64_t size;
  std::memcpy(&size, bytes.data(), kLengthBytes);
  const uint64_t limit =
      std::min<uint64_t>(kMaxHeaderBytes, bytes.size() - kLengthBytes);
  if (size > limit) {
    return absl::DataLossError(fmt::format(
        "safetensors: a header of {} B, want at most {}: the file is truncated "
        "or no safetensors file",
        size, limit));
  }
  const std::string_view json = bytes.substr(kLengthBytes, size);
  if (json.starts_with('{')) return json;
  return absl::DataLossError("safetensors: the header starts without '{'");
}

absl::StatusOr<TensorType> TypeOf(const std::string& name,
                                  const std::string& dtype) {
  const auto found = std::ranges::find(kTypeNames, dtype, &TypeName::name);
  if (found != std::end(kTypeNames)) return found->type;
  return absl::UnimplementedError(
      fmt::format("safetensors: tensor {:?} has dtype {:?}, supported are F32, "
                  "F16, BF16, U8, I8, U32",
                  Shown(name), Shown(dtype)));
}

// No value where the bytes do not fit 63 bits.
std::optional<int64_t> BytesOf(const std::vector<int64_t>& shape,
                               TensorType type) {
  int64_t bytes = TensorTypeBytes(type);
  for (int64_t dim : shape) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) return std::nullopt;
  }
  return bytes;
}

// "2, 3"
std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (int64_t dim : shape)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", dim);
  return text;
}

absl::StatusOr<SafeTensor> MakeTensor(const std::string& name,
                                      const SafeTensorsEntry& entry,
                                      std::string_view data) {
  SafeTensor tensor;
  GIST_ASSIGN_OR_RETURN(tensor.type, TypeOf(name, entry.dtype));
  tensor.shape = entry.shape;
  if (entry.begin > entry.end || entry.end > data.size()) {
    return SafetensorsError(
        name, fmt::format("offsets {} to {}, want rising ones in the "
                          "{} B that follow the header",
                          entry.begin, entry.end, data.size()));
  }
  tensor.data = data.substr(entry.begin, entry.end - entry.begin);
  const std::optional<int64_t> bytes = BytesOf(tensor.shape, tensor.type);
  if (bytes && uint64_t(*bytes) == tensor.data.size()) return tensor;
  return SafetensorsError(
      name, fmt::format("{} B of data, but its {} shape [{}] asks for {}",
                        tensor.data.size(), NameOf(tensor.type),
                        ShapeText(tensor.shape),
                        bytes ? fmt::format("{}", *bytes) : "over 2^63"));
}

// The tensors' data lie one behind the other and fill the file.
absl::Status CheckLayout(const SafeTensorsHeader& header, uint64_t data_bytes) {
  std::vector<std::pair<SafeTensorsEntry, std::string>> order;
  for (const auto& [name, entry] : header.entries)
    order.emplace_back(entry, name);
  std::ranges::sort(order, {}, [](const auto& item) {
    return std::pair(item.first.begin, item.first.end);
  });
  uint64_t end = 0;
  for (const auto& [entry, name] : order) {
    if (entry.begin != end) {
      return SafetensorsError(name,
                              fmt::format("starts at {}, want {}: offsets "
                                          "overlap or leave a gap",
                                          entry.begin, end));
    }
    end = entry.end;
  }
  if (end == data_bytes) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("safetensors: the tensors end at {}, want {}, the file's end",
                  end, data_bytes));
}

}  // namespace

int64_t SafeTensor::Elements() const {
  int64_t elements = 1;
  for (int64_t dim : shape) elements *= dim;
  return elements;
}

absl::StatusOr<SafeTensors> ParseSafeTensors(std::string_view bytes,
                                             OtherTypes other_types) {
  GIST_ASSIGN_OR_RETURN(const std::string_view json, HeaderJson(bytes));
  GIST_ASSIGN_OR_RETURN(SafeTensorsHeader header, ParseSafeTensorsHeader(json));
  const std::string_view data = bytes.substr(kLengthBytes + json.size());
  SafeTensors file;
  for (const auto& [name, entry] : header.entries) {
    if (other_types == OtherTypes::kLeaveOut &&
        absl::IsUnimplemented(TypeOf(name, entry.dtype).status())) {
      continue;
    }
    GIST_ASSIGN_OR_RETURN(SafeTensor tensor, MakeTensor(name, entry, data));
    file.tensors.emplace(name, std::move(tensor));
  }
  GIST_RETURN_IF_ERROR(CheckLayout(header, data.size()));
  file.metadata = std::move(header.metadata);
  return file;
}

std::string WriteSafeTensors(const SafeTensors& file) {
  using Json = nlohmann::ordered_json;
  // Wide elements first: every tensor then starts at a multiple of its own.
  std::vector<std::pair<std::string_view, const SafeTensor*>> order;
  for (const auto& [name, tensor] : file.tensors)
    order.emplace_back(name, &tensor);
  std::ranges::stable_sort(order, std::greater(), [](const auto& item) {
    return TensorTypeBytes(item.second->type);
  });
  Json header = Json::object();
  if (!file.metadata.empty()) header[kSafeTensorsMetadataKey] = file.metadata;
  size_t end = 0;
  for (const auto& [name, tensor] : order) {
    assert(name != kSafeTensorsMetadataKey);
    const size_t begin = std::exchange(end, end + tensor->data.size());
    header[std::string(name)] = {{"dtype", NameOf(tensor->type)},
                                 {"shape", tensor->shape},
                                 {"data_offsets", {begin, end}}};
  }
  std::string json =
      header.dump(-1, ' ', false, Json::error_handler_t::replace);
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const uint64_t size = json.size();
  std::string bytes(reinterpret_cast<const char*>(&size), kLengthBytes);
  bytes.reserve(bytes.size() + json.size() + end);
  bytes += json;
  for (const auto& [name, tensor] : order) bytes += tensor->data;
  return bytes;
}

int TensorTypeBytes(TensorType type) {
  switch (type) {
    case TensorType::kF32:
    case TensorType::kU32:
      return 4;
    case TensorType::kF16:
    case TensorType::kBf16:
      return 2;
    case TensorType::kU8:
    case TensorType::kI8:
      return 1;
  }
  return 0;
}

void ToFloats(const SafeTensor& tensor, float* out) {
  const size_t count = size_t(tensor.Elements());
  const char* data = tensor.data.data();
  switch (tensor.type) {
    case TensorType::kF32:
      if (count > 0) std::memcpy(out, data, count * sizeof(float));
      return;
    case TensorType::kF16:
      return HalvesToFloats(data, count, out);
    case TensorType::kBf16:
      return Bfloat16sToFloats(data, count, out);
    case TensorType::kU8:
      for (size_t i = 0; i < count; ++i) out[i] = float((unsigned char)data[i]);
      return;
    case TensorType::kI8:
      for (size_t i = 0; i < count; ++i) out[i] = float((signed char)data[i]);
      return;
    case TensorType::kU32:
      for (size_t i = 0; i < count; ++i) {
        uint32_t number;
        std::memcpy(&number, data + i * sizeof(number), sizeof(number));
        out[i] = float(number);
      }
      return;
  }
}

}  // namespace gist
