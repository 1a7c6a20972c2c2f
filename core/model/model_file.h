// The tokenizer of a model file.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "core/text/tokenizer.h"

namespace gist {

// The tokenizer of tokenizer.huggingface.json (a tokenizer.json) if the file
// has one, else of tokenizer.ggml.model, with its bos, eos, eot and eom tokens.
// Errors: kUnimplemented (a tokenizer that is not supported, named); those of
// Gguf's getters, of FromTokenizerJson and of Tokenizer::Create.
absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromGguf(const Gguf& file);

// The tokenizer of a model as ModelSource::Open takes it. Weights are not read.
// Errors: those of ModelSource, with the file's name.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(
    const std::string& path);

}  // namespace gist
