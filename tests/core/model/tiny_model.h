// The tiny random Llama of tests/data/tiny, loaded.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/base/identity.h"
#include "core/base/weight_storage.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/model/transformer.h"

namespace gist {

struct LoadedModel {
  std::unique_ptr<Transformer> transformer;
  std::string fingerprint;
};

inline LoadedModel LoadModel(const std::string& path,
                             WeightStorage weights = WeightStorage::kFloat32) {
  auto opened = MappedFile::Open(path);
  if (!opened.ok()) {
    ADD_FAILURE() << opened.status();
    return {};
  }
  const auto file = std::make_shared<const MappedFile>(*std::move(opened));
  auto gguf = Gguf::Parse(file->bytes());
  if (!gguf.ok()) {
    ADD_FAILURE() << gguf.status();
    return {};
  }
  auto transformer = Transformer::Load(*gguf, "cpu", weights, file);
  if (!transformer.ok()) {
    ADD_FAILURE() << transformer.status();
    return {};
  }
  return {*std::move(transformer), Sha256Hex(file->bytes())};
}

}  // namespace gist
