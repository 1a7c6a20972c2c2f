// What decodes as a chunk index can be searched, and encoded again to what
// decodes to the same. The first byte says whether the outer seal is made true.
// That of the vectors inside is not: hnswlib believes what it reads, and the
// seal is what stands before it.
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/checksum.h"
#include "core/retrieval/chunk_index.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gist::FuzzCheck;
  if (size == 0) return 0;
  std::string bytes(data + 1, data + size);
  if (data[0] % 2 == 1) bytes = gist::Seal("chunk index", bytes);
  const auto index = gist::DecodeChunkIndex(bytes);
  if (!index.ok()) return 0;
  FuzzCheck(int64_t(index->chunks.size()) == index->vectors.size(),
            "each chunk has a vector");
  std::vector<float> query(size_t(index->vectors.dimensions()));
  if (!query.empty()) query[0] = 1;
  const auto found = index->vectors.Search(query, 3, 10);
  if (found.ok()) {
    for (const gist::Neighbour& neighbour : *found)
      FuzzCheck(neighbour.label < index->chunks.size(), "labels are places");
  }
  const auto encoded = gist::EncodeChunkIndex(*index);
  if (!encoded.ok()) return 0;
  const auto again = gist::DecodeChunkIndex(*encoded);
  FuzzCheck(again.ok() && again->chunks == index->chunks,
            "it decodes to the same again");
  return 0;
}
