// What decodes as a gist blob can be encoded, and decodes to the same thing.
// The first byte of an input says whether the rest gets a true checksum: else
// next to nothing would come past it.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/kv_codec.h"
#include "tests/fuzz/check.h"
#include "tests/storage/blob_bytes.h"

namespace gist {
namespace {

bool AllFinite(const std::vector<float>& values) {
  for (float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

void CheckBlob(const GistBlob& blob) {
  FuzzCheck(blob.gists.keys.size() == blob.gists.Elements() &&
                blob.gists.values.size() == blob.gists.Elements(),
            "the data fill the shape");
  FuzzCheck(AllFinite(blob.gists.keys) && AllFinite(blob.gists.values),
            "every value is finite");
  FuzzCheck(blob.text.empty() ||
                int64_t(blob.text.size()) == blob.record.document_bytes,
            "the text is as long as the record says");
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gist::FuzzCheck;
  if (size == 0) return 0;
  std::string bytes(data + 1, data + size);
  if (data[0] % 2 == 1) bytes = gist::WithChecksum(std::move(bytes));
  const auto blob = gist::DecodeGistBlob(bytes);
  if (!blob.ok()) return 0;
  gist::CheckBlob(*blob);
  const auto encoded = gist::EncodeGistBlob(*blob);
  FuzzCheck(encoded.ok(), "what decodes can be encoded");
  const auto again = gist::DecodeGistBlob(*encoded);
  FuzzCheck(again.ok(), "what was encoded decodes");
  // A wider type than the values need comes back as the narrowest.
  if (blob->record.kv_bytes == gist::BlobKvBytes(blob->gists)) {
    FuzzCheck(again->record == blob->record && again->text == blob->text,
              "it is of the same context");
  }
  const auto same = gist::EncodeGistBlob(*again);
  FuzzCheck(same.ok() && *same == *encoded, "equal blobs give equal bytes");
  return 0;
}
