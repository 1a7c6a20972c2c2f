// A configuration file that is read can be written, and reads to the same.
#include <cstdint>
#include <string>

#include "server/config.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gist::FuzzCheck;
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  gist::Config config;
  if (!gist::ApplyYaml(yaml, "fuzz.yaml", config).ok()) return 0;
  gist::CheckConfig(config).IgnoreError();
  gist::Config again;
  const std::string written = gist::ToYaml(config);
  FuzzCheck(gist::ApplyYaml(written, "again.yaml", again).ok(),
            "what is written can be read");
  FuzzCheck(gist::ToYaml(again) == written, "and reads to the same");
  return 0;
}
