#include "storage/kv_codec.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <list>
#include <utility>

#include "core/base/checksum.h"
#include "core/base/status.h"
#include "core/format/safetensors.h"
#include "fmt/ranges.h"
#include "storage/context_record.h"
#include "storage/kv_tensors.h"

namespace gist {
namespace {

constexpr char kFormat[] = "gistd.gist_kv";
constexpr int kBlobVersion = 2;
constexpr char kRecord[] = "context";
constexpr char kRecordOfVersion1[] = "gist";
constexpr char kText[] = "document.text";

constexpr size_t kLengthBytes = 8;  // of the header's length
// A representation takes about 1,000 of them, a context has 64 at most.
constexpr uint64_t kMaxHeaderBytes = 262144;
// In a JSON string the quotes would be escaped: this is always a key.
constexpr std::string_view kChecksumKey = R"("checksum":")";
constexpr std::string_view kZeroDigits = "0000000000000000";

absl::Status Damaged(std::string_view problem) {
  return absl::DataLossError(fmt::format("blob: {}", problem));
}

std::string TensorPrefix(size_t representation) {
  return fmt::format("{}.", representation);
}

// What EncodeKvBlob and DecodeKvBlob both demand.
std::string BlobProblem(const ContextRecord& record,
                        std::span<const CompressedKv> kv,
                        std::string_view text) {
  std::string problem = RecordProblem(record);
  if (!problem.empty()) return problem;
  if (kv.size() != record.representations.size()) {
    return fmt::format("keys and values of {} representations, want {}",
                       kv.size(), record.representations.size());
  }
  if (kv.empty() && text.empty()) return "neither a representation nor a text";
  for (size_t i = 0; i < kv.size(); ++i) {
    const Representation& form = record.representations[i];
    problem = RepresentationProblem(form, kv[i]);
    if (!problem.empty())
      return fmt::format("{}: {}", RepresentationKey(form), problem);
  }
  return text.empty() ? "" : TextProblem(record, text);
}

// The digits that belong at `at`: computed with zeros in their place.
std::string ChecksumDigits(std::string_view bytes, size_t at) {
  return fmt::format("{:016x}", Xxh3({bytes.substr(0, at), kZeroDigits,
                                      bytes.substr(at + kZeroDigits.size())}));
}

// All that can be checked before a byte of the header is believed.
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
        "blob of gistd's");
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

absl::StatusOr<int> VersionOf(const SafeTensors& file) {
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
  if (version <= kBlobVersion) return version;
  return absl::FailedPreconditionError(fmt::format(
      "blob: format version {}, supported are 1 to {}: update gistd", version,
      kBlobVersion));
}

absl::StatusOr<std::string> TakeText(SafeTensors& file) {
  const auto found = file.tensors.find(kText);
  if (found == file.tensors.end()) return "";
  const SafeTensor text = std::move(found->second);
  file.tensors.erase(found);
  if (text.type != TensorType::kU8 || text.shape.size() != 1 ||
      text.data.empty())
    return Damaged(fmt::format("{} [{}], want U8 [document_bytes]", kText,
                               fmt::join(text.shape, ", ")));
  return std::string(text.data);
}

absl::StatusOr<std::vector<CompressedKv>> TakeKv(int version, size_t count,
                                                 SafeTensors& file) {
  std::vector<CompressedKv> kv;
  if (version == 1) {
    GIST_ASSIGN_OR_RETURN(CompressedKv gists, TakeGistTensors(file));
    kv.push_back(std::move(gists));
    return kv;
  }
  for (size_t i = 0; i < count; ++i) {
    GIST_ASSIGN_OR_RETURN(CompressedKv part,
                          TakeKvTensors(TensorPrefix(i), file));
    kv.push_back(std::move(part));
  }
  return kv;
}

}  // namespace

absl::StatusOr<std::string> EncodeKvBlob(ContextRecord record,
                                         std::span<const CompressedKv> kv,
                                         std::string_view text) {
  for (size_t i = 0; i < std::min(kv.size(), record.representations.size());
       ++i)
    SetSizes(kv[i], record.representations[i]);
  const std::string problem = BlobProblem(record, kv, text);
  if (!problem.empty())
    return absl::InvalidArgumentError(fmt::format("blob: {}", problem));

  SafeTensors file;
  file.metadata = {{"format", kFormat},
                   {"format_version", std::to_string(kBlobVersion)},
                   {"checksum", std::string(kZeroDigits)},
                   {kRecord, RecordToJson(record)}};
  std::list<std::string> buffers;
  for (size_t i = 0; i < kv.size(); ++i)
    AddKvTensors(TensorPrefix(i), kv[i], file, buffers);
  if (!text.empty()) {
    file.tensors[kText] = {
        .type = TensorType::kU8, .shape = {int64_t(text.size())}, .data = text};
  }
  std::string bytes = WriteSafeTensors(file);
  const size_t at = bytes.find(kChecksumKey) + kChecksumKey.size();
  return bytes.replace(at, kZeroDigits.size(), ChecksumDigits(bytes, at));
}

absl::StatusOr<std::string> EncodeKvBlob(const KvBlob& blob) {
  return EncodeKvBlob(blob.record, blob.kv, blob.text);
}

absl::StatusOr<KvBlob> DecodeKvBlob(std::string_view bytes) {
  GIST_RETURN_IF_ERROR(CheckBytes(bytes));
  absl::StatusOr<SafeTensors> file = ParseSafeTensors(bytes);
  if (!file.ok()) return Damaged(Message(file.status()));
  GIST_ASSIGN_OR_RETURN(const int version, VersionOf(*file));
  GIST_ASSIGN_OR_RETURN(
      const std::string json,
      Metadata(*file, version == 1 ? kRecordOfVersion1 : kRecord));
  KvBlob blob;
  GIST_ASSIGN_OR_RETURN(blob.record, RecordFromJson(json));
  GIST_ASSIGN_OR_RETURN(
      blob.kv, TakeKv(version, blob.record.representations.size(), *file));
  GIST_ASSIGN_OR_RETURN(blob.text, TakeText(*file));
  if (!file->tensors.empty()) {
    return Damaged(
        fmt::format("an unknown tensor {:?}", file->tensors.begin()->first));
  }
  const std::string problem = BlobProblem(blob.record, blob.kv, blob.text);
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
