#include "client/tools/bring_model.h"

#include <optional>

#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/status.h"
#include "core/hub/hub.h"

namespace gist::client {
namespace {

// Files are brought one behind the other.
class Display {
 public:
  void Show(const HubProgress& progress) {
    const std::string file = WithoutControls(progress.file);
    switch (progress.step) {
      case HubStep::kWaits:
        return PrintNote(
            fmt::format("waiting for another process that fetches {}", file));
      case HubStep::kFetches:
        if (!bar_.has_value()) bar_.emplace("fetching " + file, Unit::kBytes);
        return bar_->Update(progress.done, progress.total);
      case HubStep::kFetched:
        bar_.reset();
        return PrintNote(fmt::format("fetched {}, {}", file,
                                     FormatBytes(progress.total)));
    }
  }

 private:
  std::optional<ProgressBar> bar_;
};

}  // namespace

absl::StatusOr<std::string> BringModel(const std::string& model) {
  if (!model.starts_with(kHubPrefix)) return model;
  GIST_ASSIGN_OR_RETURN(HubOptions options, HubOptions::FromEnvironment());
  Display display;
  options.progress = [&](const HubProgress& progress) {
    display.Show(progress);
  };
  return LocalModel(model, options);
}

}  // namespace gist::client
