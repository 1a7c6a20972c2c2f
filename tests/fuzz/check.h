// Ends a fuzzer with a message where a relation does not hold.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace gist {

inline void FuzzCheck(bool holds, const char* relation) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", relation);
  std::abort();
}

}  // namespace gist
