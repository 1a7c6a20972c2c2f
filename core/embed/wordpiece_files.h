// The files that a Hugging Face model keeps its WordPiece vocabulary in.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/embed/wordpiece.h"

namespace gist {

// As WordPiece::Load; that ids are unique is left to WordPiece::Create.
absl::StatusOr<WordPieceSpec> ReadWordPieceSpec(const std::string& folder);

}  // namespace gist
