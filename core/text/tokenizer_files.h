// The file that a Hugging Face model keeps its BPE tokenizer in.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"

namespace gist {

// `json`: a tokenizer.json with a model of type BPE. Sets all of a
// TokenizerSpec but `pre_tokenizer` and `scores`: bos_id and add_bos from its
// post-processor, which puts the token in front; end_ids stays empty, as the
// file does not name them (generation_config.json does). kDataLoss: no JSON, or
// fields of another type. kUnimplemented names the setting and what is
// supported: normalizers NFC, NFD, NFKC, NFKD, Prepend and Replace;
// pre-tokenizers ByteLevel, Digits, Metaspace, Punctuation, Split, Whitespace
// and WhitespaceSplit; sequences of both.
absl::StatusOr<TokenizerSpec> FromTokenizerJson(std::string_view json);

}  // namespace gist
