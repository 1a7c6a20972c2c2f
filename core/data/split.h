// Which part of the data a thing belongs to, told by the thing alone.
#pragma once

#include <cstdint>
#include <string_view>

namespace gist {

enum class Split { kTrain, kDev, kTest };

// FNV-1a (64 bits), then SplitMix64's finalizer: all bits depend on all bytes.
constexpr uint64_t HashText(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

// Eight tenths of all texts are for training, one each for dev and test.
constexpr Split SplitOf(std::string_view text) {
  const uint64_t tenth = HashText(text) % 10;
  return tenth < 8 ? Split::kTrain : tenth == 8 ? Split::kDev : Split::kTest;
}

// "train", "dev", "test"
constexpr std::string_view Name(Split split) {
  return split == Split::kTrain ? "train"
         : split == Split::kDev ? "dev"
                                : "test";
}

}  // namespace gist
