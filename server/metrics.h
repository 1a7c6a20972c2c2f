// What Prometheus sees. Every metric's name stands in metrics.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist {

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // Serves GET /metrics on `address` (HOST:PORT, port 0: any free one) until
  // this object goes; returns the address with the real port. kUnavailable: the
  // port cannot be had.
  absl::StatusOr<std::string> Serve(const std::string& address);
  // The page as text.
  std::string Render() const;

  // `code`: the gRPC status code's name, "OK" or "NOT_FOUND".
  void CountRequest(std::string_view rpc, std::string_view code,
                    double seconds);
  // `prompt_tokens`: all that the answer was made from.
  void CountAnswer(std::string_view mode, int64_t prompt_tokens,
                   int64_t answer_tokens);
  void CountCompressed(int64_t document_tokens);
  // Contexts that appeared, or went (negative).
  void AddContexts(int64_t change);

  // A context that expired or gave way; `reason`: "expired" or "evicted".
  void CountRemoved(std::string_view reason);

  // One optimizer step of the training that runs.
  void CountTrainStep(double loss, double tokens_per_second);
  // A training ended, or was interrupted; `state`: "SUCCEEDED".
  void CountTraining(std::string_view state);
  void SetTrainings(int64_t queued, int64_t running);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gist
