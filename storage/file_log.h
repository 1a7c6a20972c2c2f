// RocksDB's remarks in the file LOG of its folder.
#pragma once

#include <memory>
#include <string>

#include "rocksdb/env.h"

namespace gist {

// RocksDB's own logger ends the process with a failed assertion when it writes
// again after the disk was full (7.8.3 as Debian builds it, where assertions
// are on). This one goes without the lines that cannot be written. Warnings and
// errors alone; 1 MiB at most, the log of the start before stays as LOG.old.
std::shared_ptr<rocksdb::Logger> OpenFileLog(const std::string& folder);

}  // namespace gist
