// A Hugging Face folder as if it were a GGUF file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/text/tokenizer.h"

namespace gist {

// Move-only. Moves leave the bytes where they are.
struct HfFolder {
  std::string path;
  std::vector<std::string> names;  // of `files`: HfFolderFiles
  std::vector<MappedFile> files;
  // Tensors that no file holds as they are: norms of Gemma, RoPE's divisors.
  std::vector<std::unique_ptr<const std::vector<float>>> made;
  // Under GGUF's names: sizes and RoPE of config.json, tensors and the chat
  // template. Points into `files` and `made`.
  Gguf gguf;
  TokenizerSpec tokenizer;

  int64_t Bytes() const;
  // Lower-case hex SHA-256 over what `LC_ALL=C sha256sum NAMES` prints: for
  // each name, in order, the file's hex SHA-256, two spaces, the name and a
  // newline. Reads all files.
  std::string Fingerprint() const;
};

// Errors name the file that they are about: those of HfFolderFiles, MappedFile,
// ParseSafeTensors and ReadHfConfig; kUnimplemented: a tensor or tokenizer that
// is not supported; kDataLoss: files that contradict each other.
absl::StatusOr<HfFolder> OpenHfFolder(const std::string& path);

// A folder that has config.json alone. token_embd.weight has dims but no data.
// So has output.weight, if it is not tied. Errors are ReadHfConfig's.
absl::StatusOr<HfFolder> SizesOfHfConfig(std::string_view json);

}  // namespace gist
