// Micro benchmarks of tokenizer, blobs, store and indexes, without a model's
// weights. In turns, with the extremes:
//
//   gist_micro --benchmark_filter=Tokenize --benchmark_repetitions=7
//       --benchmark_enable_random_interleaving=true
#include "tests/bench/micro.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  gist::bench::CloseStores();
  return 0;
}
