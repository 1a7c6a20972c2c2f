// Random numbers that are the same on every machine: the standard library's
// distributions are not.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace gist {

// SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195). Its whole
// state is one number, so that a checkpoint can hold it.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t state() const { return state_; }

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // 0 to n - 1; n is positive. The bias is below n / 2^64.
  size_t Below(size_t n) {
    assert(n > 0);
    __extension__ using Wide = unsigned __int128;
    return size_t((Wide(Next()) * n) >> 64);
  }
  // [0, 1)
  double Uniform() { return double(Next() >> 11) * 0x1p-53; }
  double Uniform(double low, double high) {
    return low + (high - low) * Uniform();
  }
  template <typename T>
  const T& Pick(std::span<const T> values) {
    return values[Below(values.size())];
  }
  template <typename T>
  void Shuffle(std::span<T> values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[Below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace gist
