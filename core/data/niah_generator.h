// Files of needle-in-a-haystack samples.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/haystack.h"
#include "core/data/niah_source.h"
#include "core/data/record.h"

namespace gist {

struct DepthRange {  // of a needle, share of the tokens
  double low = 0.2;
  double high = 0.8;
};

struct NiahFileOptions {
  int min_tokens = 2000;  // lengths are spread evenly over this range
  int max_tokens = 8000;
  std::vector<int> tokens = {};  // these lengths in turn, instead of the range
  std::vector<DepthRange> depths = {DepthRange{}};  // in turn
  uint64_t seed = 1;
  // Another series of the same seed has other values, places and text: files in
  // two languages say nothing twice.
  std::string series = {};
};

// Deterministic: sample i depends on source, options and i alone. One record
// for each question; the questions of one document follow each other.
class NiahGenerator {
 public:
  // kInvalidArgument: lengths or depths out of range, named.
  static absl::StatusOr<NiahGenerator> Create(
      std::shared_ptr<const NiahSource> source, NiahFileOptions options,
      CountTokens count_tokens);

  // Errors: those of BuildHaystack.
  absl::StatusOr<Record> Next();

 private:
  NiahGenerator(std::shared_ptr<const NiahSource> source,
                NiahFileOptions options, CountTokens count_tokens)
      : source_(std::move(source)),
        options_(std::move(options)),
        count_tokens_(std::move(count_tokens)) {}

  absl::StatusOr<Haystack> Hide(const std::string& language,
                                std::span<const PlacedNeedle> needles,
                                const Rng& rng, std::string* filler_name) const;
  absl::Status MakeDocument();
  // `record`: what the document's records have in common.
  absl::Status AddRecord(Record record, const Task& task,
                         const Haystack& haystack, size_t first_needle);
  int Length() const;

  std::shared_ptr<const NiahSource> source_;
  NiahFileOptions options_;
  CountTokens count_tokens_;
  uint64_t documents_ = 0;
  std::deque<Record> ready_;
};

}  // namespace gist
