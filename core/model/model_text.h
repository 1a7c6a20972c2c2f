// How a model's text becomes tokens: its tokenizer and its chat template.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/model/model_source.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace gist {

struct ModelText {
  std::unique_ptr<Tokenizer> tokenizer;
  ChatTemplate chat;
  std::string other_template;  // Jinja, if not the model's own
};

// `chat_template`: a family's name (core/text/chat_families.h) or a Jinja file,
// in place of the model's own template; empty: that one. Weights are not read.
// Errors: ModelSource::MakeTokenizer's, ChatTemplate::Recognise's;
// kFailedPrecondition: the model has no template; kInvalidArgument: neither a
// family nor a file; kDataLoss: a text or the template can hold a token that
// has no row in the embedding, named.
absl::StatusOr<ModelText> ReadModelText(const ModelSource& model,
                                        const std::string& chat_template);

}  // namespace gist
