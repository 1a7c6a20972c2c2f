// ContextRecord as JSON, and what makes one valid. FORMAT.md lists the fields.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/gist_store.h"

namespace gist {

// "ctx_" and 32 lower-case hex digits.
bool IsContextId(std::string_view id);

// Representations that one context has at most.
inline constexpr size_t kMaxRepresentations = 64;

// What is wrong with the record; empty: nothing. Checks the form of every id,
// that the context id follows from the others (as ContextId, or OldContextId of
// the one gist representation), the representations and the numbers' ranges.
std::string RecordProblem(const ContextRecord& record);

// The context id is one that gistd gave before database version 3:
// OldContextId.
bool HasOldId(const ContextRecord& record);

// What keeps `text` from being the document of `record`; empty: nothing.
std::string TextProblem(const ContextRecord& record, std::string_view text);

// Version 2. Equal records give equal text. `record` is valid.
std::string RecordToJson(const ContextRecord& record);

// A valid record of version 1 (one gist representation) or 2; fields of other
// names are skipped. kDataLoss; kFailedPrecondition: a rung or storage type
// that only a newer gistd knows.
absl::StatusOr<ContextRecord> RecordFromJson(std::string_view text);

}  // namespace gist
