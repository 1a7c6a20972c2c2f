// A model on disk: a GGUF file, its shards or a Hugging Face folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "core/format/gguf_files.h"
#include "core/hf/hf_folder.h"
#include "core/text/tokenizer.h"

namespace gist {

// Immutable. What is read from it borrows its bytes.
class ModelSource {
 public:
  // `path`: a GGUF file, the first of its shards, or a Hugging Face folder.
  // Errors: those of OpenGguf and OpenHfFolder, which name the file.
  static absl::StatusOr<std::shared_ptr<const ModelSource>> Open(
      const std::string& path);

  // A folder's too: names and keys are GGUF's.
  const Gguf& gguf() const;
  int64_t Bytes() const;  // of all files
  // Errors: TokenizerFromGguf's, Tokenizer::Create's.
  absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer() const;
  // GgufFiles::Fingerprint, HfFolder::Fingerprint. Reads all bytes.
  std::string Fingerprint() const;

 private:
  explicit ModelSource(std::variant<GgufFiles, HfFolder> files)
      : files_(std::move(files)) {}
  const std::variant<GgufFiles, HfFolder> files_;
};

}  // namespace gist
