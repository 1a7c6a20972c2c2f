// The normalizer that SentencePiece compiles into its models, such as nmt_nfkc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gist {

// A map from short strings to what stands for them. Immutable, thread-safe.
// Source of the format: a double array (github.com/s-yata/darts-clone) and the
// strings it points into, as github.com/google/sentencepiece, normalizer.cc,
// writes them.
class Charsmap {
 public:
  // Maps nothing.
  Charsmap() = default;
  // `blob`: little-endian uint32 of the array's bytes, the array, then strings
  // that end with 0. kDataLoss: shorter than it says, or strings that are not
  // UTF-8 or do not end. An entry that points behind the end maps
  // nothing.
  static absl::StatusOr<Charsmap> Create(std::string_view blob);

  // The replacement of the shortest of the map's strings that `text` begins
  // with, as in `tokenizers`; nullopt: there is none. Borrows from this.
  std::optional<std::string_view> Find(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string strings_;
};

}  // namespace gist
