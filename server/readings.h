// Reads the server's state for the metrics page.
#pragma once

#include <string>

#include "server/telemetry/readings.h"

namespace gist {

class Pipeline;

// Any thread. `data_dir`: the folder of the configuration; its files are
// listed, not read.
Readings ReadServer(const Pipeline& pipeline, const std::string& data_dir);

}  // namespace gist
