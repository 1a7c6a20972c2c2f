// Any bytes as a chat template: a frame or an error, with and without a system
// message.
#include <cstdint>
#include <string_view>

#include "core/text/chat_families.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view jinja(reinterpret_cast<const char*>(data), size);
  const auto plain = gist::FrameOf(jinja, std::nullopt);
  const auto system = gist::FrameOf(jinja, "Be brief.");
  gist::FuzzCheck(plain.ok() || !system.ok(),
                  "a system message makes no template known");
  if (system.ok()) {
    gist::FuzzCheck(system->after == plain->after,
                    "a system message stands before the text");
  }
  return 0;
}
