// `gist data niah`: files of needle-in-a-haystack samples.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/data/niah_generator.h"

namespace gist::client {

struct NiahArguments {
  std::string model;  // GGUF file whose tokens count
  std::vector<std::string> languages = {"en", "ko"};
  std::vector<std::string> families = {"passkey"};
  std::vector<std::string> filler;  // of FillerPool::Load; empty: the sample
  std::string frames = "mission";   // "train", "held-out"
  std::string split = "test";
  int count = 200;  // samples of each language
  int facts = 0;    // of a document of family "keyed"; 0: 1 to 8
  NiahFileOptions file;
  std::string out = ".";  // folder
  bool overwrite = false;
};

// Writes global_niah.jsonl (English) and korean_niah.jsonl, each when it is
// whole, and a line about each on standard error. Nothing is written, no folder
// made, if a language has no filler. Errors: those of FillerPool::Load and
// NiahSource::Create; kAlreadyExists; kCancelled.
absl::Status RunNiah(const NiahArguments& arguments, std::stop_token stop);

// "20-80" and "50" in percent, "fifths": 0-20, 20-40 and so on.
absl::StatusOr<std::vector<DepthRange>> ParseDepths(
    const std::vector<std::string>& texts);

}  // namespace gist::client
