// A training as a file: it goes on from there to the same losses.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/train/parameters.h"

namespace gist {

// What a checkpoint knows beside the parameters and their moments.
struct TrainProgress {
  int step = 0;             // optimizer steps done
  std::string recipe_hash;  // SHA-256 over recipe and model
  double smooth_loss = 0;   // running mean
};

// One safetensors file: `values`, `first_moments` and `second_moments` as flat
// float32, progress in its metadata. All or nothing, also when the machine
// stops: kResourceExhausted (disk full), kPermissionDenied, kNotFound (no such
// folder); the old file stays.
absl::Status SaveCheckpoint(const std::string& path,
                            const AdapterParameters& parameters,
                            const TrainProgress& progress);

// Into `parameters`, of the same sizes. kNotFound: no file. kDataLoss: not one
// of SaveCheckpoint's, or damaged. kFailedPrecondition: `recipe_hash` differs.
absl::StatusOr<TrainProgress> LoadCheckpoint(const std::string& path,
                                             std::string_view recipe_hash,
                                             AdapterParameters* parameters);

// The whole of `bytes` or what was there before. Errors as above.
absl::Status WriteWholeFile(const std::string& path, std::string_view bytes);

}  // namespace gist
