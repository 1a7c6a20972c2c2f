#include "core/data/zstd_text.h"

#include <zstd.h>

#include <memory>

#include "core/base/status.h"

namespace gist {
namespace {

constexpr std::string_view kZstdMagic("\x28\xB5\x2F\xFD", 4);
constexpr size_t kMostTextBytes = size_t{1} << 30;
constexpr int kZstdLevel = 19;  // slow to write, a third smaller than level 3

}  // namespace

bool IsZstd(std::string_view bytes) { return bytes.starts_with(kZstdMagic); }

absl::StatusOr<std::string> ExpandZstd(std::string_view bytes) {
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(
      ZSTD_createDStream(), ZSTD_freeDStream);
  if (!stream) return absl::InternalError("zstd: no decoder could be made");
  std::string text, part(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
  size_t missing = 1;  // 0: a frame ended
  bool full = false;   // the decoder may hold more text
  while (in.pos < in.size || full) {
    ZSTD_outBuffer out = {part.data(), part.size(), 0};
    missing = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(missing) != 0) {
      return absl::DataLossError(fmt::format(
          "zstd: damaged at byte {}: {}", in.pos, ZSTD_getErrorName(missing)));
    }
    text.append(part.data(), out.pos);
    full = out.pos == out.size && missing != 0;
    if (text.size() <= kMostTextBytes) continue;
    return absl::DataLossError(
        fmt::format("zstd: more than {} bytes of text", kMostTextBytes));
  }
  if (missing == 0) return text;
  return absl::DataLossError(
      fmt::format("zstd: cut short after {} bytes", bytes.size()));
}

absl::StatusOr<std::string> CompressZstd(std::string_view text) {
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(
      ZSTD_createCCtx(), ZSTD_freeCCtx);
  if (!context) return absl::InternalError("zstd: no encoder could be made");
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kZstdLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress2(context.get(), bytes.data(), bytes.size(),
                                     text.data(), text.size());
  if (ZSTD_isError(size) != 0) {
    return absl::InternalError(
        fmt::format("zstd: {}", ZSTD_getErrorName(size)));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace gist
