#include "server/training/adapter_registry.h"

#include <algorithm>
#include <future>
#include <iterator>
#include <memory>
#include <utility>

#include "core/base/status.h"
#include "server/support/errors.h"
#include "spdlog/spdlog.h"

namespace gist {
namespace {

class UseAdapterJob : public Job {
 public:
  UseAdapterJob(std::string folder, std::promise<absl::Status> done)
      : folder_(std::move(folder)), done_(std::move(done)) {}
  QueueClass queue_class() const override { return QueueClass::kAdapter; }
  absl::StatusOr<Next> Step(Engine& engine, int) override {
    GIST_RETURN_IF_ERROR(engine.UseAdapter(folder_));
    return Next::kDone;
  }
  void End(const absl::Status& status) override { done_.set_value(status); }

 private:
  const std::string folder_;
  std::promise<absl::Status> done_;
};

}  // namespace

AdapterChoice ChoiceOf(std::string_view setting, std::string installed) {
  if (setting == "off") return {};
  if (setting == "auto") return {std::move(installed), /*required=*/false};
  return {std::string(setting)};
}

absl::StatusOr<std::string> UseFirstAdapter(Engine& engine,
                                            const AdapterChoice& choice) {
  absl::Status used = engine.UseAdapter(choice.folder);
  if (used.ok() && !choice.folder.empty()) return choice.folder;
  const bool fits_not =
      absl::IsNotFound(used) || absl::IsFailedPrecondition(used);
  if (!used.ok() && (choice.required || !fits_not)) return used;
  SPDLOG_WARN("adapter=none model={:?} reason={:?} next={:?}",
              engine.model().name, used.ok() ? "adapter is off" : Message(used),
              "full text and passages answer; gist train makes a gist adapter");
  return "";
}

AdapterRegistry::AdapterRegistry(Scheduler& scheduler, AdapterStore& store,
                                 std::string configured,
                                 std::string model_fingerprint)
    : scheduler_(scheduler),
      store_(store),
      configured_(std::move(configured)),
      model_fingerprint_(std::move(model_fingerprint)) {}

bool AdapterRegistry::Fits(const AdapterVersion& version) const {
  const std::string model = store_.ModelOf(version);
  return model.empty() || model == model_fingerprint_;
}

// One that is gone stays: using it says so.
std::vector<std::string> AdapterRegistry::Fitting(
    std::vector<std::string> history) const {
  std::erase_if(history, [this](const std::string& title) {
    const auto version = store_.Find(title);
    return version.ok() && !Fits(*version);
  });
  return history;
}

absl::Status AdapterRegistry::UseFolder(const std::string& folder) {
  std::promise<absl::Status> promise;
  std::future<absl::Status> done = promise.get_future();
  GIST_RETURN_IF_ERROR(scheduler_.Submit(
      std::make_unique<UseAdapterJob>(folder, std::move(promise)), Caller()));
  return done.get();
}

absl::StatusOr<std::string> AdapterRegistry::FolderOfLast(
    const std::vector<std::string>& history) const {
  if (history.empty()) return configured_;
  GIST_ASSIGN_OR_RETURN(const AdapterVersion version,
                        store_.Find(history.back()));
  return store_.VerifiedFolderOf(version);
}

// The engine first: it checks the adapter. If the history cannot be written the
// engine goes back, so that both always say the same.
absl::Status AdapterRegistry::Switch(std::vector<std::string> history) {
  GIST_ASSIGN_OR_RETURN(const auto before, HistoryInUse());
  GIST_ASSIGN_OR_RETURN(const std::string folder,
                        FolderOfLast(Fitting(history)));
  GIST_RETURN_IF_ERROR(UseFolder(folder));
  const absl::Status written = store_.SetHistory(history);
  if (written.ok()) {
    restored_ = true;
    return absl::OkStatus();
  }
  GIST_ASSIGN_OR_RETURN(const std::string old_folder, FolderOfLast(before));
  GIST_RETURN_IF_ERROR(UseFolder(old_folder));
  return written;
}

absl::StatusOr<std::vector<std::string>> AdapterRegistry::HistoryInUse() const {
  if (!restored_) return std::vector<std::string>();
  GIST_ASSIGN_OR_RETURN(auto history, store_.History());
  return Fitting(std::move(history));
}

absl::Status AdapterRegistry::Restore() {
  const std::scoped_lock lock(mutex_);
  restored_ = true;
  GIST_ASSIGN_OR_RETURN(const auto all, store_.History());
  const auto history = Fitting(all);
  if (all.size() > history.size())
    SPDLOG_INFO("adapters of other models passed over={}",
                all.size() - history.size());
  if (history.empty()) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(const std::string folder, FolderOfLast(history));
  const absl::Status used = UseFolder(folder);
  return Within(fmt::format("the promoted adapter {} (start with --adapter to "
                            "use another one)",
                            history.back()),
                used);
}

absl::StatusOr<AdapterVersion> AdapterRegistry::PromoteLocked(
    std::string_view title) {
  GIST_ASSIGN_OR_RETURN(AdapterVersion version, store_.Find(title));
  if (!Fits(version)) {
    return Error(Reason::kModelMismatch,
                 fmt::format("{} is made for the model with SHA-256 {}, this "
                             "server runs {}; ListAdapters says which fit",
                             version.Title(), store_.ModelOf(version),
                             model_fingerprint_));
  }
  GIST_ASSIGN_OR_RETURN(auto history, store_.History());
  const auto fitting = Fitting(history);
  const bool is_last = !fitting.empty() && fitting.back() == version.Title();
  if (is_last && restored_) return version;
  if (!is_last) history.push_back(version.Title());
  GIST_RETURN_IF_ERROR(Switch(std::move(history)));
  return version;
}

absl::StatusOr<AdapterVersion> AdapterRegistry::Promote(
    std::string_view title) {
  const std::scoped_lock lock(mutex_);
  return PromoteLocked(title);
}

absl::StatusOr<AdapterVersion> AdapterRegistry::PromoteOver(
    std::string_view expected, std::string_view title) {
  const std::scoped_lock lock(mutex_);
  GIST_ASSIGN_OR_RETURN(const auto history, HistoryInUse());
  const std::string in_use = history.empty() ? "" : history.back();
  if (in_use != expected) {
    return Error(Reason::kAdapterChanged,
                 fmt::format("{:?} came into use meanwhile; compare with it, "
                             "then promote by hand",
                             in_use));
  }
  return PromoteLocked(title);
}

absl::StatusOr<std::string> AdapterRegistry::Rollback() {
  const std::scoped_lock lock(mutex_);
  GIST_ASSIGN_OR_RETURN(auto fitting, HistoryInUse());
  if (fitting.empty()) {
    return Error(Reason::kNothingToRollBack,
                 "no adapter was promoted: there is none before the one that "
                 "gistd started with");
  }
  GIST_ASSIGN_OR_RETURN(auto history, store_.History());
  const auto last = std::find(history.rbegin(), history.rend(), fitting.back());
  history.erase(std::next(last).base());
  fitting.pop_back();
  GIST_RETURN_IF_ERROR(Switch(std::move(history)));
  return fitting.empty() ? std::string() : fitting.back();
}

absl::StatusOr<std::string> AdapterRegistry::InUse() const {
  const std::scoped_lock lock(mutex_);
  GIST_ASSIGN_OR_RETURN(const auto history, HistoryInUse());
  return history.empty() ? std::string() : history.back();
}

absl::StatusOr<AdapterInUse> AdapterRegistry::Loaded() const {
  const std::scoped_lock lock(mutex_);
  GIST_ASSIGN_OR_RETURN(const auto history, HistoryInUse());
  return AdapterInUse{history.empty() ? std::string() : history.back(),
                      scheduler_.adapter()};
}

absl::StatusOr<std::string> AdapterRegistry::FolderInUse() const {
  const std::scoped_lock lock(mutex_);
  GIST_ASSIGN_OR_RETURN(const auto history, HistoryInUse());
  return FolderOfLast(history);
}

}  // namespace gist
