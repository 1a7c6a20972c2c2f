// What parses can be written, and parses to the same thing; every tensor
// decodes to all of its elements and no more.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/format/finite.h"
#include "core/format/gguf.h"
#include "tests/core/format/gguf_writer.h"
#include "tests/fuzz/check.h"

namespace gist {
namespace {

std::string Rewrite(const Gguf& file) {
  const auto alignment = file.Int("general.alignment");
  return WriteGguf(file.values(), file.tensors(),
                   alignment.ok() ? uint64_t(*alignment) : 32);
}

// The elements, decoded over the byte `fill`, then two more floats of it.
std::vector<float> DecodeOver(int fill, const GgufTensor& tensor) {
  std::vector<float> out(size_t(tensor.Elements()) + 2);
  std::memset(out.data(), fill, out.size() * sizeof(float));
  Dequantize(tensor, out.data());
  return out;
}

void CheckDecodes(const GgufTensor& tensor) {
  const std::vector<float> zeros = DecodeOver(0x00, tensor);
  const std::vector<float> ones = DecodeOver(0xff, tensor);
  const size_t bytes = size_t(tensor.Elements()) * sizeof(float);
  FuzzCheck(std::memcmp(zeros.data(), ones.data(), bytes) == 0,
            "Dequantize writes every element");
  const std::string_view tail(
      reinterpret_cast<const char*>(zeros.data()) + bytes, 8);
  FuzzCheck(tail == std::string(8, '\0'), "Dequantize stays in its elements");
  FuzzCheck(FirstNonFinite(tensor).has_value() ==
                FirstNonFinite(std::span(zeros)).has_value(),
            "a tensor is finite if its elements are");
}

}  // namespace
}  // namespace gist

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gist::FuzzCheck;
  const auto first =
      gist::Gguf::Parse({reinterpret_cast<const char*>(data), size});
  if (!first.ok()) return 0;
  for (const auto& [name, tensor] : first->tensors())
    gist::CheckDecodes(tensor);
  const std::string written = gist::Rewrite(*first);
  const auto second = gist::Gguf::Parse(written);
  FuzzCheck(second.ok(), "what parses can be written and parsed again");
  FuzzCheck(second->values().size() == first->values().size() &&
                second->tensors().size() == first->tensors().size(),
            "writing keeps every key and tensor");
  FuzzCheck(gist::Rewrite(*second) == written, "it parses to the same thing");
  return 0;
}
