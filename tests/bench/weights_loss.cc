// What a weight storage loses against float32: perplexity of a text, and how
// often the likeliest token is the same.
//
//   gist_weights_loss MODEL TEXT [--weights TYPE] [--tokens N]
//
// Prints one line for each storage: perplexity, its ratio to float32's, the
// mean Kullback-Leibler divergence in nats, and the share of equal tokens.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "core/base/status.h"
#include "core/model/base_model.h"
#include "core/model/device.h"

namespace gist::bench {
namespace {

constexpr int kWindow = 512;  // tokens that are read together

// Natural logarithms of probabilities, in place.
void ToLogProbabilities(std::vector<float>& logits, size_t vocabulary) {
  for (size_t at = 0; at < logits.size(); at += vocabulary) {
    float* row = logits.data() + at;
    const float most = *std::max_element(row, row + vocabulary);
    double sum = 0;
    for (size_t i = 0; i < vocabulary; ++i) sum += std::exp(row[i] - most);
    const float shift = most + float(std::log(sum));
    for (size_t i = 0; i < vocabulary; ++i) row[i] -= shift;
  }
}

absl::StatusOr<std::vector<float>> Read(const Transformer& model,
                                        std::span<const int32_t> ids) {
  KvCache cache = model.NewCache();
  const ForwardItem item{
      .cache = &cache, .ids = ids, .logits = LogitRows::kAll};
  GIST_ASSIGN_OR_RETURN(auto logits, model.Forward({&item, 1}));
  ToLogProbabilities(logits[0], size_t(model.config().vocab_size));
  return std::move(logits[0]);
}

struct Loss {
  double log_likelihood = 0, reference_log_likelihood = 0, divergence = 0;
  int64_t same = 0, rows = 0;
};

void Add(const std::vector<float>& reference, const std::vector<float>& other,
         std::span<const int32_t> ids, size_t vocabulary, Loss* loss) {
  for (size_t r = 0; r + 1 < ids.size(); ++r) {
    const float* p = reference.data() + r * vocabulary;
    const float* q = other.data() + r * vocabulary;
    const auto next = size_t(ids[r + 1]);
    loss->reference_log_likelihood += p[next];
    loss->log_likelihood += q[next];
    for (size_t i = 0; i < vocabulary; ++i)
      loss->divergence += std::exp(double(p[i])) * (p[i] - q[i]);
    const auto best = [&](const float* row) {
      return std::max_element(row, row + vocabulary) - row;
    };
    loss->same += best(p) == best(q) ? 1 : 0;
    ++loss->rows;
  }
}

absl::Status Run(const std::string& path, const std::string& text_path,
                 WeightStorage storage, size_t most) {
  SetThreads(0);
  GIST_ASSIGN_OR_RETURN(
      const BaseModel reference,
      LoadBaseModel(path, "cpu", WeightStorage::kFloat32, ""));
  GIST_ASSIGN_OR_RETURN(const BaseModel other,
                        LoadBaseModel(path, "cpu", storage, ""));
  std::ifstream file(text_path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  GIST_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                        reference.tokenizer->Encode(text));
  ids.resize(std::min(ids.size(), most));
  const auto vocabulary = size_t(reference.transformer->config().vocab_size);
  Loss loss;
  for (size_t at = 0; at + 1 < ids.size(); at += kWindow) {
    const auto window = std::span<const int32_t>(ids).subspan(
        at, std::min<size_t>(kWindow, ids.size() - at));
    GIST_ASSIGN_OR_RETURN(const auto p, Read(*reference.transformer, window));
    GIST_ASSIGN_OR_RETURN(const auto q, Read(*other.transformer, window));
    Add(p, q, window, vocabulary, &loss);
  }
  const double rows = double(loss.rows);
  const double before = std::exp(-loss.reference_log_likelihood / rows);
  const double after = std::exp(-loss.log_likelihood / rows);
  std::printf(
      "%lld tokens: perplexity %.4f, of float32 %.4f, ratio %.5f; "
      "divergence %.5f nats; %.2f %% of likeliest tokens the same\n",
      static_cast<long long>(loss.rows), after, before, after / before,
      loss.divergence / rows, 100.0 * double(loss.same) / rows);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app{"What a weight storage loses against float32."};
  std::string model, text, weights = "quantized";
  size_t tokens = 4096;
  app.add_option("model", model, "a GGUF file")->required();
  app.add_option("text", text, "a text file")->required();
  app.add_option("--weights", weights, std::string(kWeightStorageHelp));
  app.add_option("--tokens", tokens, "tokens of the text that are read");
  CLI11_PARSE(app, argc, argv);
  const auto storage = ParseWeightStorage(weights);
  if (!storage) {
    std::fprintf(stderr, "--weights: %s, want %s\n", weights.c_str(),
                 std::string(kWeightStorageHelp).c_str());
    return 2;
  }
  const absl::Status status = Run(model, text, *storage, tokens);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(Message(status)).c_str());
  return 1;
}

}  // namespace
}  // namespace gist::bench

int main(int argc, char** argv) { return gist::bench::Main(argc, argv); }
