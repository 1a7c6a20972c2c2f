// What a call looks for and does not find, and what to do then.
#pragma once

#include "absl/status/status.h"
#include "core/engine/engine.h"
#include "storage/gist_store.h"

namespace gist {

// NO_GIST_ADAPTER: gists are wanted of a server that can make none.
absl::Status NoGistAdapter(const ModelInfo& model);
// REPRESENTATION_MISSING: a question wants gists of `record`; `gist_tokens`: so
// many; 0: any number.
absl::Status NoGists(const ContextRecord& record, int gist_tokens);

// MODEL_MISMATCH: a question wants representations of `record`, which another
// model made, or its text, which is not kept.
absl::Status OfAnotherModel(const ContextRecord& record, const ModelInfo& model,
                            bool has_text);

// A stored context that cannot be used, and can be made again from the text.
bool IsMiss(const absl::Status& status);
// kAborted: the context expired or was deleted while it was looked at.
absl::Status GoneMeanwhile();

}  // namespace gist
