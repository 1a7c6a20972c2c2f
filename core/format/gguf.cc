#include "core/format/gguf.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <set>
#include <utility>

#include "core/base/status.h"
#include "core/format/gguf_reader.h"
#include "core/format/gguf_values.h"

namespace gist {
namespace {

using Values = std::map<std::string, GgufValue>;

constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr int64_t kDefaultAlignment = 32;
constexpr size_t kMaxTensorNameBytes = 64;  // the format's own limit
constexpr uint32_t kMaxDims = 4;
// The least bytes that each takes: key length, type, one byte of value; name
// length, number of dims, one dim, type, offset.
constexpr size_t kMinKeyValueBytes = 8 + 4 + 1;
constexpr size_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

// By GgufValue::index().
constexpr std::string_view kValueNames[] = {"a bool",
                                            "an integer",
                                            "an unsigned 64-bit integer",
                                            "a float",
                                            "a string",
                                            "an array of bools",
                                            "an array of integers",
                                            "an array of floats",
                                            "an array of strings"};
static_assert(std::size(kValueNames) == std::variant_size_v<GgufValue>);

absl::StatusOr<const GgufValue*> Find(const Values& values,
                                      const std::string& key) {
  const auto found = values.find(key);
  if (found != values.end()) return &found->second;
  return absl::NotFoundError(
      fmt::format("gguf: the file has no key {:?}", key));
}

absl::Status WrongType(const std::string& key, const GgufValue& value,
                       std::string_view wanted) {
  return absl::DataLossError(fmt::format("gguf: key {:?} is {}, want {}", key,
                                         kValueNames[value.index()], wanted));
}

template <typename T>
absl::StatusOr<T> Get(const Values& values, const std::string& key,
                      std::string_view wanted) {
  GIST_ASSIGN_OR_RETURN(const GgufValue* value, Find(values, key));
  if (const T* typed = std::get_if<T>(value)) return *typed;
  return WrongType(key, *value, wanted);
}

// ---- Tensors ----

// A tensor still without its data, and where these are.
struct TensorEntry {
  GgufTensor tensor;
  uint64_t offset = 0;  // from the start of the data
  uint64_t bytes = 0;
};

absl::Status GgufError(const std::string& name, std::string_view problem) {
  return absl::DataLossError(
      fmt::format("gguf: tensor {:?}: {}", name, problem));
}

absl::StatusOr<std::vector<int64_t>> ReadDims(GgufReader& reader,
                                              const std::string& name) {
  GIST_ASSIGN_OR_RETURN(const auto count,
                        reader.Number<uint32_t>("a number of dimensions"));
  if (count < 1 || count > kMaxDims) {
    return GgufError(
        name, fmt::format("{} dimensions, want 1 to {}", count, kMaxDims));
  }
  std::vector<int64_t> dims;
  for (uint32_t i = 0; i < count; ++i) {
    GIST_ASSIGN_OR_RETURN(const auto dim,
                          reader.Number<uint64_t>("a dimension"));
    if (dim < 1 || !std::in_range<int64_t>(dim)) {
      return GgufError(
          name, fmt::format("dimension {} is {}, want 1 to 2^63 - 1", i, dim));
    }
    dims.push_back(int64_t(dim));
  }
  return dims;
}

absl::StatusOr<GgmlType> ReadType(GgufReader& reader, const std::string& name) {
  GIST_ASSIGN_OR_RETURN(const auto number,
                        reader.Number<uint32_t>("a tensor's type"));
  if (const auto type = SupportedGgmlType(number)) return *type;
  return absl::UnimplementedError(fmt::format(
      "gguf: tensor {:?} has type {}, supported are {}: quantize the model to "
      "one of these, for example with llama-quantize",
      name, GgmlTypeName(number), kSupportedGgmlTypes));
}

// The bytes that the tensor's dimensions ask for.
absl::StatusOr<uint64_t> TensorBytes(const GgufTensor& tensor) {
  const GgmlBlock block = GgmlBlockOf(tensor.type);
  if (tensor.dims[0] % block.elements != 0) {
    return GgufError(tensor.name,
                     fmt::format("rows of {} elements, want a multiple of {}",
                                 tensor.dims[0], block.elements));
  }
  int64_t bytes = tensor.dims[0] / block.elements;
  bool overflows = __builtin_mul_overflow(bytes, block.bytes, &bytes);
  for (size_t i = 1; i < tensor.dims.size(); ++i)
    overflows |= __builtin_mul_overflow(bytes, tensor.dims[i], &bytes);
  // Under four elements to a byte, so that Elements() fits too.
  if (overflows || bytes > std::numeric_limits<int64_t>::max() / 4)
    return GgufError(tensor.name, "its dimensions ask for over 2^61 B");
  return uint64_t(bytes);
}

absl::StatusOr<TensorEntry> ReadTensorEntry(GgufReader& reader) {
  TensorEntry entry;
  GgufTensor& tensor = entry.tensor;
  GIST_ASSIGN_OR_RETURN(tensor.name, reader.String("a tensor's name"));
  if (tensor.name.size() > kMaxTensorNameBytes) {
    return absl::DataLossError(
        fmt::format("gguf: a tensor's name of {} B, want at most {}",
                    tensor.name.size(), kMaxTensorNameBytes));
  }
  GIST_ASSIGN_OR_RETURN(tensor.dims, ReadDims(reader, tensor.name));
  GIST_ASSIGN_OR_RETURN(tensor.type, ReadType(reader, tensor.name));
  GIST_ASSIGN_OR_RETURN(entry.offset,
                        reader.Number<uint64_t>("a tensor's offset"));
  GIST_ASSIGN_OR_RETURN(entry.bytes, TensorBytes(tensor));
  return entry;
}

absl::StatusOr<uint64_t> Alignment(const Gguf& file) {
  const std::string key(kAlignmentKey);
  if (!file.Has(key)) return kDefaultAlignment;
  GIST_ASSIGN_OR_RETURN(const int64_t alignment, file.Int(key));
  if (alignment > 0 && std::has_single_bit(uint64_t(alignment)))
    return alignment;
  return absl::DataLossError(fmt::format("gguf: {} is {}, want a power of two",
                                         kAlignmentKey, alignment));
}

absl::StatusOr<std::vector<TensorEntry>> ReadTensorEntries(GgufReader& reader,
                                                           uint64_t count) {
  GIST_RETURN_IF_ERROR(
      reader.RequireRoom(count, kMinTensorBytes, "the number of tensors"));
  std::vector<TensorEntry> entries;
  entries.reserve(count);
  std::set<std::string> names;
  for (uint64_t i = 0; i < count; ++i) {
    GIST_ASSIGN_OR_RETURN(TensorEntry entry, ReadTensorEntry(reader));
    if (!names.insert(entry.tensor.name).second)
      return GgufError(entry.tensor.name, "occurs twice");
    entries.push_back(std::move(entry));
  }
  return entries;
}

absl::Status Place(TensorEntry& entry, std::string_view data,
                   uint64_t alignment) {
  const std::string& name = entry.tensor.name;
  if (entry.offset % alignment != 0) {
    return GgufError(name, fmt::format("offset {}, want a multiple of {}",
                                       entry.offset, alignment));
  }
  if (entry.offset > data.size() || entry.bytes > data.size() - entry.offset) {
    return GgufError(
        name, fmt::format("{} B at offset {}, but the file holds {} B of "
                          "tensor data: it is truncated or corrupt",
                          entry.bytes, entry.offset, data.size()));
  }
  entry.tensor.data = data.substr(entry.offset, entry.bytes);
  return absl::OkStatus();
}

// `entries` are in the order of their offsets.
absl::Status CheckNoOverlap(const std::vector<TensorEntry>& entries) {
  for (size_t i = 1; i < entries.size(); ++i) {
    const TensorEntry& before = entries[i - 1];
    if (before.offset + before.bytes > entries[i].offset) {
      return GgufError(entries[i].tensor.name,
                       fmt::format("overlaps tensor {:?}", before.tensor.name));
    }
  }
  return absl::OkStatus();
}

// What follows the header, from the next multiple of `alignment` on.
std::string_view DataAfter(size_t header_bytes, std::string_view bytes,
                           uint64_t alignment) {
  const uint64_t misaligned = header_bytes % alignment;
  const uint64_t padding = misaligned == 0 ? 0 : alignment - misaligned;
  bytes.remove_prefix(header_bytes);
  return bytes.substr(std::min<uint64_t>(padding, bytes.size()));
}

// ---- The file ----

absl::Status CheckMagicAndVersion(GgufReader& reader) {
  GIST_ASSIGN_OR_RETURN(const auto magic,
                        reader.Number<uint32_t>("the magic \"GGUF\""));
  if (magic != 0x46554747) {
    return absl::DataLossError(
        fmt::format("gguf: the file starts with the bytes {:08x}, want "
                    "47475546 (\"GGUF\"): this is no GGUF file",
                    __builtin_bswap32(magic)));
  }
  GIST_ASSIGN_OR_RETURN(const auto version,
                        reader.Number<uint32_t>("the version"));
  if (version == 2 || version == 3) return absl::OkStatus();
  const uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 3) {
    return absl::UnimplementedError(
        "gguf: the file is big-endian, supported is little-endian: convert it "
        "with gguf-convert-endian");
  }
  return absl::UnimplementedError(
      fmt::format("gguf: version {}, supported are 2 and 3", version));
}

}  // namespace

int64_t GgufTensor::Elements() const {
  int64_t elements = 1;
  for (int64_t dim : dims) elements *= dim;
  return elements;
}

absl::StatusOr<Gguf> Gguf::Parse(std::string_view bytes) {
  GgufReader reader(bytes);
  GIST_RETURN_IF_ERROR(CheckMagicAndVersion(reader));
  GIST_ASSIGN_OR_RETURN(const auto tensors,
                        reader.Number<uint64_t>("the number of tensors"));
  GIST_ASSIGN_OR_RETURN(const auto keys,
                        reader.Number<uint64_t>("the number of keys"));
  GIST_RETURN_IF_ERROR(
      reader.RequireRoom(keys, kMinKeyValueBytes, "the number of keys"));
  Gguf file;
  for (uint64_t i = 0; i < keys; ++i)
    GIST_RETURN_IF_ERROR(ReadGgufKeyValue(reader, file.values_));
  GIST_ASSIGN_OR_RETURN(const uint64_t alignment, Alignment(file));
  GIST_ASSIGN_OR_RETURN(auto entries, ReadTensorEntries(reader, tensors));
  const std::string_view data = DataAfter(reader.offset(), bytes, alignment);
  for (TensorEntry& entry : entries)
    GIST_RETURN_IF_ERROR(Place(entry, data, alignment));
  std::ranges::sort(entries, {}, &TensorEntry::offset);
  GIST_RETURN_IF_ERROR(CheckNoOverlap(entries));
  for (TensorEntry& entry : entries)
    file.tensors_.emplace(entry.tensor.name, std::move(entry.tensor));
  return file;
}

Gguf Gguf::FromParts(Values values, std::map<std::string, GgufTensor> tensors) {
  Gguf file;
  file.values_ = std::move(values);
  file.tensors_ = std::move(tensors);
  return file;
}

absl::StatusOr<std::string> Gguf::String(const std::string& key) const {
  return Get<std::string>(values_, key, "a string");
}

absl::StatusOr<bool> Gguf::Bool(const std::string& key) const {
  return Get<bool>(values_, key, "a bool");
}

absl::StatusOr<int64_t> Gguf::Int(const std::string& key) const {
  GIST_ASSIGN_OR_RETURN(const GgufValue* value, Find(values_, key));
  if (const auto* number = std::get_if<int64_t>(value)) return *number;
  if (const auto* number = std::get_if<uint64_t>(value)) {
    if (std::in_range<int64_t>(*number)) return int64_t(*number);
  }
  return WrongType(key, *value, "an integer of at most 2^63 - 1");
}

absl::StatusOr<double> Gguf::Float(const std::string& key) const {
  GIST_ASSIGN_OR_RETURN(const GgufValue* value, Find(values_, key));
  if (const auto* number = std::get_if<double>(value)) return *number;
  if (const auto* number = std::get_if<int64_t>(value)) return double(*number);
  if (const auto* number = std::get_if<uint64_t>(value)) return double(*number);
  return WrongType(key, *value, "a number");
}

absl::StatusOr<std::vector<std::string>> Gguf::Strings(
    const std::string& key) const {
  return Get<std::vector<std::string>>(values_, key, "an array of strings");
}

absl::StatusOr<std::vector<int64_t>> Gguf::Ints(const std::string& key) const {
  return Get<std::vector<int64_t>>(values_, key, "an array of integers");
}

absl::StatusOr<const GgufTensor*> Gguf::Tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return &found->second;
  return absl::NotFoundError(
      fmt::format("gguf: the file has no tensor {:?}", name));
}

}  // namespace gist
