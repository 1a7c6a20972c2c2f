// How a base model's matrices lie in memory.
#pragma once

namespace gist {

enum class WeightStorage {
  kFloat32,    // dequantized when they are loaded
  kQuantized,  // as in the mapped file, one matrix at a time dequantized on
               // use: the same results, less memory, more time
};

}  // namespace gist
