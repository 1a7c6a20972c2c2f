// --wait: commands wait for a gistd that starts.
#include <cstdio>
#include <memory>
#include <mutex>
#include <set>

#include "client/cli/cli_parts.h"
#include "client/terminal/terminal.h"
#include "client/wait.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

// Redraws one line of a terminal.
void ShowWait(const std::string& target, const WaitProgress& progress) {
  const std::string line = fmt::format(
      "waiting for gistd at {}: {}, {:.0f} s", target,
      progress.is_loading ? "loading the model" : "not reachable yet",
      progress.waited_seconds);
  const size_t columns = size_t(std::max(Columns() - 1, 0));
  std::fputs((kEraseLine + line.substr(0, columns)).c_str(), stderr);
}

// Waits once for each server.
struct Waiter {
  double seconds;
  std::mutex mutex;  // guards `seen`; held while one thread waits for all
  std::set<std::string> seen;

  void Wait(const ClientOptions& options) {
    const std::scoped_lock lock(mutex);
    if (!seen.insert(options.target).second) return;
    // A call that may take a second need not wait for ten.
    const double most = options.timeout_seconds > 0
                            ? std::min(seconds, options.timeout_seconds)
                            : seconds;
    bool drawn = false;
    WaitForServer(options, most, [&](const WaitProgress& progress) {
      if (!CanShowProgress()) return;
      ShowWait(options.target, progress);
      drawn = true;
    });
    if (drawn) std::fputs(kEraseLine, stderr);
  }
};

}  // namespace

void AddWait(CLI::App& app, double* seconds) {
  app.add_option("--wait", *seconds,
                 "Wait so long for a server that starts or still loads its "
                 "model; 0: do not wait; also by GIST_WAIT")
      ->envname("GIST_WAIT")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str()
      ->type_name("SECONDS");
}

void SetWait(double seconds, ClientOptions& options) {
  if (seconds <= 0) return;
  auto waiter = std::make_shared<Waiter>();
  waiter->seconds = seconds;
  options.before_call = [waiter](const ClientOptions& its) {
    waiter->Wait(its);
  };
}

}  // namespace gist::client
