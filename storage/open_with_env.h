// For tests: a store whose files are read and written through `env`.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/gist_store.h"

namespace rocksdb {
class Env;
}

namespace gist {

// As OpenGistStore. `env` outlives the store.
absl::StatusOr<std::unique_ptr<GistStore>> OpenGistStoreWithEnv(
    const std::string& folder, rocksdb::Env* env);

}  // namespace gist
