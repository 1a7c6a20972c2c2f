#include "server/support/errors.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "absl/strings/cord.h"
#include "core/base/status.h"

namespace gist {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;

constexpr milliseconds kNever{0};
// A place is free when a request ends: about a short answer on a CPU.
constexpr milliseconds kSoon{1000};
// What a restart, a disk or a training takes.
constexpr milliseconds kLater{5000};

constexpr bool kIsLimit = true;

constexpr ReasonInfo kReasons[] = {
    {Reason::kRequestInvalid, "REQUEST_INVALID", StatusCode::kInvalidArgument,
     kNever},
    {Reason::kRequestMalformed, "REQUEST_MALFORMED",
     StatusCode::kInvalidArgument, kNever},
    {Reason::kRequestIdReused, "REQUEST_ID_REUSED",
     StatusCode::kInvalidArgument, kNever},
    {Reason::kContextWindowExceeded, "CONTEXT_WINDOW_EXCEEDED",
     StatusCode::kOutOfRange, kNever},
    {Reason::kNotImplemented, "NOT_IMPLEMENTED", StatusCode::kUnimplemented,
     kNever},
    {Reason::kNameNotFound, "NAME_NOT_FOUND", StatusCode::kNotFound, kNever},
    {Reason::kContextNotFound, "CONTEXT_NOT_FOUND", StatusCode::kNotFound,
     kNever},
    {Reason::kTrainingNotFound, "TRAINING_NOT_FOUND", StatusCode::kNotFound,
     kNever},
    {Reason::kDatasetNotFound, "DATASET_NOT_FOUND", StatusCode::kNotFound,
     kNever},
    {Reason::kAdapterNotFound, "ADAPTER_NOT_FOUND", StatusCode::kNotFound,
     kNever},
    {Reason::kPresetNotFound, "PRESET_NOT_FOUND", StatusCode::kNotFound,
     kNever},
    {Reason::kServiceNotFound, "SERVICE_NOT_FOUND", StatusCode::kNotFound,
     kNever},
    {Reason::kModelMismatch, "MODEL_MISMATCH", StatusCode::kFailedPrecondition,
     kNever},
    {Reason::kTextNotKept, "TEXT_NOT_KEPT", StatusCode::kFailedPrecondition,
     kNever},
    {Reason::kNoEmbedder, "NO_EMBEDDER", StatusCode::kFailedPrecondition,
     kNever},
    {Reason::kNoAnswerAdapter, "NO_ANSWER_ADAPTER",
     StatusCode::kFailedPrecondition, kNever},
    {Reason::kDatasetInUse, "DATASET_IN_USE", StatusCode::kFailedPrecondition,
     kNever},
    {Reason::kNoAdapterMade, "NO_ADAPTER_MADE", StatusCode::kFailedPrecondition,
     kNever},
    {Reason::kNothingToRollBack, "NOTHING_TO_ROLL_BACK",
     StatusCode::kFailedPrecondition, kNever},
    {Reason::kAdapterChanged, "ADAPTER_CHANGED", StatusCode::kAborted, kSoon},
    {Reason::kNoBackupFolder, "NO_BACKUP_FOLDER",
     StatusCode::kFailedPrecondition, kNever},
    {Reason::kBackupRunning, "BACKUP_RUNNING", StatusCode::kAborted, kLater},
    {Reason::kQueueFull, "QUEUE_FULL", StatusCode::kResourceExhausted, kSoon,
     kIsLimit},
    {Reason::kTrainingQueueFull, "TRAINING_QUEUE_FULL",
     StatusCode::kResourceExhausted, milliseconds(60000), kIsLimit},
    {Reason::kComparisonRunning, "COMPARISON_RUNNING",
     StatusCode::kResourceExhausted, kLater, kIsLimit},
    {Reason::kTooManyWatchers, "TOO_MANY_WATCHERS",
     StatusCode::kResourceExhausted, kLater, kIsLimit},
    {Reason::kDocumentTooLarge, "DOCUMENT_TOO_LARGE",
     StatusCode::kResourceExhausted, kNever, kIsLimit},
    {Reason::kDatasetTooLarge, "DATASET_TOO_LARGE",
     StatusCode::kResourceExhausted, kNever, kIsLimit},
    {Reason::kTooManyDatasets, "TOO_MANY_DATASETS",
     StatusCode::kResourceExhausted, kNever, kIsLimit},
    {Reason::kStoreFull, "STORE_FULL", StatusCode::kResourceExhausted, kNever},
    {Reason::kOutOfMemory, "OUT_OF_MEMORY", StatusCode::kResourceExhausted,
     kSoon},
    {Reason::kDataDamaged, "DATA_DAMAGED", StatusCode::kDataLoss, kNever},
    {Reason::kStoreUnavailable, "STORE_UNAVAILABLE", StatusCode::kUnavailable,
     kLater},
    {Reason::kModelLoading, "MODEL_LOADING", StatusCode::kUnavailable, kSoon,
     kIsLimit},
    {Reason::kDraining, "DRAINING", StatusCode::kUnavailable, kLater, kIsLimit},
    {Reason::kInternalError, "INTERNAL_ERROR", StatusCode::kInternal, kNever},
    {Reason::kDeadlinePassed, "DEADLINE_PASSED", StatusCode::kDeadlineExceeded,
     kNever},
    {Reason::kCallCancelled, "CALL_CANCELLED", StatusCode::kCancelled, kNever},
    {Reason::kTokenMissing, "TOKEN_MISSING", StatusCode::kUnauthenticated,
     kNever},
    {Reason::kTokenMalformed, "TOKEN_MALFORMED", StatusCode::kUnauthenticated,
     kNever},
    {Reason::kTokenInvalid, "TOKEN_INVALID", StatusCode::kUnauthenticated,
     kNever},
    {Reason::kTokenExpired, "TOKEN_EXPIRED", StatusCode::kUnauthenticated,
     kNever},
    {Reason::kRoleTooLow, "ROLE_TOO_LOW", StatusCode::kPermissionDenied,
     kNever},
    {Reason::kNoGistAdapter, "NO_GIST_ADAPTER", StatusCode::kFailedPrecondition,
     kNever},
    {Reason::kRepresentationMissing, "REPRESENTATION_MISSING",
     StatusCode::kFailedPrecondition, kNever},
};

constexpr bool IsInOrder() {
  for (size_t i = 0; i < std::size(kReasons); ++i) {
    if (kReasons[i].reason != Reason(i)) return false;
  }
  return std::size(kReasons) == size_t(Reason::kRepresentationMissing) + 1;
}
static_assert(IsInOrder(), "InfoOf looks a reason up by its number");

constexpr char kReasonUrl[] = "gist.v1/reason";
constexpr char kFieldUrl[] = "gist.v1/field";
constexpr std::string_view kMetadataUrl = "gist.v1/metadata/";

// Where nobody said more than a code.
Reason ReasonFor(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return Reason::kRequestInvalid;
    case StatusCode::kUnimplemented:
      return Reason::kNotImplemented;
    case StatusCode::kOutOfRange:
      return Reason::kContextWindowExceeded;
    case StatusCode::kNotFound:
      return Reason::kNameNotFound;
    case StatusCode::kFailedPrecondition:
      return Reason::kModelMismatch;
    case StatusCode::kAborted:
      return Reason::kAdapterChanged;
    case StatusCode::kResourceExhausted:
      return Reason::kStoreFull;
    case StatusCode::kDataLoss:
      return Reason::kDataDamaged;
    case StatusCode::kUnavailable:
      return Reason::kStoreUnavailable;
    case StatusCode::kDeadlineExceeded:
      return Reason::kDeadlinePassed;
    case StatusCode::kCancelled:
      return Reason::kCallCancelled;
    default:
      return Reason::kInternalError;
  }
}

void Attach(absl::Status& status, std::string_view url,
            std::string_view value) {
  status.SetPayload({url.data(), url.size()},
                    absl::Cord(absl::string_view(value.data(), value.size())));
}

}  // namespace

std::span<const ReasonInfo> AllReasons() { return kReasons; }

const ReasonInfo& InfoOf(Reason reason) { return kReasons[size_t(reason)]; }

absl::Status Error(Reason reason, std::string_view message,
                   const ErrorMetadata& metadata) {
  const ReasonInfo& info = InfoOf(reason);
  absl::Status status(info.code, {message.data(), message.size()});
  Attach(status, kReasonUrl, info.name);
  for (const auto& [key, value] : metadata) {
    Attach(status, std::string(kMetadataUrl) + key, value);
  }
  return status;
}

absl::Status InvalidField(std::string_view field, std::string_view message,
                          Reason reason) {
  absl::Status status = Error(reason, message);
  Attach(status, kFieldUrl, field);
  return status;
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  details.reason = ReasonFor(status.code());
  status.ForEachPayload([&](absl::string_view url_view, const absl::Cord& raw) {
    const std::string_view url(url_view.data(), url_view.size());
    const std::string value(raw);
    if (url == kFieldUrl) details.field = value;
    if (url.starts_with(kMetadataUrl)) {
      details.metadata[std::string(url.substr(kMetadataUrl.size()))] = value;
    }
    if (url != kReasonUrl) return;
    const auto found = std::ranges::find(kReasons, value, &ReasonInfo::name);
    if (found != std::end(kReasons)) details.reason = found->reason;
  });
  return details;
}

absl::Status WithMessage(const absl::Status& status, std::string_view message) {
  absl::Status changed(status.code(), {message.data(), message.size()});
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) {
    changed.SetPayload(url, value);
  });
  return changed;
}

}  // namespace gist
