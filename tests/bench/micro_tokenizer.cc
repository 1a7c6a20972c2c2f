// The default model's tokenizer: items are tokens, bytes the text's.
#include <memory>

#include "core/model/model_file.h"
#include "tests/bench/micro.h"

namespace gist::bench {
namespace {

constexpr char kModel[] = "third_party/models/SmolLM2-135M-Instruct.Q4_1.gguf";

const Tokenizer& DefaultTokenizer() {
  static const std::unique_ptr<Tokenizer> tokenizer =
      WantValue(LoadTokenizer(kModel));
  return *tokenizer;
}

void Tokenize(benchmark::State& state, const std::string& text) {
  const Tokenizer& tokenizer = DefaultTokenizer();
  size_t tokens = 0;
  for (auto _ : state) tokens += WantValue(tokenizer.Encode(text)).size();
  state.SetItemsProcessed(int64_t(tokens));
  state.SetBytesProcessed(int64_t(state.iterations() * text.size()));
}

void TokenizeEnglish(benchmark::State& state) {
  Tokenize(state, WantFile("deploy/sample/essays_en.txt"));
}
BENCHMARK(TokenizeEnglish)->Unit(benchmark::kMillisecond);

void TokenizeKorean(benchmark::State& state) {
  Tokenize(state, WantFile("deploy/sample/essays_ko.txt"));
}
BENCHMARK(TokenizeKorean)->Unit(benchmark::kMillisecond);

void TokenizeCode(benchmark::State& state) {
  Tokenize(state, WantFile("core/text/tokenizer.cc"));
}
BENCHMARK(TokenizeCode)->Unit(benchmark::kMillisecond);

// One word without a space: what a quadratic merge would show.
void TokenizeLongWord(benchmark::State& state) {
  Tokenize(state, std::string(size_t(state.range(0)), 'a'));
}
BENCHMARK(TokenizeLongWord)
    ->Arg(1000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond);

void LoadTokenizerFile(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(WantValue(LoadTokenizer(kModel)).get());
}
BENCHMARK(LoadTokenizerFile)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gist::bench
