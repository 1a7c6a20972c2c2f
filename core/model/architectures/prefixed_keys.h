// A model file's keys of one architecture. For this folder only.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/status.h"
#include "core/format/gguf.h"

namespace gist {

// `key` stands behind the prefix and a dot: "block_count" is
// "llama.block_count". Errors name the whole key. kNotFound: it is missing;
// kDataLoss: its type or its value is wrong.
class PrefixedKeys {
 public:
  PrefixedKeys(const Gguf& file, std::string_view prefix)
      : file_(file), prefix_(prefix) {}

  const Gguf& file() const { return file_; }
  std::string Name(std::string_view key) const {
    return fmt::format("{}.{}", prefix_, key);
  }
  bool Has(std::string_view key) const { return file_.Has(Name(key)); }

  // A size, which must be there and positive.
  absl::StatusOr<int> Size(std::string_view key) const {
    GIST_ASSIGN_OR_RETURN(const int64_t value, file_.Int(Name(key)));
    if (value < 1 || value > kMostSize) return Wrong(key, value, "a size");
    return int(value);
  }
  absl::StatusOr<int> SizeOr(std::string_view key, int fallback) const {
    if (!Has(key)) return fallback;
    return Size(key);
  }
  // A size, or 0.
  absl::StatusOr<int> CountOr(std::string_view key, int fallback) const {
    if (!Has(key)) return fallback;
    GIST_ASSIGN_OR_RETURN(const int64_t value, file_.Int(Name(key)));
    if (value < 0 || value > kMostSize) return Wrong(key, value, "a count");
    return int(value);
  }
  // A positive and finite number, which must be there.
  absl::StatusOr<double> Positive(std::string_view key) const {
    GIST_ASSIGN_OR_RETURN(const double value, file_.Float(Name(key)));
    if (!(value > 0) || !std::isfinite(value))
      return Wrong(key, value, "a finite number above 0");
    return value;
  }
  absl::StatusOr<double> PositiveOr(std::string_view key,
                                    double fallback) const {
    if (!Has(key)) return fallback;
    return Positive(key);
  }
  // 0 in the file stands for `fallback` too.
  absl::StatusOr<double> PositiveUnlessZero(std::string_view key,
                                            double fallback) const {
    if (!Has(key)) return fallback;
    GIST_ASSIGN_OR_RETURN(const double value, file_.Float(Name(key)));
    if (value == 0) return fallback;
    return Positive(key);
  }
  absl::StatusOr<std::string> StringOr(std::string_view key,
                                       std::string fallback) const {
    if (!Has(key)) return fallback;
    return file_.String(Name(key));
  }

 private:
  static constexpr int kMostSize = std::numeric_limits<int>::max() / 4;

  template <typename T>
  absl::Status Wrong(std::string_view key, T value,
                     std::string_view wanted) const {
    return absl::DataLossError(
        fmt::format("{} is {}, want {}", Name(key), value, wanted));
  }

  const Gguf& file_;
  const std::string_view prefix_;
};

}  // namespace gist
