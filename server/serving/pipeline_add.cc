#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "server/serving/missing.h"
#include "server/serving/pipeline.h"
#include "server/support/names.h"

namespace gist {

absl::StatusOr<AddResult> Pipeline::Add(const AddInput& input,
                                        const Caller& caller) {
  if (input.request_id.empty()) return AddLatest(input, caller);
  GIST_RETURN_IF_ERROR(CheckPlainName("request_id", input.request_id));
  const std::string id = RequestKey(caller, input.request_id);
  const std::string digest = Sha256Hex(fmt::format("add\n{}", input.text));
  // The same text has the same context: what an earlier call made is found
  // again.
  GIST_RETURN_IF_ERROR(requests_.Begin(id, digest).status());
  auto result = AddLatest(input, caller);
  requests_.End(
      id, digest,
      result.ok() ? result->context.record.context_id : std::string());
  return result;
}

absl::StatusOr<AddResult> Pipeline::AddLatest(const AddInput& input,
                                              const Caller& caller) {
  auto result = AddOnce(input, caller);
  // It may go just when it was found: from the start, once.
  if (!absl::IsAborted(result.status())) return result;
  return AddOnce(input, caller);
}

absl::StatusOr<AddResult> Pipeline::AddOnce(const AddInput& input,
                                            const Caller& caller) {
  const Clock::time_point start = Clock::now();
  AddResult result;
  GIST_RETURN_IF_ERROR(CheckPolicy(input.retention));
  GIST_ASSIGN_OR_RETURN(const auto tokens, DocumentTokens(input.text));
  result.timings.tokenize_seconds = SecondsSince(start);
  const std::string& tenant = caller.principal.tenant;
  ContextRecord record = RecordOf(tenant, DocumentId(tenant, input.text),
                                  input.text, int64_t(tokens.size()));

  const Clock::time_point turn = Clock::now();
  GIST_ASSIGN_OR_RETURN(const KeyedLock::Hold hold,
                        writers_.Acquire(record.context_id, caller));
  result.timings.queue_seconds = SecondsSince(turn);
  const auto stored = store_.GetRecord(record.context_id);
  if (!stored.ok() && !IsMiss(stored.status())) return stored.status();
  result.is_new = absl::IsNotFound(stored.status());
  if (stored.ok()) {
    GIST_ASSIGN_OR_RETURN(result.cached,
                          KeepsText(record.document_id, input.text));
  }
  GIST_ASSIGN_OR_RETURN(const Retention before, RetentionOf(record.context_id));
  if (result.cached) {
    GIST_RETURN_IF_ERROR(
        NoteRequest(record.context_id, before, input.retention));
  } else {
    const Clock::time_point put = Clock::now();
    record.created_unix_ms = clock_.UnixMillis();
    GIST_RETURN_IF_ERROR(store_.Put(record, input.text,
                                    std::span<const CompressedKv>(),
                                    Granted(before, input.retention)));
    result.timings.store_seconds = SecondsSince(put);
  }
  GIST_ASSIGN_OR_RETURN(record, FindRecord(record.context_id, record.tenant));
  GIST_ASSIGN_OR_RETURN(result.context, Describe(std::move(record)));
  result.timings.total_seconds = SecondsSince(start);
  return result;
}

}  // namespace gist
