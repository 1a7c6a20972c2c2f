// Why a call fails, for programs: a reason on an absl::Status, from where the
// error is made to where it leaves the server.
#pragma once

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace gist {

// gist.v1.ErrorReason, by name; docs/errors.md explains each to users.
enum class Reason {
  kRequestInvalid,
  kRequestMalformed,
  kRequestIdReused,
  kContextWindowExceeded,
  kNotImplemented,
  kNameNotFound,
  kContextNotFound,
  kTrainingNotFound,
  kDatasetNotFound,
  kAdapterNotFound,
  kPresetNotFound,
  kServiceNotFound,
  kModelMismatch,
  kTextNotKept,
  kNoEmbedder,
  kNoAnswerAdapter,
  kDatasetInUse,
  kNoAdapterMade,
  kNothingToRollBack,
  kAdapterChanged,
  kNoBackupFolder,
  kBackupRunning,
  kQueueFull,
  kTrainingQueueFull,
  kComparisonRunning,
  kTooManyWatchers,
  kDocumentTooLarge,
  kDatasetTooLarge,
  kTooManyDatasets,
  kStoreFull,
  kOutOfMemory,
  kDataDamaged,
  kStoreUnavailable,
  kModelLoading,
  kDraining,
  kInternalError,
  kDeadlinePassed,
  kCallCancelled,
  kTokenMissing,
  kTokenMalformed,
  kTokenInvalid,
  kTokenExpired,
  kRoleTooLow,
  kNoGistAdapter,
  kRepresentationMissing,
};

struct ReasonInfo {
  Reason reason;
  const char* name;       // "QUEUE_FULL"
  absl::StatusCode code;  // of every error with this reason
  // The same call may succeed after this long; zero: not by waiting.
  std::chrono::milliseconds retry_delay;
  // Refused by a limit of this server, before any work was done.
  bool is_limit = false;
};

// All of them, in the order of the enum.
std::span<const ReasonInfo> AllReasons();
const ReasonInfo& InfoOf(Reason reason);

using ErrorMetadata = std::map<std::string, std::string>;

// An error with the reason's code. `metadata`: the numbers that the message
// speaks of, keys in lowerCamelCase.
absl::Status Error(Reason reason, std::string_view message,
                   const ErrorMetadata& metadata = {});
// kInvalidArgument, of that field of the request ("retrieval.top_k").
absl::Status InvalidField(std::string_view field, std::string_view message,
                          Reason reason = Reason::kRequestInvalid);

// What an error says of itself. An error without a reason (storage, the engine
// and files make some) gets the one that its code stands for.
struct ErrorDetails {
  Reason reason = Reason::kInternalError;
  ErrorMetadata metadata;
  std::string field;  // of the request; empty: none is to blame
};
// `status` is not OK.
ErrorDetails DetailsOf(const absl::Status& status);

// `status` with another message and the same code and details.
absl::Status WithMessage(const absl::Status& status, std::string_view message);

}  // namespace gist
