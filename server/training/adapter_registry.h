// Brings adapters into use, and back, while the service runs.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/scheduling/scheduler.h"
#include "server/training/adapter_store.h"

namespace gist {

// Thread-safe; calls wait for the scheduler. Contexts of an adapter that goes
// out of use keep answering: what made a context's gists is not needed again.
class AdapterRegistry {
 public:
  // `configured`: folder of the adapter that the engine was started with.
  AdapterRegistry(Scheduler& scheduler, AdapterStore& store,
                  std::string configured);

  // Uses what was in use when the server stopped. Without it the configured
  // adapter stays in use until the first Promote.
  absl::Status Restore();
  // Uses "NAME@VERSION", or the latest version of "NAME". The history is
  // written after the engine has taken it; after an error the old one stays in
  // use. kNotFound, kDataLoss, kFailedPrecondition (the adapter is of another
  // model).
  absl::StatusOr<AdapterVersion> Promote(std::string_view title);
  // The same, unless another one than `expected` (InUse) came into use:
  // kAborted.
  absl::StatusOr<AdapterVersion> PromoteOver(std::string_view expected,
                                             std::string_view title);
  // Goes back to what was in use before; the title that is in use then, as
  // InUse says. kFailedPrecondition: nothing was.
  absl::StatusOr<std::string> Rollback();

  // Title of the version in use; empty: the configured adapter.
  absl::StatusOr<std::string> InUse() const;
  // Its folder.
  absl::StatusOr<std::string> FolderInUse() const;

 private:
  // All want mutex_.
  absl::StatusOr<AdapterVersion> PromoteLocked(std::string_view title);
  absl::Status Switch(std::vector<std::string> history);
  absl::StatusOr<std::string> FolderOfLast(
      const std::vector<std::string>& history) const;
  absl::StatusOr<std::vector<std::string>> HistoryInUse() const;

  absl::Status UseFolder(const std::string& folder);

  Scheduler& scheduler_;
  AdapterStore& store_;
  const std::string configured_;
  mutable std::mutex mutex_;
  bool restored_ = false;  // the engine follows the history
};

}  // namespace gist
