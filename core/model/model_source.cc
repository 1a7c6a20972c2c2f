#include "core/model/model_source.h"

#include <filesystem>

#include "core/base/status.h"
#include "core/model/model_file.h"

namespace gist {

absl::StatusOr<std::shared_ptr<const ModelSource>> ModelSource::Open(
    const std::string& path) {
  const auto made = [](std::variant<GgufFiles, HfFolder> files) {
    return std::shared_ptr<const ModelSource>(
        new ModelSource(std::move(files)));
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    GIST_ASSIGN_OR_RETURN(HfFolder folder, OpenHfFolder(path));
    return made(std::move(folder));
  }
  GIST_ASSIGN_OR_RETURN(GgufFiles files, OpenGguf(path));
  return made(std::move(files));
}

const Gguf& ModelSource::gguf() const {
  return std::visit([](const auto& files) -> const Gguf& { return files.gguf; },
                    files_);
}

int64_t ModelSource::Bytes() const {
  return std::visit([](const auto& files) { return files.Bytes(); }, files_);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> ModelSource::MakeTokenizer() const {
  if (const auto* folder = std::get_if<HfFolder>(&files_))
    return Tokenizer::Create(folder->tokenizer);
  return TokenizerFromGguf(gguf());
}

std::string ModelSource::Fingerprint() const {
  return std::visit([](const auto& files) { return files.Fingerprint(); },
                    files_);
}

}  // namespace gist
