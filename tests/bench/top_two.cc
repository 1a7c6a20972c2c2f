// The two likeliest next tokens behind token ids, and how far apart they are.
//
//   gist_top_two MODEL.gguf [--weights NAME] [--threads N]
//
// Reads ids from standard input, a sequence a line, separated by spaces.
// Answers each line with one of JSON: two ids, best first, and the margin, the
// difference of their logits in nats. same_answers.py drives it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "core/base/status.h"
#include "core/base/weight_storage.h"
#include "core/format/gguf.h"
#include "core/format/mapped_file.h"
#include "core/model/device.h"
#include "core/model/transformer.h"
#include "fmt/format.h"

namespace gist {
namespace {

struct Flags {
  std::string model, weights = "float32";
  int threads = 0;
};

absl::StatusOr<std::string> TopTwo(const Transformer& transformer,
                                   const std::string& line) {
  std::vector<int32_t> ids;
  std::istringstream stream(line);
  for (int32_t id = 0; stream >> id;) ids.push_back(id);
  if (!stream.eof() || ids.empty())
    return absl::InvalidArgumentError(
        fmt::format("found \"{}\", want token ids with spaces between", line));
  KvCache cache = transformer.NewCache();
  const ForwardItem item = {
      .cache = &cache, .ids = ids, .logits = LogitRows::kLast};
  GIST_ASSIGN_OR_RETURN(const auto logits, transformer.Forward({&item, 1}));
  const std::vector<float>& row = logits.front();
  std::vector<size_t> order(row.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::partial_sort(order, order.begin() + 2, std::greater(),
                            [&](size_t i) { return row[i]; });
  return fmt::format("{{\"ids\": [{}, {}], \"margin\": {:.6f}}}", order[0],
                     order[1], row[order[0]] - row[order[1]]);
}

absl::Status Run(const Flags& flags) {
  const auto weights = ParseWeightStorage(flags.weights);
  if (!weights)
    return absl::InvalidArgumentError(
        fmt::format("--weights: found {}, want float32, bfloat16 or quantized",
                    flags.weights));
  GIST_RETURN_IF_ERROR(PrepareDevice("cpu"));
  SetThreads(flags.threads);
  GIST_ASSIGN_OR_RETURN(auto opened, MappedFile::Open(flags.model));
  const auto file = std::make_shared<const MappedFile>(std::move(opened));
  GIST_ASSIGN_OR_RETURN(const Gguf gguf, Gguf::Parse(file->bytes()));
  GIST_ASSIGN_OR_RETURN(const auto transformer,
                        Transformer::Load(gguf, "cpu", *weights, file));
  for (std::string line; std::getline(std::cin, line);) {
    GIST_ASSIGN_OR_RETURN(const std::string top, TopTwo(*transformer, line));
    std::cout << top << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace gist

int main(int argc, char** argv) {
  gist::Flags flags;
  CLI::App app("The two likeliest next tokens.", "gist_top_two");
  app.add_option("model", flags.model, "GGUF file")->required();
  app.add_option("--weights", flags.weights, "as gistd's");
  app.add_option("--threads", flags.threads, "0: one a core");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = gist::Run(flags);
  if (status.ok()) return 0;
  std::fprintf(stderr, "gist_top_two: %s\n",
               std::string(gist::Message(status)).c_str());
  return 1;
}
