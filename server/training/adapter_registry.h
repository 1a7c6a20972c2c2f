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

// The adapter that a setting names.
struct AdapterChoice {
  std::string folder;    // empty: none
  bool required = true;  // false: it may be missing, or of another model
};
// "off": none. "auto": `installed`, which need not fit. Else a folder.
AdapterChoice ChoiceOf(std::string_view setting, std::string installed);

// Lets an engine without an adapter, which nothing else uses yet, use the one
// that gistd was configured with. Its folder; empty: none is in use, which is
// logged. Errors: Engine::UseAdapter's, of one that is required; else neither
// kNotFound nor kFailedPrecondition.
absl::StatusOr<std::string> UseFirstAdapter(Engine& engine,
                                            const AdapterChoice& choice);

// Both of one moment.
struct AdapterInUse {
  std::string title;  // of a version; empty: the configured adapter, or none
  AdapterInfo loaded;
};

// Thread-safe; calls wait for the scheduler. Contexts of an adapter that goes
// out of use keep answering: what made a context's gists is not needed again.
// Adapters of other models than the one in use are passed over in the history.
class AdapterRegistry {
 public:
  // `configured`: folder of the adapter that the engine was started with;
  // empty: none.
  AdapterRegistry(Scheduler& scheduler, AdapterStore& store,
                  std::string configured, std::string model_fingerprint);

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

  // Title of the version in use; empty: the configured adapter, or none.
  absl::StatusOr<std::string> InUse() const;
  absl::StatusOr<AdapterInUse> Loaded() const;
  // Its folder; empty: no adapter is in use.
  absl::StatusOr<std::string> FolderInUse() const;
  // `version` is made for the model in use, as far as its files say.
  bool Fits(const AdapterVersion& version) const;

 private:
  // All want mutex_.
  absl::StatusOr<AdapterVersion> PromoteLocked(std::string_view title);
  // `history`: of all models.
  absl::Status Switch(std::vector<std::string> history);
  std::vector<std::string> Fitting(std::vector<std::string> history) const;
  absl::StatusOr<std::string> FolderOfLast(
      const std::vector<std::string>& history) const;
  absl::StatusOr<std::vector<std::string>> HistoryInUse() const;

  absl::Status UseFolder(const std::string& folder);

  Scheduler& scheduler_;
  AdapterStore& store_;
  const std::string configured_;
  const std::string model_fingerprint_;
  mutable std::mutex mutex_;
  bool restored_ = false;  // the engine follows the history
};

}  // namespace gist
