// How fast blocks of each tensor type become floats, and are looked through for
// infinite ones, on one thread and out of the caches: nanoseconds an element.
#include <benchmark/benchmark.h>

#include "core/format/finite.h"
#include "tests/core/format/random_blocks.h"

namespace gist {
namespace {

constexpr int64_t kElements = 1 << 16;

struct Blocks {
  explicit Blocks(GgmlType type) {
    std::mt19937 random(1);
    bytes = RandomBlocks(type, kElements, 1.0f, random);
    tensor = {"t", type, {kElements}, bytes};
  }
  std::string bytes;
  GgufTensor tensor;
};

// kIsRate divides by the seconds; kInvert turns the quotient over.
void SetNanosecondsPerElement(benchmark::State& state) {
  using benchmark::Counter;
  state.counters["ns_per_element"] =
      Counter(double(state.iterations()) * double(kElements) * 1e-9,
              Counter::kIsRate | Counter::kInvert);
}

void BM_Dequantize(benchmark::State& state, GgmlType type) {
  const Blocks blocks(type);
  std::vector<float> out(kElements);
  for (auto _ : state) {
    Dequantize(blocks.tensor, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  SetNanosecondsPerElement(state);
}

void BM_FirstNonFinite(benchmark::State& state, GgmlType type) {
  const Blocks blocks(type);
  for (auto _ : state) benchmark::DoNotOptimize(FirstNonFinite(blocks.tensor));
  SetNanosecondsPerElement(state);
}

void RegisterAll() {
  for (const GgmlType type : AllGgmlTypes()) {
    const std::string name = GgmlTypeName(uint32_t(type));
    benchmark::RegisterBenchmark(("Dequantize/" + name).c_str(), BM_Dequantize,
                                 type);
    benchmark::RegisterBenchmark(("FirstNonFinite/" + name).c_str(),
                                 BM_FirstNonFinite, type);
  }
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) {
  gist::RegisterAll();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
