// The file that a Hugging Face model keeps its Unigram pieces in.
#pragma once

#include "absl/status/statusor.h"
#include "core/text/unigram.h"
#include "nlohmann/json.hpp"

namespace gist {

// Of a tokenizer.json. kDataLoss, kUnimplemented: as SentenceTokenizer::Load;
// what pieces must be is left to Unigram::Create.
absl::StatusOr<UnigramSpec> ReadUnigramSpec(const nlohmann::json& file);

}  // namespace gist
