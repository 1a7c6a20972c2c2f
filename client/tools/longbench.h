// `gist data longbench`: fetches LongBench's zip file and unpacks it.
#pragma once

#include <stop_token>
#include <string>

#include "absl/status/status.h"

namespace gist::client {

struct LongBenchArguments {
  std::string url;     // where the zip file is; or
  std::string file;    // which one it is
  std::string sha256;  // of the zip file, hex; empty: not known
  std::string out;     // folder, made where it is not there
};

// Nothing is unpacked before the SHA-256 is right. Says on standard error what
// came out: records by dataset, and the SHA-256 where none was given. Errors:
// those of Fetch and Unzip; kDataLoss (another SHA-256); those of ReadLongBench
// for what was unpacked.
absl::Status RunLongBench(const LongBenchArguments& arguments,
                          std::stop_token stop);

}  // namespace gist::client
