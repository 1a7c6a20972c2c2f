// RocksDB's write-ahead logs, looked at before RocksDB reads them.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rocksdb {
class Env;
}

namespace gist {

// A record that is longer than what is left of its file is taken by RocksDB for
// one that a crash cut short, and dropped with all behind it. If its bytes are
// there, its length is what is wrong: kDataLoss names file and byte.
// kUnavailable: a log cannot be read. Of the logs in `folder`, last blocks are
// read, 32 kB each.
// Source: RocksDB 7.8, db/log_format.h, db/log_reader.cc.
absl::Status CheckLogTails(const std::string& folder, rocksdb::Env* env);

}  // namespace gist
