// A store that counts what is asked of it.
#pragma once

#include <memory>

#include "server/telemetry/metrics.h"
#include "storage/gist_store.h"

namespace gist {

// Does what `store` does. `metrics` outlives it.
std::unique_ptr<GistStore> CountStore(std::unique_ptr<GistStore> store,
                                      Metrics& metrics);

}  // namespace gist
