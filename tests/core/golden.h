// Golden tensors of tests/data, as tests/reference/README.md lists them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/format/mapped_file.h"
#include "core/format/safetensors.h"

namespace gist {

class Golden {
 public:
  // `path` below tests/data. A file that cannot be read fails the test.
  explicit Golden(const std::string& path) {
    auto file = MappedFile::Open("tests/data/" + path);
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) return;
    file_.emplace(*std::move(file));
    auto tensors = ParseSafeTensors(file_->bytes());
    EXPECT_TRUE(tensors.ok()) << tensors.status();
    if (tensors.ok()) tensors_ = *std::move(tensors);
  }

  std::vector<float> Floats(const std::string& name) const {
    const auto found = tensors_.tensors.find(name);
    if (found == tensors_.tensors.end()) {
      ADD_FAILURE() << "no golden tensor " << name;
      return {};
    }
    std::vector<float> values(size_t(found->second.Elements()));
    ToFloats(found->second, values.data());
    return values;
  }

  std::vector<int32_t> Ids(const std::string& name) const {
    const std::vector<float> values = Floats(name);
    return {values.begin(), values.end()};
  }

 private:
  std::optional<MappedFile> file_;
  SafeTensors tensors_;
};

// Largest absolute difference; infinity where the sizes differ or a value is
// not a number.
inline float MaxDifference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = std::abs(a[i] - b[i]);
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  return largest;
}

inline int32_t Argmax(std::span<const float> values) {
  return int32_t(std::max_element(values.begin(), values.end()) -
                 values.begin());
}

}  // namespace gist
