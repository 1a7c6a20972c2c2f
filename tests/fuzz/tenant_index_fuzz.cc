// What decodes as a tenant's index can be searched and lose its documents, and
// is encoded to what decodes to the same. The first byte says whether the outer
// seal is made true; that of the vectors inside is not, as in chunk_index_fuzz.
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/checksum.h"
#include "core/retrieval/tenant_index.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gist::FuzzCheck;
  if (size == 0) return 0;
  std::string bytes(data + 1, data + size);
  if (data[0] % 2 == 1) bytes = gist::Seal("tenant index", bytes);
  auto index = gist::DecodeTenantIndex(bytes);
  if (!index.ok()) return 0;
  const auto ids = index->document_ids();
  const auto encoded = gist::EncodeTenantIndex(*index);
  FuzzCheck(encoded.ok(), "what decodes is encoded");
  const auto again = gist::DecodeTenantIndex(*encoded);
  FuzzCheck(again.ok() && again->document_ids() == ids &&
                again->chunks() == index->chunks(),
            "it decodes to the same again");
  const std::vector<float> query = {1, 0};
  const auto found = index->Search(query, 3, 10);
  if (found.ok()) {
    for (const gist::FoundChunk& chunk : *found)
      FuzzCheck(index->Holds(chunk.document_id), "what is found is there");
  }
  for (const std::string& id : ids)
    FuzzCheck(index->Remove(id), "removed once");
  FuzzCheck(index->chunks() == 0, "every chunk was a document's");
  return 0;
}
