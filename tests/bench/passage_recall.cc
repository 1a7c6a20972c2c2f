// How often the passages that retrieval finds hold the answer, whoever reads
// them: what an encoder, and what common words are worth on a data set before
// any model is asked.
//
//   gist_passage_recall SAMPLES.jsonl...
//
// Chunks as the service cuts them, all compared (the service's graph finds the
// same but for 1 %), a row for each file and ranking. Samples of one text that
// follow each other share its vectors. --join N makes one text of each N that
// follow each other: paragraphs with questions are too short to search in.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
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

// Of this process, once what was freed is given back.
double ResidentMegabytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return double(resident) * double(sysconf(_SC_PAGESIZE)) / 1e6;
}

struct Passages {
  std::vector<std::string_view> texts;
  std::vector<float> vectors;  // row-major
};

struct Flags {
  size_t limit = SIZE_MAX, join = 1;
  int chunk_tokens = ChunkOptions().max_tokens;  // as gistd has them
};

absl::StatusOr<Passages> PassagesOf(Embedder& embedder, const Flags& flags,
                                    std::string_view text) {
  ChunkOptions options;
  options.max_tokens = flags.chunk_tokens;
  options.max_tokens =
      std::min(options.max_tokens, embedder.info().max_text_tokens);
  options.overlap_tokens =
      std::min(options.overlap_tokens, options.max_tokens / 2);
  GIST_ASSIGN_OR_RETURN(const auto chunks, embedder.Chunks(text, options));
  Passages passages;
  for (const Chunk& chunk : chunks)
    passages.texts.push_back(chunk.TextIn(text));
  GIST_ASSIGN_OR_RETURN(passages.vectors,
                        embedder.Embed(passages.texts, TextKind::kPassage));
  return passages;
}

// By each ranking, 0: the best chunk holds the answer; chunks: none does.
absl::StatusOr<Ranks> RanksOfAnswer(Embedder& embedder, const Record& record,
                                    const Passages& passages) {
  const std::string_view question = record.question;
  const auto& [texts, vectors] = passages;
  GIST_ASSIGN_OR_RETURN(const auto wanted,
                        embedder.Embed({&question, 1}, TextKind::kQuery));
  const auto nearest = BySimilarity(wanted, vectors);
  const auto bm25 = Bm25Scores(question, texts);
  Ranks ranks = {};
  for (size_t i = 0; i < ranks.size(); ++i) {
    const auto order = RankPassages(kRankings[i], nearest, bm25, texts.size());
    const auto found = std::ranges::find_if(order, [&](size_t chunk) {
      return passages.texts[chunk].find(record.answer) !=
             std::string_view::npos;
    });
    ranks[i] =
        found == order.end() ? texts.size() : size_t(found - order.begin());
  }
  return ranks;
}

// Each `count` texts that follow each other become one.
void Join(size_t count, std::vector<Record>* records) {
  for (size_t begin = 0, end = 0; begin < records->size(); begin = end) {
    std::string joined, last;
    size_t texts = 0;
    for (; end < records->size(); ++end) {
      const std::string& text = (*records)[end].context;
      if (texts > 0 && text == last) continue;
      if (texts++ == count) break;
      joined += (joined.empty() ? "" : "\n\n") + text;
      last = text;
    }
    for (size_t i = begin; i < end; ++i) (*records)[i].context = joined;
  }
}

absl::Status Measure(Embedder& embedder, const Flags& flags,
                     const std::string& path) {
  GIST_ASSIGN_OR_RETURN(std::vector<Record> records, ReadRecords(path));
  records.resize(std::min(flags.limit, records.size()));
  if (flags.join > 1) Join(flags.join, &records);
  std::array<std::array<size_t, kPassages.size()>, kRankings.size()> found = {};
  client::ProgressBar bar(path, client::Unit::kSamples);
  Passages passages;
  for (size_t i = 0; i < records.size(); ++i) {
    if (i == 0 || records[i].context != records[i - 1].context) {
      GIST_ASSIGN_OR_RETURN(passages,
                            PassagesOf(embedder, flags, records[i].context));
    }
    GIST_ASSIGN_OR_RETURN(const Ranks ranks,
                          RanksOfAnswer(embedder, records[i], passages));
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
  std::string folder = "third_party/models/multilingual-e5-small",
              device = "cpu";
  Flags flags;
  int threads = 0;
  app.add_option("files", files, "JSON Lines of samples")->required();
  app.add_option("--embedder", folder, "folder of the encoder");
  app.add_option("--device", device, "cpu or cuda:N");
  app.add_option("--limit", flags.limit, "of each file the first so many");
  app.add_option("--join", flags.join, "texts that become one");
  app.add_option("--chunk-tokens", flags.chunk_tokens,
                 "longest passage, by the encoder's count");
  app.add_option("--threads", threads, "0: one a core");
  CLI11_PARSE(app, argc, argv);
  const auto run = [&]() -> absl::Status {
    GIST_RETURN_IF_ERROR(PrepareDevice(device));
    SetThreads(threads);
    const double before = ResidentMegabytes();
    GIST_ASSIGN_OR_RETURN(const auto embedder,
                          MakeTorchEmbedder(folder, device));
    std::printf("%s: %.0f MB resident, %.0f MB of them weights\n",
                embedder->info().name.c_str(), ResidentMegabytes() - before,
                double(embedder->info().weight_bytes) / 1e6);
    std::printf("%-24s %-7s %5s %9s %9s %9s %9s\n", "the answer is among", "by",
                "n", "1 passage", "2", "4", "8");
    for (const std::string& file : files)
      GIST_RETURN_IF_ERROR(Measure(*embedder, flags, file));
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
