// Zip files for tests.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/python.h"

namespace gist::client {

// `entries`: name, text, name, text ...
inline void MakeZip(const std::string& zip, std::vector<std::string> entries) {
  entries.insert(entries.begin(), {"tests/client/data/make_zip.py", zip});
  if (Python(std::move(entries)).Wait() != 0) {
    throw std::runtime_error("make_zip.py failed");
  }
}

}  // namespace gist::client
