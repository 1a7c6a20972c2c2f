// A model file, taken apart to be changed.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <utility>

#include "core/format/gguf_files.h"
#include "tests/core/format/gguf_writer.h"
#include "tests/support/temp_dir.h"

namespace gist {

class EditedModel {
 public:
  // `path` is a GGUF file that can be read.
  explicit EditedModel(const std::string& path)
      : file_(*OpenGguf(path)),
        values(file_.gguf.values()),
        tensors(file_.gguf.tensors()) {}

  // Writes it as it is now, and returns where.
  std::string Write() const {
    const std::string path = folder_ / "model.gguf";
    std::ofstream(path, std::ios::binary) << WriteGguf(values, tensors, 32);
    return path;
  }

 private:
  const TempDir folder_;
  const GgufFiles file_;  // holds the tensors' bytes

 public:
  std::map<std::string, GgufValue> values;
  std::map<std::string, GgufTensor> tensors;
};

}  // namespace gist
