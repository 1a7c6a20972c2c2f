// How fast texts become tokens, chunks and vectors, on one thread, with
// multilingual-e5-small and, where deploy/setup.sh minilm was run, with
// all-MiniLM-L6-v2. items_per_second are the embedder's own tokens, bytes
// the text's; both by processor time. Encoders in turns, with the extremes:
//
//   gist_embed_speed --benchmark_repetitions=5
//       --benchmark_enable_random_interleaving=true
//       --benchmark_report_aggregates_only=true
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/embed/encoder.h"
#include "core/retrieval/chunker.h"
#include "fmt/format.h"

namespace gist {
namespace {

const SentenceEncoder& EncoderOf(const std::string& name) {
  static std::map<std::string, std::unique_ptr<SentenceEncoder>> encoders;
  auto& encoder = encoders[name];
  if (encoder == nullptr) {
    auto loaded = SentenceEncoder::Load("third_party/models/" + name);
    if (!loaded.ok()) {
      std::fprintf(stderr, "%s\n", loaded.status().ToString().c_str());
      std::exit(1);
    }
    encoder = *std::move(loaded);
  }
  return *encoder;
}

enum class Language { kEnglish, kKorean };

// Sentences of about `bytes`.
std::string Text(Language language, size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += language == Language::kEnglish
                ? fmt::format(
                      "The committee inspected bridge {}, counted its "
                      "cables and described every broken valve. ",
                      i)
                : fmt::format(
                      "관리자는 창고에서 낡은 지도 {}장을 확인했고, "
                      "어제 받은 계약서를 다시 썼습니다. ",
                      i);
  }
  return text;
}

void Tokenize(benchmark::State& state, const SentenceEncoder& encoder,
              Language language) {
  const std::string text = Text(language, 100'000);
  int64_t tokens = 0;
  for (auto _ : state)
    tokens += int64_t(encoder.tokenizer().Encode(text)->size());
  state.SetItemsProcessed(tokens);
  state.SetBytesProcessed(int64_t(state.iterations() * text.size()));
}

void Chunks(benchmark::State& state, const SentenceEncoder& encoder,
            Language language) {
  const std::string text = Text(language, 100'000);
  const auto tokens = int64_t(encoder.tokenizer().Encode(text)->size());
  for (auto _ : state)
    benchmark::DoNotOptimize(ChunkText(text, encoder.tokenizer()));
  state.SetItemsProcessed(int64_t(state.iterations()) * tokens);
  state.SetBytesProcessed(int64_t(state.iterations() * text.size()));
}

// `count`: texts in a call, each a chunk of up to 200 tokens.
void EncodeChunks(benchmark::State& state, const SentenceEncoder& encoder,
                  Language language, size_t count) {
  const std::string text = Text(language, 100'000);
  const auto chunks = *ChunkText(text, encoder.tokenizer());
  std::vector<std::string_view> texts;
  int64_t tokens = 0, bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    const Chunk& chunk = chunks[i % chunks.size()];
    texts.push_back(chunk.TextIn(text));
    tokens += chunk.tokens + 2;
    bytes += int64_t(texts.back().size());
  }
  for (auto _ : state) benchmark::DoNotOptimize(encoder.Encode(texts));
  state.SetItemsProcessed(int64_t(state.iterations()) * tokens);
  state.SetBytesProcessed(int64_t(state.iterations()) * bytes);
  state.counters["passages"] = benchmark::Counter(
      double(state.iterations()) * double(count), benchmark::Counter::kIsRate);
}

void EncodeQuestion(benchmark::State& state, const SentenceEncoder& encoder,
                    Language language) {
  const std::vector<std::string_view> texts = {
      language == Language::kEnglish
          ? "Where does the tenant of flat 12 leave the spare key?"
          : "12호 세입자는 여분의 열쇠를 어디에 두나요?"};
  for (auto _ : state)
    benchmark::DoNotOptimize(encoder.Encode(texts, TextKind::kQuery));
}

template <typename Run>
void Register(const std::string& name, Run run) {
  const auto least = [](const std::vector<double>& v) {
    return *std::ranges::min_element(v);
  };
  const auto most = [](const std::vector<double>& v) {
    return *std::ranges::max_element(v);
  };
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->Unit(benchmark::kMillisecond)
      ->ComputeStatistics("min", least)
      ->ComputeStatistics("max", most);
}

void RegisterAll() {
  for (const char* model : {"all-MiniLM-L6-v2", "multilingual-e5-small"}) {
    if (!std::filesystem::exists(fmt::format("third_party/models/{}", model)))
      continue;
    const SentenceEncoder* encoder = &EncoderOf(model);
    for (const auto language : {Language::kEnglish, Language::kKorean}) {
      const std::string stem = fmt::format(
          "{}/{}/", model, language == Language::kEnglish ? "en" : "ko");
      const auto add = [&](const std::string& what, auto run, auto... args) {
        Register(stem + what, [=](benchmark::State& state) {
          run(state, *encoder, language, args...);
        });
      };
      add("Tokenize", Tokenize);
      add("Chunks", Chunks);
      add("EncodeChunks:1", EncodeChunks, size_t{1});
      add("EncodeChunks:16", EncodeChunks, size_t{16});
      add("EncodeQuestion", EncodeQuestion);
    }
  }
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) {
  at::set_num_threads(1);
  gist::RegisterAll();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
