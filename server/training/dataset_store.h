// Datasets that users uploaded, named by their content.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/record.h"

namespace gist {

struct Dataset {
  std::string dataset_id;  // "ds_" and 32 hex digits of the SHA-256
  int64_t bytes = 0;
  int64_t records = 0;
  int64_t created_unix_ms = 0;
};

struct DatasetLimits {
  int64_t max_bytes = int64_t{64} << 20;  // of one dataset
  int max_datasets = 1000;                // of one tenant
};

// A file DATASET_ID.jsonl and its description DATASET_ID.json in one folder, or
// in tenants/TENANT below it. Nobody sees another tenant's. Thread-safe: what
// is there never changes.
class DatasetStore {
 public:
  explicit DatasetStore(std::string folder, DatasetLimits limits = {});

  // Checks every line, then keeps all or nothing. The same bytes are the same
  // dataset. kInvalidArgument: a line is no sample; kResourceExhausted: over a
  // limit; kUnavailable: the disk.
  absl::StatusOr<Dataset> Add(std::string_view json_lines,
                              std::string_view tenant = {});
  // kNotFound; also for what is no dataset id.
  absl::StatusOr<Dataset> Get(std::string_view dataset_id,
                              std::string_view tenant = {}) const;
  absl::StatusOr<std::vector<Record>> Load(std::string_view dataset_id,
                                           std::string_view tenant = {}) const;
  // Ordered by id.
  absl::StatusOr<std::vector<Dataset>> List(std::string_view tenant = {}) const;
  absl::Status Delete(std::string_view dataset_id,
                      std::string_view tenant = {});

  const DatasetLimits& limits() const { return limits_; }

 private:
  std::string FolderOf(std::string_view tenant) const;
  std::string PathOf(std::string_view tenant, std::string_view dataset_id,
                     const char* suffix) const;

  const std::string folder_;
  const DatasetLimits limits_;
};

}  // namespace gist
