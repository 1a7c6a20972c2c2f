// Everything that a model file brings: weights, tokenizer, chat template.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/weight_storage.h"
#include "core/model/transformer.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace gist {

struct BaseModel {
  std::unique_ptr<Tokenizer> tokenizer;
  ChatTemplate chat;
  std::unique_ptr<Transformer> transformer;
  // ModelSource::Fingerprint; with another chat template than the file's, the
  // SHA-256 of both: contexts and adapters belong to the prompts of one.
  std::string fingerprint;
};

// `path`: a GGUF file, the first of its shards, or a Hugging Face folder.
// `device`: made ready by PrepareDevice. Errors name the file and what is wrong
// with it: kNotFound, kUnimplemented, kDataLoss. `chat_template`: a family's
// name (core/text/chat_families.h) or a Jinja file, in place of the file's own
// template; empty: that one (kFailedPrecondition: it has none).
absl::StatusOr<BaseModel> LoadBaseModel(
    const std::string& path, const std::string& device,
    WeightStorage weights = WeightStorage::kFloat32,
    const std::string& chat_template = "");

}  // namespace gist
