// What this machine's processor and memory can do at most: the limits that
// tests/bench/peers.py sets its figures beside.
//
//   gist_limits [THREADS]
//
// Prints one line of JSON: the instruction set, and for one thread and for
// THREADS (default 2) billions a second of float32 operations (fused
// multiply-add counts as two), of int8 operations (likewise) and of bytes read
// from memory. Each is the best of 20 tries.
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int kTries = 20;  // short ones: another job spoils some, not all
constexpr int64_t kRounds = 1'600'000;       // of a loop, about 5 ms
constexpr size_t kWords = size_t{16} << 20;  // 128 MiB, beyond every cache
constexpr int kSums = 12;  // enough to hide the latency of an addition

volatile int64_t sink;  // keeps the loops from being left out

// A way to count: how it is named, its operations a round, and its loop.
struct Kernel {
  const char* name = "";
  double operations = 0;
  void (*run)(int64_t rounds) = nullptr;
};

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void FloatAvx2(int64_t rounds) {
  __m256 sums[kSums];
  std::fill(sums, sums + kSums, _mm256_set1_ps(1));
  const __m256 factor = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
  }
  for (const __m256& sum : sums) sink = int64_t(_mm256_cvtss_f32(sum));
}

__attribute__((target("avx512f"))) void FloatAvx512(int64_t rounds) {
  __m512 sums[kSums];
  std::fill(sums, sums + kSums, _mm512_set1_ps(1));
  const __m512 factor = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  }
  for (const __m512& sum : sums) sink = int64_t(_mm512_cvtss_f32(sum));
}

__attribute__((target("avx2"))) void IntAvx2(int64_t rounds) {
  __m256i sums[kSums];
  std::fill(sums, sums + kSums, _mm256_set1_epi32(1));
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m256i& sum : sums) {
      const __m256i pairs = _mm256_maddubs_epi16(sum, ones);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  }
  for (const __m256i& sum : sums) sink = _mm256_extract_epi32(sum, 0);
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) void IntVnni(
    int64_t rounds) {
  __m512i sums[kSums];
  std::fill(sums, sums + kSums, _mm512_set1_epi32(1));
  const __m512i ones = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, ones, ones);
  }
  alignas(64) int32_t out[16];
  for (const __m512i& sum : sums) {
    _mm512_store_si512(out, sum);
    sink = out[0];
  }
}

Kernel FloatKernel() {
  if (__builtin_cpu_supports("avx512f"))
    return {"AVX-512", 2.0 * 16 * kSums, FloatAvx512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {"AVX2", 2.0 * 8 * kSums, FloatAvx2};
  return {};
}

Kernel IntKernel() {
  if (__builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("avx512bw"))
    return {"AVX-512 VNNI", 2.0 * 64 * kSums, IntVnni};
  if (__builtin_cpu_supports("avx2"))
    return {"AVX2", 2.0 * 32 * kSums, IntAvx2};
  return {};
}
#else
Kernel FloatKernel() { return {}; }
Kernel IntKernel() { return {}; }
#endif

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The least wall seconds of `work` on all threads at once, from the start of
// all to the end of the last.
double Seconds(int threads, const std::function<void(int thread)>& work) {
  double least = 1e9;
  for (int i = 0; i < kTries; ++i) {
    double start = 0;
    std::barrier line(threads, [&start]() noexcept {
      if (start == 0) start = Now();
    });
    std::vector<std::jthread> all;
    for (int thread = 0; thread < threads; ++thread) {
      all.emplace_back([&, thread] {
        line.arrive_and_wait();
        work(thread);
      });
    }
    all.clear();
    least = std::min(least, Now() - start);
  }
  return least;
}

double BillionsOf(const Kernel& kernel, int threads) {
  if (kernel.run == nullptr) return 0;
  const double took = Seconds(threads, [&](int) { kernel.run(kRounds); });
  return kernel.operations * double(kRounds) * threads / took / 1e9;
}

void ReadWords(const uint64_t* begin, const uint64_t* end) {
  uint64_t sums[8] = {};
  for (const uint64_t* at = begin; at + 8 <= end; at += 8) {
    for (int i = 0; i < 8; ++i) sums[i] += at[i];
  }
  for (const uint64_t sum : sums) sink = int64_t(sum);
}

double BillionsRead(const std::vector<uint64_t>& words, int threads) {
  const size_t part = words.size() / size_t(threads);
  const double took = Seconds(threads, [&](int thread) {
    const uint64_t* begin = words.data() + size_t(thread) * part;
    ReadWords(begin, begin + part);
  });
  return double(part * size_t(threads) * sizeof(uint64_t)) / took / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const int most = argc > 1 ? std::atoi(argv[1]) : 2;
  if (most < 1 || most > 1024) {
    std::fprintf(stderr, "gist_limits: %d threads; want 1 to 1024\n", most);
    return 1;
  }
  const Kernel floats = FloatKernel(), ints = IntKernel();
  const std::vector<uint64_t> words(kWords, 1);
  std::string line = "{\"instructions\": \"" + std::string(ints.name) + "\"";
  for (const int threads : {1, most}) {
    char figures[256];
    std::snprintf(figures, sizeof(figures),
                  "%s\"%d\": {\"float32_gflops\": %.1f, \"int8_gops\": %.1f, "
                  "\"read_gbytes\": %.2f}",
                  threads == 1 ? ", \"threads\": {" : ", ", threads,
                  BillionsOf(floats, threads), BillionsOf(ints, threads),
                  BillionsRead(words, threads));
    line += figures;
    if (most == 1) break;
  }
  std::printf("%s}}\n", line.c_str());
  return 0;
}
