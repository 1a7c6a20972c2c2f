// How often a random test goes round, with what seed, and what it found.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace gist {

// GIST_SOAK_ROUNDS, or `few`: tests/soak.sh asks for many.
inline int Rounds(int few) {
  const char* const rounds = std::getenv("GIST_SOAK_ROUNDS");
  return rounds == nullptr ? few : std::atoi(rounds);
}

// GIST_SEED, or another one each time; printed, so that a failure comes back.
inline uint64_t Seed() {
  const char* const text = std::getenv("GIST_SEED");
  const uint64_t seed = text == nullptr ? std::random_device()()
                                        : std::strtoull(text, nullptr, 10);
  std::printf("GIST_SEED=%llu\n", (unsigned long long)seed);
  return seed;
}

// The line that tests/soak.sh looks for.
inline void PrintFigure(const std::string& figure) {
  std::printf("figure: %s\n", figure.c_str());
}

}  // namespace gist
