// What Prometheus sees. Names, types, labels and meanings: metric_names.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/telemetry/readings.h"

namespace gist {

// Where the time of an answer or a compression went.
struct StageSeconds {
  double queue = 0;
  double prefill = 0;
  std::optional<double> first_token;           // of an answer
  std::span<const float> inter_token_seconds;  // likewise
};

struct AnswerCounts {
  int64_t prompt_tokens = 0;  // all that the answer was made from
  int64_t answer_tokens = 0;
  int64_t kv_bytes = 0;  // that stood for the documents
  int64_t full_context_kv_bytes = 0;
};

struct CompressedCounts {
  int64_t document_tokens = 0;
  int64_t gist_tokens = 0;
  int64_t kv_bytes = 0;  // of the gists, as stored
};

// The values of the labels of a store's operations.
namespace store {
inline constexpr const char* kOps[] = {"put",
                                       "get_record",
                                       "get_gists",
                                       "get_text",
                                       "has_text",
                                       "list",
                                       "put_chunk_index",
                                       "get_chunk_index",
                                       "tenant_documents",
                                       "put_tenant_index",
                                       "get_tenant_index",
                                       "delete",
                                       "find",
                                       "set_retention",
                                       "write_uses",
                                       "inventory",
                                       "erase_deleted",
                                       "copy"};
inline constexpr const char* kResults[] = {
    "ok",       "not_found",   "corrupt", "mismatch",
    "no_space", "unavailable", "error"};
}  // namespace store

struct StoreOperation {
  const char* op = "";      // of store::kOps
  const char* result = "";  // of store::kResults
  double seconds = 0;
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
};

struct BuildInfo {
  std::string model;
  std::string fingerprint;  // of the model
  std::string device;
};

// Thread-safe. No label takes its value from a request: each has a fixed set,
// docs/metrics.md lists them.
class Metrics {
 public:
  using Reader = std::function<Readings()>;

  Metrics();
  ~Metrics();

  // The page as text.
  std::string Render() const;

  // `read` is called for each page, on any thread, until the returned object
  // goes; that waits for a call that runs. One at a time.
  [[nodiscard]] std::shared_ptr<void> ReadFrom(Reader read);
  void SetBuild(const BuildInfo& build);
  // Does the server take calls? No until this is called.
  void SetReady(bool ready);

  // `code`: the gRPC status code's name, "OK" or "NOT_FOUND"; `mode`: as
  // CallRecord's.
  void CountRequest(std::string_view rpc, std::string_view mode,
                    std::string_view code, double seconds);
  // `reason`: the name of one that is_limit (server/support/errors.h).
  void CountRejected(std::string_view reason);
  void CountStages(std::string_view rpc, std::string_view mode,
                   const StageSeconds& seconds);
  void CountAnswer(std::string_view mode, const AnswerCounts& counts);
  void CountCompressed(const CompressedCounts& counts);
  // Contexts that appeared, or went (negative).
  void AddContexts(int64_t change);
  void CountStoreOperation(const StoreOperation& operation);
  // Work that was looked for before it is done; `tier`: "store" (gists of a
  // document), "index" (its chunk index).
  void CountLookups(std::string_view tier, int64_t hits, int64_t misses);

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
