#include "server/serving/missing.h"

#include <string>

#include "fmt/format.h"
#include "server/support/errors.h"

namespace gist {
namespace {

// "gist 4, full i8".
std::string Held(const ContextRecord& record) {
  std::string held;
  for (const Representation& form : record.representations) {
    if (!held.empty()) held += ", ";
    held += form.rung == Rung::kGist ? fmt::format("gist {}", form.gist_tokens)
                                     : fmt::format("{} {}", RungName(form.rung),
                                                   KvStorageName(form.storage));
  }
  return held.empty() ? "its text alone" : held;
}

}  // namespace

absl::Status NoGistAdapter(const ModelInfo& model) {
  return Error(
      Reason::kNoGistAdapter,
      fmt::format("this server has no gist adapter for its model {:?}; train "
                  "one with `gist train --preset gist_10 --data FILE --name "
                  "NAME --promote-if-better`, or start gistd with --adapter; "
                  "`gist add` and the modes full and rag need none",
                  model.name));
}

absl::Status NoGists(const ContextRecord& record, int gist_tokens) {
  const std::string wanted =
      gist_tokens > 0 ? fmt::format("{} gists", gist_tokens) : "gists";
  const std::string option =
      gist_tokens > 0 ? fmt::format("--gists {} ", gist_tokens) : "";
  return Error(
      Reason::kRepresentationMissing,
      fmt::format("{} has no representation of {}, it holds {}; make it from "
                  "the same text with `gist compress {}FILE`, or ask with "
                  "another mode",
                  record.context_id, wanted, Held(record), option),
      {{"rung", std::string(RungName(Rung::kGist))}});
}

absl::Status OfAnotherModel(const ContextRecord& record, const ModelInfo& model,
                            bool has_text) {
  const char* const next_step =
      has_text ? "ask with MODE_FULL or MODE_RAG, which read its text, or "
                 "compress the document again, which makes a context of this "
                 "model"
               : "its text is not kept here: start gistd with its model, or "
                 "store the text with `gist add FILE`";
  return Error(
      Reason::kModelMismatch,
      fmt::format("{} was stored under the model {}, this server runs {} ({}): "
                  "it holds {}, and representations of another model cannot be "
                  "loaded; {}",
                  record.context_id, record.model_fingerprint,
                  model.fingerprint, model.name, Held(record), next_step));
}

bool IsMiss(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status) ||
         absl::IsFailedPrecondition(status);
}

absl::Status GoneMeanwhile() {
  return absl::AbortedError(
      "the context expired or was deleted while it was looked at; try again");
}

}  // namespace gist
