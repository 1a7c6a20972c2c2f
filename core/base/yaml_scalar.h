// A scalar written as YAML so that it reads back to the same.
#pragma once

#include <string>
#include <type_traits>

#include "yaml-cpp/yaml.h"

namespace gist {

// yaml-cpp 0.7 writes a carriage return as it is, where it reads back as a
// space.
template <typename T>
void WriteScalar(YAML::Emitter& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (value.find('\r') != value.npos) out << YAML::DoubleQuoted;
  }
  out << value;
}

}  // namespace gist
