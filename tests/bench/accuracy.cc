// Passkey accuracy of a running server: each document alone from its gists and
// from its full text, and from the gists of two and of four documents joined.
//
//   gist_accuracy HOST:PORT tests/data/passkey/contexts.jsonl
//
// Prints a Markdown table. Greedy answers; "exact" is the whole answer,
// "contains" allows words around the key, "characters" is the share of the key's
// characters that stand at their place. Intervals: 95 %, Wilson score.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/gist_client.h"
#include "core/base/status.h"

namespace gist {
namespace {

using client::GistClient;

constexpr int kAnswerTokens = 32;

struct Needle {
  std::string text, question, key, needle, language;
};

struct Tally {
  int asked = 0, exact = 0, contains = 0;
  double characters = 0, first_token_seconds = 0;
  int64_t document_tokens = 0;
  double ratio = 0;

  void Add(const std::string& key, std::string answer,
           const client::Accounting& accounting) {
    while (!answer.empty() && std::isspace(static_cast<unsigned char>(answer.back()))) {
      answer.pop_back();
    }
    ++asked;
    exact += answer == key;
    contains += answer.find(key) != std::string::npos;
    int same = 0;
    for (size_t i = 0; i < std::min(key.size(), answer.size()); ++i) {
      same += key[i] == answer[i];
    }
    characters += double(same) / double(key.size());
    document_tokens += accounting.document_tokens;
    ratio += accounting.compression_ratio;
    first_token_seconds += accounting.first_token_seconds;
  }
};

std::string WithInterval(int hits, int asked) {
  const double n = asked, p = hits / n, z = 1.96;
  const double center = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  return fmt::format("{:.0f} % ({:.0f}-{:.0f})", 100 * p, 100 * std::max(0.0, center - half),
                     100 * (center + half));
}

std::vector<Needle> ReadNeedles(const std::string& path) {
  std::ifstream in(path);
  std::vector<Needle> needles;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    needles.push_back({json.at("context"), json.at("question"), json.at("answer"),
                       json.at("needle"), json.at("language")});
  }
  return needles;
}

std::string WithoutNeedle(const Needle& source) {
  std::string text = source.text;
  text.erase(text.find(source.needle), source.needle.size());
  return text;
}

class Bench {
 public:
  Bench(const std::string& target, std::vector<Needle> needles)
      : client_({.target = target, .timeout_seconds = 600}),
        needles_(std::move(needles)) {}

  absl::Status Run() {
    for (size_t i = 0; i < needles_.size(); ++i) {
      const Needle& needle = needles_[i];
      GIST_ASSIGN_OR_RETURN(const auto own, Compress(needle.text));
      const std::string cell = fmt::format(
          "{} about {:.0f}", needle.language, 1024 * std::round(own.tokens / 1024.0));
      GIST_RETURN_IF_ERROR(
          Ask(cell + "|gists", needle, {own.id}, client::Mode::kGist));
      GIST_RETURN_IF_ERROR(
          Ask(cell + "|full context", needle, {own.id}, client::Mode::kFullContext));
      for (const size_t joined : {2, 4}) {
        GIST_RETURN_IF_ERROR(AskJoined(i, own.id, joined));
      }
      std::fprintf(stderr, "\r%zu of %zu documents", i + 1, needles_.size());
    }
    std::fprintf(stderr, "\n");
    return absl::OkStatus();
  }

  void Print() const {
    std::puts(
        "| documents | answered from | n | tokens | ratio | exact | contains | "
        "characters | first token, s |\n|---|---|---|---|---|---|---|---|---|");
    for (const auto& [name, tally] : cells_) {
      const size_t bar = name.find('|');
      std::puts(fmt::format("| {} | {} | {} | {} | {:.0f}x | {} | {} | {:.0f} % | {:.2f} |",
                            name.substr(0, bar), name.substr(bar + 1), tally.asked,
                            tally.document_tokens / tally.asked,
                            tally.ratio / tally.asked,
                            WithInterval(tally.exact, tally.asked),
                            WithInterval(tally.contains, tally.asked),
                            100 * tally.characters / tally.asked,
                            tally.first_token_seconds / tally.asked)
                    .c_str());
    }
  }

 private:
  struct Compressed {
    std::string id;
    double tokens = 0;
  };

  absl::StatusOr<Compressed> Compress(const std::string& text) {
    GIST_ASSIGN_OR_RETURN(const auto result, client_.Compress(text, {}));
    return Compressed{result.context.context_id,
                      double(result.context.context_tokens)};
  }

  // The document that holds the key stands at a place that changes; the others,
  // in its language, have had their own keys removed.
  absl::Status AskJoined(size_t index, const std::string& own, size_t joined) {
    const Needle& needle = needles_[index];
    std::vector<std::string> ids;
    for (size_t next = index + 1; ids.size() + 1 < joined; ++next) {
      const Needle& other = needles_[next % needles_.size()];
      if (other.language != needle.language) continue;
      GIST_ASSIGN_OR_RETURN(const auto filler, Compress(WithoutNeedle(other)));
      ids.push_back(filler.id);
    }
    ids.insert(ids.begin() + std::ptrdiff_t(index % joined), own);
    return Ask(fmt::format("{} joined: {}|gists", needle.language, joined), needle,
               ids, client::Mode::kGist);
  }

  absl::Status Ask(const std::string& cell, const Needle& needle,
                   const std::vector<std::string>& ids, client::Mode mode) {
    std::string answer;
    GIST_ASSIGN_OR_RETURN(const auto accounting,
                          client_.Ask({.context_ids = ids,
                                       .text = needle.question,
                                       .mode = mode,
                                       .max_tokens = kAnswerTokens},
                                      [&](std::string_view text) {
                                        answer += text;
                                        return absl::OkStatus();
                                      }));
    cells_[cell].Add(needle.key, answer, accounting);
    return absl::OkStatus();
  }

  GistClient client_;
  std::vector<Needle> needles_;
  std::map<std::string, Tally> cells_;  // "documents|answered from"
};

int Main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: gist_accuracy HOST:PORT CONTEXTS.jsonl\n");
    return 2;
  }
  std::vector<Needle> needles = ReadNeedles(argv[2]);
  if (needles.empty()) {
    std::fprintf(stderr, "%s: no documents\n", argv[2]);
    return 4;
  }
  Bench bench(argv[1], std::move(needles));
  if (const absl::Status status = bench.Run(); !status.ok()) {
    std::fprintf(stderr, "\n%s\n", status.ToString().c_str());
    return 1;
  }
  bench.Print();
  return 0;
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) {
  try {
    return gist::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 4;
  }
}
