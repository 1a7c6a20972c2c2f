// What parses can be written, and parses to the same thing; every tensor
// decodes to all of its elements and no more.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/format/safetensors.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

void CheckDecodes(const SafeTensor& tensor) {
  const size_t count = size_t(tensor.Elements());
  std::vector<float> first(count + 1, 1.0f), second(count + 1, 2.0f);
  ToFloats(tensor, first.data());
  ToFloats(tensor, second.data());
  FuzzCheck(std::memcmp(first.data(), second.data(), count * 4) == 0,
            "ToFloats writes every element");
  FuzzCheck(first.back() == 1.0f, "ToFloats stays in its elements");
}

bool Same(const SafeTensors& a, const SafeTensors& b) {
  if (a.metadata != b.metadata || a.tensors.size() != b.tensors.size())
    return false;
  for (const auto& [name, tensor] : a.tensors) {
    const auto other = b.tensors.find(name);
    if (other == b.tensors.end() || other->second.type != tensor.type ||
        other->second.shape != tensor.shape ||
        other->second.data != tensor.data)
      return false;
  }
  return true;
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gist::FuzzCheck;
  const auto first = gist::ParseSafeTensors(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!first.ok()) return 0;
  for (const auto& [name, tensor] : first->tensors) gist::CheckDecodes(tensor);
  const std::string written = gist::WriteSafeTensors(*first);
  const auto second = gist::ParseSafeTensors(written);
  FuzzCheck(second.ok(), "what parses can be written and parsed again");
  FuzzCheck(gist::Same(*first, *second), "it parses to the same thing");
  return 0;
}
