// How fast texts become tokens, chunks and vectors, with all-MiniLM-L6-v2 on
// one thread. items_per_second are the embedder's tokens.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/embed/encoder.h"
#include "core/retrieval/chunker.h"

namespace gist {
namespace {

const SentenceEncoder& Encoder() {
  static const auto encoder = [] {
    at::set_num_threads(1);
    auto loaded = SentenceEncoder::Load("third_party/models/all-MiniLM-L6-v2");
    if (!loaded.ok()) {
      std::fprintf(stderr, "%s\n", loaded.status().ToString().c_str());
      std::exit(1);
    }
    return *std::move(loaded);
  }();
  return *encoder;
}

// English and Korean sentences of about `bytes`.
std::string Text(size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += "The committee inspected bridge " + std::to_string(i) +
            ", counted its cables and described every broken valve. ";
    text += "관리자는 창고에서 낡은 지도를 확인했습니다. ";
  }
  return text;
}

void BM_Tokenize(benchmark::State& state) {
  const std::string text = Text(100'000);
  int64_t tokens = 0;
  for (auto _ : state)
    tokens += int64_t(Encoder().tokenizer().Encode(text)->size());
  state.SetItemsProcessed(tokens);
  state.SetBytesProcessed(int64_t(state.iterations() * text.size()));
}
BENCHMARK(BM_Tokenize)->Unit(benchmark::kMillisecond);

void BM_Chunk(benchmark::State& state) {
  const std::string text = Text(100'000);
  const auto tokens = int64_t(Encoder().tokenizer().Encode(text)->size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(ChunkText(text, Encoder().tokenizer()));
  }
  state.SetItemsProcessed(int64_t(state.iterations()) * tokens);
  state.SetBytesProcessed(int64_t(state.iterations() * text.size()));
}
BENCHMARK(BM_Chunk)->Unit(benchmark::kMillisecond);

// Arg: texts in a call, each a chunk of up to 200 tokens.
void BM_EncodeChunks(benchmark::State& state) {
  const std::string text = Text(100'000);
  const auto chunks = *ChunkText(text, Encoder().tokenizer());
  std::vector<std::string_view> texts;
  int64_t tokens = 0;
  for (size_t i = 0; i < size_t(state.range(0)); ++i) {
    const Chunk& chunk = chunks[i % chunks.size()];
    texts.push_back(
        std::string_view(text).substr(chunk.begin, chunk.end - chunk.begin));
    tokens += chunk.tokens + 2;
  }
  for (auto _ : state) benchmark::DoNotOptimize(Encoder().Encode(texts));
  state.SetItemsProcessed(int64_t(state.iterations()) * tokens);
}
BENCHMARK(BM_EncodeChunks)->Arg(1)->Arg(64)->Unit(benchmark::kMillisecond);

void BM_EncodeQuestion(benchmark::State& state) {
  const std::vector<std::string_view> texts = {
      "Where does the tenant of flat 12 leave the spare key?"};
  for (auto _ : state) benchmark::DoNotOptimize(Encoder().Encode(texts));
}
BENCHMARK(BM_EncodeQuestion)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gist

BENCHMARK_MAIN();
