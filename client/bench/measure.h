// Times a running server: what `gist bench` measures.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/gist_client.h"

namespace gist::client {

// A part of the measurement. Each compresses the texts that it asks about.
enum class BenchPart { kCompress, kFirstToken, kDecode, kAnswers };
inline constexpr BenchPart kBenchParts[] = {
    BenchPart::kCompress, BenchPart::kFirstToken, BenchPart::kDecode,
    BenchPart::kAnswers};
// As the command line names it: "compress", "first_token", "decode",
// "answers".
std::string_view BenchPartName(BenchPart part);

struct BenchOptions {
  std::vector<BenchPart> parts{std::begin(kBenchParts), std::end(kBenchParts)};
  std::vector<int> lengths = {500, 2000, 8000};  // tokens of a text, about
  std::vector<Mode> modes = {Mode::kGist, Mode::kFull, Mode::kRag};
  std::vector<int> at_once = {1, 2, 4, 8, 16};  // answers
  int rounds = 3;                               // each with texts of its own
  int repeats = 5;         // of a question whose text the server has in memory
  int answer_tokens = 48;  // at most, where decoding is timed
};

// Values of all rounds; empty: nothing was measured.
using Samples = std::vector<double>;

struct CompressFigures {
  Samples tokens;             // of the document, by the server's count
  Samples seconds;            // from call to reply
  Samples tokens_per_second;  // by these seconds
  Samples over_prefill;       // seconds over the seconds of prefill alone
};

struct FirstTokenFigures {
  Mode mode = Mode::kGist;
  Samples tokens;  // of the document
  // From call to the first text of the answer, in seconds: the first question
  // to a text, and later ones.
  Samples first, again;
};

struct DecodeFigures {
  Mode mode = Mode::kGist;
  Samples tokens;             // of the document
  Samples tokens_per_second;  // of one answer, after its first token
};

struct AnswerFigures {
  int at_once = 1;
  Samples tokens_per_second;  // of all answers together, questions included
};

struct BenchFigures {
  std::vector<CompressFigures> compress;       // by length
  std::vector<FirstTokenFigures> first_token;  // by length and mode
  std::vector<DecodeFigures> decode;           // likewise
  std::vector<AnswerFigures> answers;          // at the first length
  // Of repeated questions: seconds of a call beyond those that the server
  // counts as waiting, reading its store and running the model.
  Samples overhead;
};

// Says what begins now.
using BenchStep = std::function<void(std::string step)>;

// Compresses texts made for this run, asks them and deletes them, also after an
// error. Nothing else should use the server meanwhile. Errors: the server's;
// kCancelled: `stop`.
absl::StatusOr<BenchFigures> MeasureServer(const GistClient& client,
                                           const BenchOptions& options,
                                           std::stop_token stop,
                                           const BenchStep& on_step);

// Of values that are not empty.
double Median(Samples values);

}  // namespace gist::client
