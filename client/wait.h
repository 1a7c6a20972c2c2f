// Waits for a gistd that starts: not reachable yet, or loading its model.
#pragma once

#include <functional>

#include "client/gist_client.h"

namespace gist::client {

struct WaitProgress {
  bool is_loading = false;  // false: the server cannot be reached
  double waited_seconds = 0;
};

// Returns once the server at `options.target` serves calls, `seconds` have
// passed or `options.stop` is requested; the next call tells which. Asks
// grpc.health.v1, at least once; any other answer than "not serving" means that
// calls may go on. `on_wait` is called before each pause, five times a second.
void WaitForServer(const ClientOptions& options, double seconds,
                   const std::function<void(const WaitProgress&)>& on_wait);

}  // namespace gist::client
