// Nearest neighbours among unit vectors: an HNSW graph (arXiv:1603.09320), by
// hnswlib.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

struct VectorIndexOptions {
  int links = 16;             // M: of each node, in each layer
  int construction_ef = 200;  // candidates while a node is put in
};

struct Neighbour {
  uint64_t label = 0;
  float similarity = 0;  // cosine, -1 to 1

  bool operator==(const Neighbour&) const = default;
};

// Vectors have `dimensions` numbers and length 1. The same vectors added in the
// same order make the same graph. Add and Remove by one thread at a time, and
// not beside others; Search and Serialize by any number.
class VectorIndex {
 public:
  VectorIndex(int dimensions, VectorIndexOptions options);
  ~VectorIndex();
  VectorIndex(VectorIndex&&) noexcept;
  VectorIndex& operator=(VectorIndex&&) noexcept;

  int dimensions() const;
  int64_t size() const;  // vectors that can be found
  // Places in the graph that vectors left, until the index is made anew.
  int64_t removed() const;
  // In memory, with the room that it has, and after `more` additions.
  int64_t memory_bytes(int64_t more = 0) const;

  // kInvalidArgument: of another size, not of length 1, or a label that is
  // there.
  absl::Status Add(uint64_t label, std::span<const float> vector);
  // The vector is overwritten: nothing of it is in memory, or in what Serialize
  // gives. Its place in the graph stays. kNotFound: no such label.
  absl::Status Remove(uint64_t label);
  // kNotFound: no such label.
  absl::StatusOr<std::vector<float>> Vector(uint64_t label) const;
  // Of that one to `vector`, as Search tells it. Likewise.
  absl::StatusOr<float> Similarity(uint64_t label,
                                   std::span<const float> vector) const;

  // The `count` most similar, or as many as there are, best first; of equal
  // ones the smaller label first. Where the graph leads to fewer, all are
  // looked at. `ef`: candidates that are kept while
  // searching, more find more exactly; at least `count` are. kInvalidArgument:
  // of another size, or a count or ef below 1.
  absl::StatusOr<std::vector<Neighbour>> Search(std::span<const float> vector,
                                                int count, int ef) const;

  // Checksummed bytes. Parse gives hnswlib nothing that it has not verified:
  // kDataLoss: damaged; kFailedPrecondition: of a newer version.
  absl::StatusOr<std::string> Serialize() const;
  static absl::StatusOr<VectorIndex> Parse(std::string_view bytes);

 private:
  struct Impl;
  explicit VectorIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gist
