#include "storage/kv_codec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/base/checksum.h"
#include "core/base/float16.h"
#include "core/base/status.h"
#include "core/format/safetensors.h"
#include "storage/context_record.h"

namespace gist {
namespace {

constexpr char kFormat[] = "gistd.gist_kv";
constexpr int kBlobVersion = 1;
constexpr char kKeys[] = "gist.keys";
constexpr char kValues[] = "gist.values";
constexpr char kText[] = "document.text";

constexpr size_t kLengthBytes = 8;           // of the header's length
constexpr uint64_t kMaxHeaderBytes = 65536;  // ours takes about 1,200
// In a JSON string the quotes would be escaped: this is always a key.
constexpr std::string_view kChecksumKey = R"("checksum":")";
constexpr std::string_view kZeroDigits = "0000000000000000";

constexpr float kMaxHalf = 65504.0f;
constexpr float kMaxBfloat16 = 0x1.fep127f;

absl::Status Damaged(std::string_view problem) {
  return absl::DataLossError(fmt::format("gist blob: {}", problem));
}

// No value: all are finite.
std::optional<size_t> FirstNotFinite(std::span<const float> values) {
  const auto found = std::ranges::find_if_not(
      values, [](float value) { return std::isfinite(value); });
  if (found == values.end()) return std::nullopt;
  return found - values.begin();
}

// The narrowest type whose range holds every value.
TensorType StoredType(const GistKv& gists) {
  float largest = 0;
  for (const auto* values : {&gists.keys, &gists.values}) {
    for (float value : *values) largest = std::max(largest, std::fabs(value));
  }
  if (largest <= kMaxHalf) return TensorType::kF16;
  return largest <= kMaxBfloat16 ? TensorType::kBf16 : TensorType::kF32;
}

std::string FloatsToBytes(std::span<const float> values, TensorType type) {
  std::string bytes(values.size() * size_t(TensorTypeBytes(type)), '\0');
  if (type == TensorType::kF32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  const auto narrow =
      type == TensorType::kF16 ? &FloatToHalf : &FloatToBfloat16;
  char* out = bytes.data();
  for (float value : values) {
    const uint16_t bits = narrow(value);
    out = static_cast<char*>(std::memcpy(out, &bits, sizeof(bits))) + 2;
  }
  return bytes;
}

// Empty: the sizes are positive and both vectors have as many values.
std::string SizeProblem(const GistKv& gists) {
  size_t elements = 1;
  bool fits = true;
  for (int size :
       {gists.layers, gists.kv_heads, gists.gist_tokens, gists.head_dim}) {
    fits = fits && size > 0 &&
           !__builtin_mul_overflow(elements, size_t(size), &elements);
  }
  if (fits && gists.keys.size() == elements && gists.values.size() == elements)
    return "";
  return fmt::format(
      "{} keys and {} values, want as many as [{}, {}, {}, {}] asks for",
      gists.keys.size(), gists.values.size(), gists.layers, gists.kv_heads,
      gists.gist_tokens, gists.head_dim);
}

// What EncodeGistBlob and DecodeGistBlob both demand of the values.
std::string GistProblem(const ContextRecord& record, const GistKv& gists) {
  if (std::string problem = SizeProblem(gists); !problem.empty())
    return problem;
  if (gists.gist_tokens != record.gist_tokens) {
    return fmt::format("gists of {} tokens, want {} as the record says",
                       gists.gist_tokens, record.gist_tokens);
  }
  for (const auto& [name, values] :
       {std::pair(kKeys, &gists.keys), std::pair(kValues, &gists.values)}) {
    if (const auto index = FirstNotFinite(*values)) {
      return fmt::format("{} holds {} at element {}, want finite values", name,
                         (*values)[*index], *index);
    }
  }
  return "";
}

std::string BlobProblem(const ContextRecord& record, const GistKv& gists,
                        std::string_view text) {
  std::string problem = GistProblem(record, gists);
  if (problem.empty()) problem = RecordProblem(record);
  if (problem.empty() && !text.empty()) problem = TextProblem(record, text);
  return problem;
}

// The digits that belong at `at`: computed with zeros in their place.
std::string ChecksumDigits(std::string_view bytes, size_t at) {
  return fmt::format("{:016x}", Xxh3({bytes.substr(0, at), kZeroDigits,
                                      bytes.substr(at + kZeroDigits.size())}));
}

// Everything that can be told before a byte of the header is believed.
absl::Status CheckBytes(std::string_view bytes) {
  uint64_t header_bytes = 0;
  if (bytes.size() < kLengthBytes)
    return Damaged(
        fmt::format("{} B, want {} B or more", bytes.size(), kLengthBytes));
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);
  const uint64_t limit =
      std::min<uint64_t>(kMaxHeaderBytes, bytes.size() - kLengthBytes);
  if (header_bytes > limit) {
    return Damaged(fmt::format("a header of {} B, want {} B at most",
                               header_bytes, limit));
  }
  const std::string_view head = bytes.substr(0, kLengthBytes + header_bytes);
  const size_t key = head.find(kChecksumKey);
  const size_t at = key + kChecksumKey.size();
  if (key == head.npos || head.size() - at < kZeroDigits.size()) {
    return Damaged(
        "no checksum in the header: the file is truncated, or no "
        "gist blob");
  }
  const std::string_view found = bytes.substr(at, kZeroDigits.size());
  const std::string actual = ChecksumDigits(bytes, at);
  if (found == actual) return absl::OkStatus();
  return Damaged(
      fmt::format("checksum of the bytes {}, want {:?}: the file is "
                  "truncated or changed",
                  actual, found));
}

absl::StatusOr<std::string> Metadata(const SafeTensors& file, const char* key) {
  const auto found = file.metadata.find(key);
  if (found != file.metadata.end()) return found->second;
  return Damaged(fmt::format("no {:?} in its metadata", key));
}

absl::Status CheckFormat(const SafeTensors& file) {
  GIST_ASSIGN_OR_RETURN(const std::string format, Metadata(file, "format"));
  if (format != kFormat)
    return Damaged(fmt::format("format {:?}, want {:?}", format, kFormat));
  GIST_ASSIGN_OR_RETURN(const std::string text,
                        Metadata(file, "format_version"));
  int version = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, version);
  if (parsed.ec != std::errc() || parsed.ptr != end || version < 1)
    return Damaged(fmt::format("format_version {:?}, want a number", text));
  if (version == kBlobVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("gist blob: format version {}, supported is {}: update gistd",
                  version, kBlobVersion));
}

absl::StatusOr<const SafeTensor*> Tensor(const SafeTensors& file,
                                         const char* name) {
  const auto found = file.tensors.find(name);
  if (found != file.tensors.end()) return &found->second;
  return Damaged(fmt::format("no tensor {:?}", name));
}

absl::StatusOr<GistKv> ReadGists(const SafeTensors& file) {
  GIST_ASSIGN_OR_RETURN(const SafeTensor* keys, Tensor(file, kKeys));
  GIST_ASSIGN_OR_RETURN(const SafeTensor* values, Tensor(file, kValues));
  const auto fits_int = [](int64_t size) {
    return size > 0 && std::in_range<int>(size);
  };
  if (keys->shape != values->shape || keys->type != values->type ||
      keys->type == TensorType::kU8 || keys->shape.size() != 4 ||
      !std::ranges::all_of(keys->shape, fits_int)) {
    return Damaged(fmt::format(
        "keys [{}] and values [{}], want twice the same [layers, kv_heads, "
        "gist_tokens, head_dim] and one type of F16, BF16, F32",
        fmt::join(keys->shape, ", "), fmt::join(values->shape, ", ")));
  }
  GistKv gists{.layers = int(keys->shape[0]),
               .kv_heads = int(keys->shape[1]),
               .gist_tokens = int(keys->shape[2]),
               .head_dim = int(keys->shape[3]),
               .keys = std::vector<float>(size_t(keys->Elements())),
               .values = std::vector<float>(size_t(keys->Elements()))};
  ToFloats(*keys, gists.keys.data());
  ToFloats(*values, gists.values.data());
  return gists;
}

absl::StatusOr<std::string> ReadText(const SafeTensors& file) {
  const auto found = file.tensors.find(kText);
  if (found == file.tensors.end()) return "";
  const SafeTensor& text = found->second;
  if (text.type != TensorType::kU8 || text.shape.size() != 1 ||
      text.data.empty())
    return Damaged(fmt::format("{} [{}], want U8 [document_bytes]", kText,
                               fmt::join(text.shape, ", ")));
  return std::string(text.data);
}

absl::Status CheckTensors(const SafeTensors& file,
                          const ContextRecord& record) {
  int64_t kv_bytes = 0;
  for (const auto& [name, tensor] : file.tensors) {
    if (name == kText) continue;
    if (name != kKeys && name != kValues)
      return Damaged(fmt::format("an unknown tensor {:?}", name));
    kv_bytes += int64_t(tensor.data.size());
  }
  if (kv_bytes == record.kv_bytes) return absl::OkStatus();
  return Damaged(
      fmt::format("keys and values of {} B, want {} B as the record "
                  "says",
                  kv_bytes, record.kv_bytes));
}

SafeTensor GistTensor(const GistKv& gists, TensorType type,
                      std::string_view data) {
  return {.type = type,
          .shape = {gists.layers, gists.kv_heads, gists.gist_tokens,
                    gists.head_dim},
          .data = data};
}

}  // namespace

int64_t BlobKvBytes(const GistKv& gists) {
  return int64_t(gists.keys.size() + gists.values.size()) *
         TensorTypeBytes(StoredType(gists));
}

absl::StatusOr<std::string> EncodeGistBlob(const GistBlob& blob) {
  ContextRecord record = blob.record;
  record.kv_bytes = BlobKvBytes(blob.gists);
  const std::string problem = BlobProblem(record, blob.gists, blob.text);
  if (!problem.empty())
    return absl::InvalidArgumentError(fmt::format("gist blob: {}", problem));

  const TensorType type = StoredType(blob.gists);
  const std::string keys = FloatsToBytes(blob.gists.keys, type);
  const std::string values = FloatsToBytes(blob.gists.values, type);
  SafeTensors file;
  file.metadata = {{"format", kFormat},
                   {"format_version", std::to_string(kBlobVersion)},
                   {"checksum", std::string(kZeroDigits)},
                   {"gist", RecordToJson(record)}};
  file.tensors = {{kKeys, GistTensor(blob.gists, type, keys)},
                  {kValues, GistTensor(blob.gists, type, values)}};
  if (!blob.text.empty()) {
    file.tensors[kText] = {.type = TensorType::kU8,
                           .shape = {int64_t(blob.text.size())},
                           .data = blob.text};
  }
  std::string bytes = WriteSafeTensors(file);
  const size_t at = bytes.find(kChecksumKey) + kChecksumKey.size();
  return bytes.replace(at, kZeroDigits.size(), ChecksumDigits(bytes, at));
}

absl::StatusOr<GistBlob> DecodeGistBlob(std::string_view bytes) {
  GIST_RETURN_IF_ERROR(CheckBytes(bytes));
  const absl::StatusOr<SafeTensors> file = ParseSafeTensors(bytes);
  if (!file.ok()) return Damaged(Message(file.status()));
  GIST_RETURN_IF_ERROR(CheckFormat(*file));
  GIST_ASSIGN_OR_RETURN(const std::string json, Metadata(*file, "gist"));
  GistBlob blob;
  GIST_ASSIGN_OR_RETURN(blob.record, RecordFromJson(json));
  GIST_RETURN_IF_ERROR(CheckTensors(*file, blob.record));
  GIST_ASSIGN_OR_RETURN(blob.gists, ReadGists(*file));
  GIST_ASSIGN_OR_RETURN(blob.text, ReadText(*file));
  const std::string problem = BlobProblem(blob.record, blob.gists, blob.text);
  if (problem.empty()) return blob;
  return Damaged(problem);
}

absl::Status CheckModel(const ContextRecord& record,
                        std::string_view model_fingerprint) {
  if (record.model_fingerprint == model_fingerprint) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "context {} was made by model {}, this one is {}: start gistd with the "
      "model that made it, or compress the document again",
      record.context_id, record.model_fingerprint, model_fingerprint));
}

}  // namespace gist
