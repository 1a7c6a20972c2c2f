#include "storage/log_tail.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "rocksdb/env.h"
#include "storage/database.h"

namespace gist {
namespace {

// A log is blocks of records; no record goes over a block's end:
//   4 bytes   checksum of the type and the payload
//   2 bytes   length of the payload
//   1 byte    type
//   payload
constexpr uint64_t kBlockBytes = 32768;
constexpr size_t kHeaderBytes = 7;

uint32_t Number(std::string_view bytes, size_t at, size_t count) {
  uint32_t number = 0;
  for (size_t i = 0; i < count; ++i)
    number |= uint32_t(static_cast<unsigned char>(bytes[at + i])) << 8 * i;
  return number;
}

// CRC-32C (Castagnoli) with one byte more; begins and ends inverted.
uint32_t Extended(uint32_t crc, char byte) {
  crc ^= static_cast<unsigned char>(byte);
  for (int bit = 0; bit < 8; ++bit)
    crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
  return crc;
}

uint32_t Masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8; }

// `rest` begins with a record; is it whole at some length?
bool IsWholeAtSomeLength(std::string_view rest) {
  const uint32_t checksum = Number(rest, 0, 4);
  uint32_t crc = 0xffffffff;
  for (const char byte : rest.substr(kHeaderBytes - 1)) {
    crc = Extended(crc, byte);
    if (Masked(~crc) == checksum) return true;
  }
  return false;
}

// Where a record of wrong length begins.
std::optional<size_t> FindWrongLength(std::string_view block) {
  size_t at = 0;
  while (at + kHeaderBytes <= block.size()) {
    const size_t end = at + kHeaderBytes + Number(block, at + 4, 2);
    if (end > block.size()) {
      return IsWholeAtSomeLength(block.substr(at)) ? std::optional(at)
                                                   : std::nullopt;
    }
    at = end;
  }
  return std::nullopt;
}

absl::Status CheckLog(const std::string& path, rocksdb::Env* env) {
  uint64_t size = 0;
  GIST_RETURN_IF_ERROR(ToStatus(path, env->GetFileSize(path, &size)));
  const uint64_t begin = size / kBlockBytes * kBlockBytes;
  if (begin == size) return absl::OkStatus();
  std::unique_ptr<rocksdb::RandomAccessFile> file;
  GIST_RETURN_IF_ERROR(
      ToStatus(path, env->NewRandomAccessFile(path, &file, {})));
  std::string buffer(size - begin, '\0');
  rocksdb::Slice block;
  GIST_RETURN_IF_ERROR(
      ToStatus(path, file->Read(begin, buffer.size(), &block, buffer.data())));
  const auto wrong = FindWrongLength(block.ToStringView());
  if (!wrong) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("{}: the record at byte {} has a wrong length, and what "
                  "follows it would be lost: bring a backup with --restore",
                  path, begin + *wrong));
}

}  // namespace

absl::Status CheckLogTails(const std::string& folder, rocksdb::Env* env) {
  if (env == nullptr) env = rocksdb::Env::Default();
  std::vector<std::string> names;
  if (!env->GetChildren(folder, &names).ok()) return absl::OkStatus();
  for (const std::string& name : names) {
    if (!name.ends_with(".log")) continue;
    GIST_RETURN_IF_ERROR(CheckLog(fmt::format("{}/{}", folder, name), env));
  }
  return absl::OkStatus();
}

}  // namespace gist
