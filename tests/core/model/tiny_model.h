// The tiny random Llama of tests/data/tiny, loaded.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/base/identity.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/model/transformer.h"

namespace gist {

struct LoadedModel {
  std::unique_ptr<Transformer> transformer;
  std::string fingerprint;
};

inline LoadedModel LoadModel(const std::string& path) {
  auto file = MappedFile::Open(path);
  if (!file.ok()) {
    ADD_FAILURE() << file.status();
    return {};
  }
  auto gguf = Gguf::Parse(file->bytes());
  if (!gguf.ok()) {
    ADD_FAILURE() << gguf.status();
    return {};
  }
  auto transformer = Transformer::Load(*gguf, "cpu");
  if (!transformer.ok()) {
    ADD_FAILURE() << transformer.status();
    return {};
  }
  return {*std::move(transformer), Sha256Hex(file->bytes())};
}

}  // namespace gist
