// What decodes as a blob can be encoded, and decodes to the same thing. The
// first byte of an input says whether the rest gets a true checksum: else next
// to nothing would come past it.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/kv_codec.h"
#include "tests/fuzz/check.h"
#include "tests/storage/blob_bytes.h"

namespace gist {
namespace {

// Reads every number through the accessors.
void CheckKv(const CompressedKv& kv) {
  for (int layer = 0; layer < kv.layers; ++layer) {
    for (int head = 0; head < kv.kv_heads; ++head) {
      std::vector<float> numbers(kv.Slots(layer, head) * size_t(kv.head_dim));
      kv.ReadKeys(layer, head, numbers.data());
      for (float number : numbers)
        FuzzCheck(std::isfinite(number), "every number is finite");
      kv.ReadValues(layer, head, numbers.data());
    }
  }
}

void CheckBlob(const KvBlob& blob, size_t bytes) {
  FuzzCheck(blob.kv.size() == blob.record.representations.size(),
            "each representation has keys and values");
  for (const CompressedKv& kv : blob.kv) {
    FuzzCheck(kv.Bytes() <= int64_t(bytes), "it holds no more than the input");
    FuzzCheck(kv.first_slot.size() <= bytes, "nor more heads");
    CheckKv(kv);
  }
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
  const auto blob = gist::DecodeKvBlob(bytes);
  if (!blob.ok()) return 0;
  gist::CheckBlob(*blob, bytes.size());
  const auto encoded = gist::EncodeKvBlob(*blob);
  FuzzCheck(encoded.ok(), "what decodes can be encoded");
  const auto again = gist::DecodeKvBlob(*encoded);
  FuzzCheck(again.ok(), "what was encoded decodes");
  FuzzCheck(again->record == blob->record && again->kv == blob->kv &&
                again->text == blob->text,
            "it comes back as it was");
  const auto same = gist::EncodeKvBlob(*again);
  FuzzCheck(same.ok() && *same == *encoded, "equal blobs give equal bytes");
  return 0;
}
