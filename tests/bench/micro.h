// What the micro benchmarks share.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/compress/compressed_kv.h"
#include "storage/gist_store.h"

namespace gist::bench {

inline void WantOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T WantValue(absl::StatusOr<T> value) {
  WantOk(value.status());
  return *std::move(value);
}

inline std::string WantFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) WantOk(absl::NotFoundError(path + ": cannot be read"));
  return bytes;
}

// Before main ends: RocksDB's own globals go before those of this program.
void CloseStores();

// A context of the default model's shape (30 layers, 3 KV heads of 64
// dimensions) with `slots` slots, and what it holds.
struct SampleContext {
  ContextRecord record;
  CompressedKv kv;
  std::string text;  // about 4 kB; `number` makes it one of its own
};
// Gists in F16.
SampleContext MakeGistContext(int slots, int number = 0);
// All tokens in I8.
SampleContext MakeFullContext(int slots, int number = 0);

}  // namespace gist::bench
