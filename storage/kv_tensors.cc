#include "storage/kv_tensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

constexpr char kGistKeys[] = "gist.keys";
constexpr char kGistValues[] = "gist.values";

struct StorageTensor {
  KvStorage storage;
  TensorType tensor;
};
constexpr StorageTensor kStorageTensors[] = {
    {KvStorage::kF32, TensorType::kF32},
    {KvStorage::kF16, TensorType::kF16},
    {KvStorage::kBf16, TensorType::kBf16},
    {KvStorage::kI8, TensorType::kI8}};

TensorType TensorTypeOf(KvStorage storage) {
  return std::ranges::find(kStorageTensors, storage, &StorageTensor::storage)
      ->tensor;
}

std::optional<KvStorage> StorageOf(TensorType type) {
  const auto found =
      std::ranges::find(kStorageTensors, type, &StorageTensor::tensor);
  if (found == std::end(kStorageTensors)) return std::nullopt;
  return found->storage;
}

absl::Status DamagedTensors(std::string_view problem) {
  return absl::DataLossError(fmt::format("blob: {}", problem));
}

absl::Status MissingTensor(const std::string& name) {
  return DamagedTensors(fmt::format("no tensor {:?}", name));
}

template <typename Number>
std::string_view BytesOfList(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()),
          numbers.size() * sizeof(Number)};
}

std::optional<SafeTensor> TakeTensor(const std::string& name,
                                     SafeTensors& file) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) return std::nullopt;
  SafeTensor tensor = std::move(found->second);
  file.tensors.erase(found);
  return tensor;
}

// A tensor of `type` [slots] as `list`; none: empty.
template <typename Number>
absl::Status TakeList(const std::string& name, TensorType type, int64_t slots,
                      SafeTensors& file, std::vector<Number>& list) {
  const auto tensor = TakeTensor(name, file);
  if (!tensor) return absl::OkStatus();
  if (tensor->type != type || tensor->shape.size() != 1 ||
      tensor->shape[0] != slots) {
    return DamagedTensors(
        fmt::format("{} [{}], want one number for each of {} slots", name,
                    fmt::join(tensor->shape, ", "), slots));
  }
  list.resize(size_t(slots));
  std::memcpy(list.data(), tensor->data.data(), tensor->data.size());
  return absl::OkStatus();
}

bool IsPositiveInt(int64_t size) {
  return size > 0 && std::in_range<int>(size);
}

// Layers, KV heads and first slots from a U32 tensor [layers, kv_heads].
absl::Status ReadSlots(const std::string& name, SafeTensors& file,
                       CompressedKv& kv) {
  const auto slots = TakeTensor(name, file);
  if (!slots) return MissingTensor(name);
  if (slots->type != TensorType::kU32 || slots->shape.size() != 2 ||
      !std::ranges::all_of(slots->shape, IsPositiveInt)) {
    return DamagedTensors(fmt::format("{} [{}], want U32 [layers, kv_heads]",
                                      name, fmt::join(slots->shape, ", ")));
  }
  kv.layers = int(slots->shape[0]);
  kv.kv_heads = int(slots->shape[1]);
  kv.first_slot.assign(1, 0);
  for (size_t at = 0; at < slots->data.size(); at += sizeof(uint32_t)) {
    uint32_t count;
    std::memcpy(&count, slots->data.data() + at, sizeof(count));
    uint32_t end = kv.first_slot.back();
    if (__builtin_add_overflow(end, count, &end)) {
      return DamagedTensors(fmt::format("{} counts over 2^32 slots", name));
    }
    kv.first_slot.push_back(end);
  }
  return absl::OkStatus();
}

absl::Status ReadRowsOf(const std::string& prefix, SafeTensors& file,
                        CompressedKv& kv) {
  const auto keys = TakeTensor(prefix + "keys", file);
  const auto values = TakeTensor(prefix + "values", file);
  if (!keys) return MissingTensor(prefix + "keys");
  if (!values) return MissingTensor(prefix + "values");
  const auto storage = StorageOf(keys->type);
  if (!storage || keys->type != values->type || keys->shape != values->shape ||
      keys->shape.size() != 2 || keys->shape[0] != int64_t(kv.TotalSlots()) ||
      !IsPositiveInt(keys->shape[1])) {
    return DamagedTensors(fmt::format(
        "{}keys [{}] and values [{}], want twice the same [{}, head_dim] and "
        "one type of F32, F16, BF16, I8",
        prefix, fmt::join(keys->shape, ", "), fmt::join(values->shape, ", "),
        kv.TotalSlots()));
  }
  kv.head_dim = int(keys->shape[1]);
  kv.storage = *storage;
  kv.keys = std::string(keys->data);
  kv.values = std::string(values->data);
  return absl::OkStatus();
}

}  // namespace

void AddKvTensors(const std::string& prefix, const CompressedKv& kv,
                  SafeTensors& file, std::list<std::string>& buffers) {
  const int64_t slots = int64_t(kv.TotalSlots());
  std::vector<uint32_t> counts;
  for (size_t head = 0; head < kv.Heads(); ++head)
    counts.push_back(kv.first_slot[head + 1] - kv.first_slot[head]);
  const auto add = [&](const char* name, TensorType type,
                       std::vector<int64_t> shape, std::string_view data) {
    if (data.empty()) return;
    file.tensors[prefix + name] = {
        .type = type, .shape = std::move(shape), .data = data};
  };
  const TensorType type = TensorTypeOf(kv.storage);
  add("slots", TensorType::kU32, {kv.layers, kv.kv_heads},
      buffers.emplace_back(BytesOfList(counts)));
  add("keys", type, {slots, kv.head_dim}, kv.keys);
  add("values", type, {slots, kv.head_dim}, kv.values);
  add("key_scales", TensorType::kBf16, {slots}, BytesOfList(kv.key_scales));
  add("value_scales", TensorType::kBf16, {slots}, BytesOfList(kv.value_scales));
  add("positions", TensorType::kU32, {slots}, BytesOfList(kv.positions));
  add("bias", TensorType::kF32, {slots}, BytesOfList(kv.bias));
}

absl::StatusOr<CompressedKv> TakeKvTensors(const std::string& prefix,
                                           SafeTensors& file) {
  CompressedKv kv;
  GIST_RETURN_IF_ERROR(ReadSlots(prefix + "slots", file, kv));
  GIST_RETURN_IF_ERROR(ReadRowsOf(prefix, file, kv));
  const int64_t slots = int64_t(kv.TotalSlots());
  GIST_RETURN_IF_ERROR(TakeList(prefix + "key_scales", TensorType::kBf16, slots,
                                file, kv.key_scales));
  GIST_RETURN_IF_ERROR(TakeList(prefix + "value_scales", TensorType::kBf16,
                                slots, file, kv.value_scales));
  GIST_RETURN_IF_ERROR(TakeList(prefix + "positions", TensorType::kU32, slots,
                                file, kv.positions));
  GIST_RETURN_IF_ERROR(
      TakeList(prefix + "bias", TensorType::kF32, slots, file, kv.bias));
  return kv;
}

absl::StatusOr<CompressedKv> TakeGistTensors(SafeTensors& file) {
  const auto keys = TakeTensor(kGistKeys, file);
  const auto values = TakeTensor(kGistValues, file);
  if (!keys) return MissingTensor(kGistKeys);
  if (!values) return MissingTensor(kGistValues);
  const auto storage = StorageOf(keys->type);
  if (keys->shape != values->shape || keys->type != values->type || !storage ||
      *storage == KvStorage::kI8 || keys->shape.size() != 4 ||
      !std::ranges::all_of(keys->shape, IsPositiveInt) ||
      keys->Elements() / keys->shape[3] > int64_t{UINT32_MAX}) {
    return DamagedTensors(fmt::format(
        "keys [{}] and values [{}], want twice the same [layers, kv_heads, "
        "gist_tokens, head_dim] and one type of F16, BF16, F32",
        fmt::join(keys->shape, ", "), fmt::join(values->shape, ", ")));
  }
  CompressedKv kv{.layers = int(keys->shape[0]),
                  .kv_heads = int(keys->shape[1]),
                  .head_dim = int(keys->shape[3]),
                  .storage = *storage,
                  .keys = std::string(keys->data),
                  .values = std::string(values->data)};
  for (size_t head = 0; head <= kv.Heads(); ++head)
    kv.first_slot.push_back(uint32_t(head * size_t(keys->shape[2])));
  return kv;
}

}  // namespace gist
