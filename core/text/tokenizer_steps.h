// A tokenizer.json's normalizer and pre-tokenizer. For this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"
#include "nlohmann/json.hpp"

namespace gist {

// Append the steps to spec->normalizer and spec->words; a ByteLevel makes the
// kind kByteLevel. Errors: FromTokenizerJson's.
absl::Status ReadNormalizerSteps(const nlohmann::json& normalizer,
                                 TokenizerSpec* spec);
absl::Status ReadPreTokenizerSteps(const nlohmann::json& pre_tokenizer,
                                   TokenizerSpec* spec);

// `step`, or the steps of a "Sequence" under `list`, of sequences within it
// too; none of null.
std::vector<nlohmann::json> StepsIn(const nlohmann::json& step,
                                    const char* list);

// kUnimplemented and kDataLoss: what was found, what is wanted.
absl::Status NotSupported(std::string_view what, const nlohmann::json& found,
                          std::string_view supported);
absl::Status WrongType(std::string_view what, const nlohmann::json& found,
                       std::string_view wanted);

// The text of a field; WrongType where it is none.
absl::StatusOr<std::string> TextOf(const nlohmann::json& object,
                                   const char* field);
// A switch; `otherwise` where it is missing or null.
bool IsOn(const nlohmann::json& object, const char* field,
          bool otherwise = false);

}  // namespace gist
