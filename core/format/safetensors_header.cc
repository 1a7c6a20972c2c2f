#include "core/format/safetensors_header.h"

#include <optional>
#include <set>
#include <utility>

#include "core/base/status.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

// { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] },
//   "__metadata__": { "key": "value" } }
// Depth 1 holds tensors, depth 2 the fields of one (or of the metadata).
class HeaderReader {
 public:
  bool start_object(size_t) {
    if (depth_ >= 2) return Fail("an object");
    ++depth_;
    fields_.clear();
    tensor_ = {};
    offsets_.clear();
    return true;
  }

  bool key(std::string& key) {
    if (depth_ == 1) {
      name_ = key;
      return names_.insert(key).second || Duplicate(key);
    }
    field_ = key;
    if (!fields_.insert(key).second) return Duplicate(key);
    if (in_metadata() || key == "dtype" || key == "shape" ||
        key == "data_offsets")
      return true;
    return Fail(fmt::format("the field {:?}", Shown(key)));
  }

  bool string(std::string& value) {
    if (depth_ != 2 || in_array_) return Fail("a string");
    if (in_metadata()) {
      header_.metadata.emplace(field_, std::move(value));
      return true;
    }
    if (field_ != "dtype") return Fail("a string");
    tensor_.dtype = std::move(value);
    return true;
  }

  bool start_array(size_t) {
    const bool wanted = field_ == "shape" || field_ == "data_offsets";
    if (depth_ != 2 || in_array_ || in_metadata() || !wanted)
      return Fail("an array");
    in_array_ = true;
    return true;
  }

  bool number_unsigned(uint64_t number) {
    if (!in_array_) return Fail("a number");
    if (!std::in_range<int64_t>(number)) return Fail("a number over 2^63 - 1");
    (field_ == "shape" ? tensor_.shape : offsets_).push_back(int64_t(number));
    return true;
  }

  bool end_array() {
    in_array_ = false;
    return true;
  }

  bool end_object() {
    if (depth_-- == 1 || in_metadata()) return true;
    if (fields_.size() != 3) return Fail("no dtype, shape or data_offsets");
    if (offsets_.size() != 2)
      return Fail(fmt::format("{} offsets (want 2)", offsets_.size()));
    tensor_.begin = uint64_t(offsets_[0]);
    tensor_.end = uint64_t(offsets_[1]);
    header_.entries.emplace(name_, std::move(tensor_));
    return true;
  }

  bool parse_error(size_t byte, const std::string&, const Json::exception&) {
    problem_ = fmt::format("no JSON at byte {}", byte);
    return false;
  }

  bool null() { return Fail("a null"); }
  bool boolean(bool) { return Fail("a bool"); }
  bool number_integer(int64_t) { return Fail("a negative number"); }
  bool number_float(double, const std::string&) { return Fail("a fraction"); }
  bool binary(Json::binary_t&) { return Fail("bytes"); }

  const std::string& problem() const { return problem_; }
  SafeTensorsHeader TakeHeader() { return std::move(header_); }

 private:
  bool in_metadata() const { return name_ == kSafeTensorsMetadataKey; }

  bool Fail(std::string_view found) {
    problem_ =
        fmt::format("{} where none belongs, in {:?}", found, Shown(name_));
    return false;
  }

  bool Duplicate(const std::string& key) {
    problem_ =
        fmt::format("{:?} occurs twice, in {:?}", Shown(key), Shown(name_));
    return false;
  }

  SafeTensorsHeader header_;
  std::string problem_;
  int depth_ = 0;
  bool in_array_ = false;
  std::string name_;   // at depth 1: the tensor's, or __metadata__
  std::string field_;  // at depth 2
  std::set<std::string> names_;
  std::set<std::string> fields_;
  SafeTensorsEntry tensor_;
  std::vector<int64_t> offsets_;
};

}  // namespace

absl::StatusOr<SafeTensorsHeader> ParseSafeTensorsHeader(
    std::string_view json) {
  HeaderReader reader;
  if (Json::sax_parse(json, &reader)) return reader.TakeHeader();
  return absl::DataLossError(fmt::format(
      "safetensors: the header is not valid: {}", reader.problem()));
}

}  // namespace gist
