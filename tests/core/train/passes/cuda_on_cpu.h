// Runs a CUDA kernel on a CPU, for its tests: each of a block's threads is a
// fiber, and all go from one __syncthreads, __syncwarp or shuffle to the next
// in turn. So a kernel must be uniform: all threads of a block meet the same
// ones.
#pragma once

#include <math.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/base/float16.h"

#define __device__
#define __global__
#define __shared__
#define __launch_bounds__(threads)

struct Uint3 {
  unsigned x = 0, y = 0;
};
inline Uint3 threadIdx, blockIdx;

struct uint4 {
  unsigned x, y, z, w;
};
struct __half {
  uint16_t bits;
};
inline float __half2float(__half half) { return gist::HalfToFloat(half.bits); }
using std::min;
inline void sincosf(float x, float* sine, float* cosine) {
  *sine = sinf(x);
  *cosine = cosf(x);
}
inline float rsqrtf(float x) { return 1 / sqrtf(x); }

// The threads of the block at hand.
class Fibers {
 public:
  static constexpr size_t kStackBytes = 64 << 10;

  // `body` by `threads` threads of block (x, y). False: they were not uniform.
  bool Run(unsigned threads, unsigned x, unsigned y,
           std::function<void()> body) {
    body_ = std::move(body);
    contexts_.resize(threads);
    stacks_.assign(threads, std::vector<char>(kStackBytes));
    shuffled_.assign(2, std::vector<float>(threads));
    parity_.assign(threads, 0);
    blockIdx = {x, y};
    for (unsigned i = 0; i < threads; ++i) {
      getcontext(&contexts_[i]);
      contexts_[i].uc_stack.ss_sp = stacks_[i].data();
      contexts_[i].uc_stack.ss_size = kStackBytes;
      contexts_[i].uc_link = nullptr;
      makecontext(&contexts_[i], Enter, 0);
    }
    done_ = 0;
    while (true) {
      const unsigned before = done_;
      for (unsigned i = 0; i < threads; ++i) {
        threadIdx.x = i;
        swapcontext(&main_, &contexts_[i]);
      }
      if (done_ == threads) return true;
      if (done_ != before) return false;
    }
  }

  void Wait() {
    const unsigned self = threadIdx.x;
    swapcontext(&contexts_[self], &main_);
  }
  // What the thread whose number differs in `bits` gives; two slots, so that
  // one shuffle does not overwrite the last one's.
  float ShuffleXor(float value, unsigned bits) {
    const unsigned self = threadIdx.x;
    std::vector<float>& slot = shuffled_[size_t(parity_[self] ^= 1)];
    slot[self] = value;
    Wait();
    return slot[self ^ bits];
  }

 private:
  static void Enter();

  std::function<void()> body_;
  ucontext_t main_ = {};
  std::vector<ucontext_t> contexts_;
  std::vector<std::vector<char>> stacks_;
  std::vector<std::vector<float>> shuffled_;
  std::vector<char> parity_;
  unsigned done_ = 0;
};
inline Fibers fibers;

inline void Fibers::Enter() {
  fibers.body_();
  ++fibers.done_;
  fibers.Wait();  // for good
}

inline void __syncthreads() { fibers.Wait(); }
inline void __syncwarp() { fibers.Wait(); }
inline float __shfl_xor_sync(unsigned, float value, int bits) {
  return fibers.ShuffleXor(value, unsigned(bits));
}
