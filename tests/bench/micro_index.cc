// Passages by vector (HNSW, 384 dimensions, as all-MiniLM-L6-v2 makes) and by
// words (BM25). The argument is the number of passages.
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "core/retrieval/bm25.h"
#include "core/retrieval/vector_index.h"
#include "fmt/format.h"
#include "tests/bench/micro.h"

namespace gist::bench {
namespace {

constexpr int kDimensions = 384, kTopK = 10, kEf = 64;

std::vector<float> UnitVector(Rng& random) {
  std::vector<float> vector;
  double squares = 0;
  for (int i = 0; i < kDimensions; ++i) {
    vector.push_back(float(random.Uniform(-1, 1)));
    squares += double(vector.back()) * double(vector.back());
  }
  for (float& value : vector) value /= float(std::sqrt(squares));
  return vector;
}

VectorIndex& VectorsOf(int64_t count) {
  static std::map<int64_t, std::unique_ptr<VectorIndex>> indexes;
  auto& index = indexes[count];
  if (index != nullptr) return *index;
  index = std::make_unique<VectorIndex>(kDimensions, VectorIndexOptions{});
  Rng random(1);
  for (int64_t i = 0; i < count; ++i)
    WantOk(index->Add(uint64_t(i), UnitVector(random)));
  return *index;
}

void SearchVectors(benchmark::State& state) {
  const VectorIndex& index = VectorsOf(state.range(0));
  Rng random(2);
  const std::vector<float> question = UnitVector(random);
  for (auto _ : state)
    benchmark::DoNotOptimize(WantValue(index.Search(question, kTopK, kEf)));
}
BENCHMARK(SearchVectors)->Arg(50)->Arg(5000)->Unit(benchmark::kMicrosecond);

// From nothing to so many vectors; items are vectors.
void AddVectors(benchmark::State& state) {
  Rng random(1);
  std::vector<std::vector<float>> vectors;
  for (int64_t i = 0; i < state.range(0); ++i)
    vectors.push_back(UnitVector(random));
  for (auto _ : state) {
    VectorIndex index(kDimensions, {});
    for (size_t i = 0; i < vectors.size(); ++i)
      WantOk(index.Add(i, vectors[i]));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(AddVectors)->Arg(50)->Arg(1000)->Unit(benchmark::kMillisecond);

void ParseVectors(benchmark::State& state) {
  const std::string bytes = WantValue(VectorsOf(state.range(0)).Serialize());
  for (auto _ : state)
    benchmark::DoNotOptimize(WantValue(VectorIndex::Parse(bytes)).size());
  state.SetBytesProcessed(int64_t(state.iterations() * bytes.size()));
}
BENCHMARK(ParseVectors)->Arg(50)->Arg(5000)->Unit(benchmark::kMicrosecond);

std::string Passage(int64_t number) {
  return fmt::format(
      "The committee inspected bridge {} in {}, counted its {} cables and "
      "described every broken valve.",
      number, 1900 + number % 100, number % 37);
}

void SearchWords(benchmark::State& state) {
  Bm25Index index;
  for (int64_t i = 0; i < state.range(0); ++i)
    index.Add(uint64_t(i), Passage(i));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        index.Search("Which bridge with 12 cables was inspected in 1949?"));
  }
}
BENCHMARK(SearchWords)->Arg(50)->Arg(5000)->Unit(benchmark::kMicrosecond);

void AddWords(benchmark::State& state) {
  for (auto _ : state) {
    Bm25Index index;
    for (int64_t i = 0; i < state.range(0); ++i)
      index.Add(uint64_t(i), Passage(i));
    benchmark::DoNotOptimize(index.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(AddWords)->Arg(50)->Arg(5000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gist::bench
