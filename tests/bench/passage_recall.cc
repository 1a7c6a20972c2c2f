// How often the passages that retrieval finds hold the answer, whoever reads
// them: what an encoder, and what common words are worth on a data set before
// any model is asked.
//
//   gist_passage_recall SAMPLES.jsonl...
//
// Chunks as the service cuts them, all compared (the service's graph finds the
// same but for 1 %), a row for each file and ranking.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <span>

#include "CLI/CLI.hpp"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/status.h"
#include "core/data/record_file.h"
#include "core/embed/torch_embedder.h"
#include "core/model/device.h"
#include "core/retrieval/bm25.h"
#include "core/retrieval/passages.h"

namespace gist::bench {
namespace {

constexpr std::array<size_t, 4> kPassages = {1, 2, 4, 8};
constexpr std::array kRankings = {Ranking::kDense, Ranking::kLexical,
                                  Ranking::kFused};
constexpr std::array kNames = {"dense", "lexical", "fused"};
using Ranks = std::array<size_t, kRankings.size()>;

// By each ranking, 0: the best chunk holds the answer; chunks: none does.
absl::StatusOr<Ranks> RanksOfAnswer(Embedder& embedder, const Record& record) {
  const std::string_view text = record.context, question = record.question;
  ChunkOptions options;  // as gistd has them by default
  options.max_tokens =
      std::min(options.max_tokens, embedder.info().max_text_tokens);
  options.overlap_tokens =
      std::min(options.overlap_tokens, options.max_tokens / 2);
  GIST_ASSIGN_OR_RETURN(const auto chunks, embedder.Chunks(text, options));
  std::vector<std::string_view> texts;
  for (const Chunk& chunk : chunks) texts.push_back(chunk.TextIn(text));
  GIST_ASSIGN_OR_RETURN(const auto vectors, embedder.Embed(texts));
  GIST_ASSIGN_OR_RETURN(const auto wanted, embedder.Embed({&question, 1}));
  const auto nearest = BySimilarity(wanted, vectors);
  const auto bm25 = Bm25Scores(question, texts);
  Ranks ranks = {};
  for (size_t i = 0; i < ranks.size(); ++i) {
    const auto order = RankPassages(kRankings[i], nearest, bm25, texts.size());
    const auto found = std::ranges::find_if(order, [&](size_t chunk) {
      return texts[chunk].find(record.answer) != std::string_view::npos;
    });
    ranks[i] =
        found == order.end() ? texts.size() : size_t(found - order.begin());
  }
  return ranks;
}

absl::Status Measure(Embedder& embedder, const std::string& path, size_t most) {
  GIST_ASSIGN_OR_RETURN(std::vector<Record> records, ReadRecords(path));
  records.resize(std::min(most, records.size()));
  std::array<std::array<size_t, kPassages.size()>, kRankings.size()> found = {};
  client::ProgressBar bar(path, client::Unit::kSamples);
  for (size_t i = 0; i < records.size(); ++i) {
    GIST_ASSIGN_OR_RETURN(const Ranks ranks,
                          RanksOfAnswer(embedder, records[i]));
    for (size_t r = 0; r < ranks.size(); ++r) {
      for (size_t k = 0; k < kPassages.size(); ++k)
        found[r][k] += ranks[r] < kPassages[k];
    }
    bar.Update(int64_t(i) + 1, int64_t(records.size()));
  }
  for (size_t r = 0; r < kRankings.size(); ++r) {
    std::printf("%-24s %-7s %5zu",
                std::filesystem::path(path).filename().string().c_str(),
                kNames[r], records.size());
    for (const size_t n : found[r])
      std::printf(" %7.1f %%", 100.0 * double(n) / double(records.size()));
    std::printf("\n");
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("How often passages hold the answer.", "gist_passage_recall");
  std::vector<std::string> files;
  std::string folder = "third_party/models/all-MiniLM-L6-v2", device = "cpu";
  size_t limit = SIZE_MAX;
  int threads = 0;
  app.add_option("files", files, "JSON Lines of samples")->required();
  app.add_option("--embedder", folder, "folder of the encoder");
  app.add_option("--device", device, "cpu or cuda:N");
  app.add_option("--limit", limit, "of each file the first so many");
  app.add_option("--threads", threads, "0: one a core");
  CLI11_PARSE(app, argc, argv);
  const auto run = [&]() -> absl::Status {
    GIST_RETURN_IF_ERROR(PrepareDevice(device));
    SetThreads(threads);
    GIST_ASSIGN_OR_RETURN(const auto embedder,
                          MakeTorchEmbedder(folder, device));
    std::printf("%-24s %-7s %5s %9s %9s %9s %9s\n", "the answer is among", "by",
                "n", "1 passage", "2", "4", "8");
    for (const std::string& file : files)
      GIST_RETURN_IF_ERROR(Measure(*embedder, file, limit));
    return absl::OkStatus();
  };
  const absl::Status status = run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "gist_passage_recall: %s\n",
               std::string(Message(status)).c_str());
  return 1;
}

}  // namespace
}  // namespace gist::bench

int main(int argc, char** argv) { return gist::bench::Main(argc, argv); }
