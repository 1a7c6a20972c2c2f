// ContextRecord as JSON, and what makes one valid. FORMAT.md lists the fields.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/gist_store.h"

namespace gist {

// "ctx_" and 32 lower-case hex digits.
bool IsContextId(std::string_view id);

// What is wrong with the record; empty: nothing. Checks the form of every id,
// that the context id follows from the others, and the numbers' ranges.
std::string RecordProblem(const ContextRecord& record);

// What keeps `text` from being the document of `record`; empty: nothing.
std::string TextProblem(const ContextRecord& record, std::string_view text);

// Equal records give equal text. `record` is valid.
std::string RecordToJson(const ContextRecord& record);

// A valid record; fields of other names are skipped. kDataLoss.
absl::StatusOr<ContextRecord> RecordFromJson(std::string_view text);

}  // namespace gist
