// The files that a Hugging Face model keeps its WordPiece vocabulary in. That
// ids are unique is left to WordPiece::Create.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/text/wordpiece.h"
#include "nlohmann/json.hpp"

namespace gist {

// Of a tokenizer.json. kDataLoss, kUnimplemented: as SentenceTokenizer::Load.
absl::StatusOr<WordPieceSpec> ReadWordPieceSpec(const nlohmann::json& file);

// Of `folder`'s vocab.txt. kNotFound: it has none.
absl::StatusOr<WordPieceSpec> ReadWordPieceVocabulary(
    const std::string& folder);

}  // namespace gist
