// Retention as a sealed value. FORMAT.md gives the fields.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/gist_store.h"

namespace gist {

std::string SealRetention(std::string_view context_id,
                          const Retention& retention);

// kDataLoss: damaged; kFailedPrecondition: of a newer version. Fields of other
// names are skipped.
absl::StatusOr<Retention> UnsealRetention(std::string_view context_id,
                                          std::string_view value);

}  // namespace gist
