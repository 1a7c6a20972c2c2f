// What the service does: the use cases over engine, store and scheduler.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/engine/engine.h"
#include "server/retrieval/retriever.h"
#include "server/scheduling/caller.h"
#include "server/scheduling/compress_job.h"
#include "server/scheduling/keyed_lock.h"
#include "server/scheduling/kv_cache_pool.h"
#include "server/scheduling/scheduler.h"
#include "server/serving/ask_result.h"
#include "server/serving/request_ids.h"
#include "server/serving/token_limit.h"
#include "server/support/wall_clock.h"
#include "storage/gist_store.h"
#include "storage/kv_codec.h"

namespace gist {

struct PipelineLimits {
  int64_t max_document_bytes = int64_t{64} << 20;
  int64_t max_document_tokens = 262144;
  int max_contexts_per_ask = 64;
  // Of keys and values of texts read lately, kept in memory; 0: none.
  int64_t max_cached_kv_bytes = 0;
  // Of indexes over all documents of a tenant, in memory.
  int64_t max_index_bytes = int64_t{256} << 20;
};

struct ContextInfo {
  ContextRecord record;
  // The one that the call made or found; else the newest of gists, or of all.
  // Of 0 slots where there is none.
  Representation representation;
  Retention retention;
  int64_t used_unix_ms = 0;
  bool has_text = false;              // MODE_FULL can answer
  int64_t full_context_kv_bytes = 0;  // 0: another model's, whose shape is
                                      // unknown here
};

// The retention that a request asks for. Empty fields stay as they are; a new
// context never expires and is not pinned.
struct RetentionPolicy {
  std::optional<double> ttl_seconds = {};  // from when it is stored or changed
  std::optional<int64_t> expire_unix_ms = {};  // 0: never; for ttl_seconds
  std::optional<bool> pinned = {};
};

struct CompressInput {
  std::string text;
  int gist_tokens = 0;          // of each group of the document; 0: the default
  std::string request_id = {};  // empty: each call is its own
  RetentionPolicy retention = {};
  // kGist; or kFull: keys and values of all tokens, if they fit the model's
  // context. kFull needs no gist_tokens and no adapter.
  Rung rung = Rung::kGist;
  // kF16, or kI8 for kFull. Empty: the rung's default, kF16 and kI8.
  std::optional<KvStorage> storage = {};
};

struct CompressResult {
  ContextInfo context;
  bool cached = false;  // it was there already; nothing was computed
  bool is_new = false;  // there was no context of this id, not even a bad one
  Usage usage;
  Timings timings;
};

struct AddInput {
  std::string text;
  std::string request_id = {};  // as CompressInput's
  RetentionPolicy retention = {};
};

struct AddResult {
  ContextInfo context;
  bool cached = false;  // the text was there already; nothing was stored
  bool is_new = false;  // there was no context of this id, not even a bad one
  Timings timings;
};

struct AskInput {
  std::vector<std::string> context_ids;
  bool all_documents =
      false;  // of the tenant, in kRag, in place of context_ids
  std::string question;
  AskMode mode = AskMode::kGist;
  int max_tokens = 0;  // 0: 256, or what still fits
  // In kGist and kHybrid: of each context the newest representation of this
  // many gists, 0: of any number. One by the adapter in use comes first.
  int gist_tokens = 0;
  RetrievalOptions retrieval = {};  // in kRag and kHybrid
  bool truncate = false;            // in kFull: leave out what does not fit
  bool answer_adapter = false;      // on question and answer
  bool bypass_cache = false;  // uses and leaves no keys and values in memory
  Sampling sampling = {};
};

struct ListResult {
  std::vector<ContextInfo> contexts;
  std::string next_page_token;
};

struct ImportResult {
  ContextInfo context;
  bool is_new = false;
};

// Errors are those of gist.proto, as absl::StatusCodes. The scheduler's and the
// store's own (kUnavailable, kResourceExhausted) pass through. Thread-safe;
// calls block until their work has ended, one way or the other.
class Pipeline {
 public:
  using ProgressSink = std::function<void(const CompressProgress&)>;
  // False: nobody reads any more; the answer is cancelled.
  using TextSink = std::function<bool(const std::string& piece)>;

  // All outlive the pipeline. `scheduler` runs `engine`. Without `embedder`
  // kRag and kHybrid are refused. `clock`: null: the system's.
  Pipeline(Engine& engine, GistStore& store, Scheduler& scheduler,
           PipelineLimits limits, Embedder* embedder = nullptr,
           const WallClock* clock = nullptr);
  ~Pipeline();  // no call is running, and no job of one

  // The same text with the same number of gists is computed once, also when
  // requested twice at the same time. Another number adds a representation to
  // the text's context. An imported representation, or one that fails its
  // checks, is computed again and replaced. `progress` runs on the caller's
  // thread. With a request_id a repeat gives the first call's context, whatever
  // adapter is in use by then; one that is gone is computed anew.
  absl::StatusOr<CompressResult> Compress(const CompressInput& input,
                                          const Caller& caller,
                                          const ProgressSink& progress = {});
  // Stores the text and computes nothing from it but its number of tokens. A
  // context of the same text keeps what it has.
  absl::StatusOr<AddResult> Add(const AddInput& input, const Caller& caller);
  // Contexts of another model answer in kFull and kRag, from their text; what
  // they have beside it is not loaded.
  // `on_text` gets pieces of whole UTF-8 characters, on the caller's thread.
  absl::StatusOr<AskResult> Ask(const AskInput& input, const Caller& caller,
                                const TextSink& on_text);

  // Contexts of another tenant than `tenant` are not found, and not listed.
  absl::StatusOr<ContextInfo> Get(std::string_view context_id,
                                  std::string_view tenant = {}) const;
  // `page_size`: 0: 50; at most 1000.
  absl::StatusOr<ListResult> List(int page_size, std::string_view page_token,
                                  std::string_view tenant = {}) const;
  absl::Status Delete(std::string_view context_id,
                      std::string_view tenant = {});
  // kInvalidArgument: a time that is past or out of range.
  absl::StatusOr<ContextInfo> Update(std::string_view context_id,
                                     const RetentionPolicy& policy,
                                     const Caller& caller = {});
  // Drops what memory holds of a document that is gone.
  void ForgetDocument(std::string_view document_id);
  // One safetensors file with all representations, and with the document's text
  // if it is kept and wanted.
  absl::StatusOr<std::string> Export(std::string_view context_id,
                                     bool without_text,
                                     std::string_view tenant = {}) const;
  // The context becomes one of the caller's tenant. A representation that was
  // computed here is left as it is, never replaced. Of another model a text
  // alone is taken, and stays that model's.
  absl::StatusOr<ImportResult> Import(std::string_view file,
                                      const Caller& caller);

  const Engine& engine() const { return engine_; }
  const PipelineLimits& limits() const { return limits_; }
  const Scheduler& scheduler() const { return scheduler_; }
  const KvCachePool& cache() const { return cache_; }
  // Null: no embedder.
  const Retriever* retriever() const {
    return retriever_ ? &*retriever_ : nullptr;
  }
  StoreUsage usage() const { return store_.usage(); }
  // Of an imported file: the largest document, room for its gists, and a full
  // representation at 16 bits.
  int64_t max_import_bytes() const;

 private:
  struct AskPlan;  // what an answer is made of

  absl::StatusOr<CompressResult> CompressLatest(const CompressInput& input,
                                                const Caller& caller,
                                                const ProgressSink& progress);
  absl::StatusOr<CompressResult> Recall(const std::string& made,
                                        const CompressInput& input,
                                        const Caller& caller) const;
  absl::StatusOr<CompressResult> CompressOnce(const CompressInput& input,
                                              const Caller& caller,
                                              const ProgressSink& progress);
  absl::StatusOr<AddResult> AddLatest(const AddInput& input,
                                      const Caller& caller);
  absl::StatusOr<AddResult> AddOnce(const AddInput& input,
                                    const Caller& caller);
  // As RequestIds takes it.
  static std::string RequestKey(const Caller& caller,
                                std::string_view request_id);
  // Of a text that may be stored.
  absl::StatusOr<std::vector<int32_t>> DocumentTokens(
      std::string_view text) const;
  absl::StatusOr<LimitedTokens> TokensUpTo(int64_t limit,
                                           std::string_view text) const;
  // Names the document's context. Without representations and time.
  ContextRecord RecordOf(std::string_view tenant, std::string document_id,
                         std::string_view text, int64_t tokens) const;
  absl::StatusOr<bool> KeepsText(std::string_view document_id,
                                 std::string_view text) const;
  // A call found the context: notes its use and the retention that it wants.
  // kAborted: the context is gone.
  absl::Status NoteRequest(const std::string& context_id,
                           const Retention& before,
                           const RetentionPolicy& policy);
  absl::StatusOr<CompressionSpec> SpecOf(const CompressInput& input) const;
  absl::Status PlanGists(const CompressInput& input, CompressWork& work) const;
  absl::Status PlanFull(CompressWork& work) const;
  int64_t EstimatedBytes(const CompressWork& work) const;
  absl::StatusOr<CompressWork> PlanCompress(const CompressInput& input,
                                            std::string_view tenant) const;
  ContextRecord NameOf(const CompressWork& work, std::string_view text) const;
  absl::Status CheckDocument(std::string_view text) const;
  absl::StatusOr<int> GistTokens(const AdapterInfo& adapter,
                                 int requested) const;
  absl::Status CheckPolicy(const RetentionPolicy& policy) const;
  Retention Granted(Retention retention, const RetentionPolicy& policy) const;
  absl::StatusOr<Retention> RetentionOf(std::string_view context_id) const;
  absl::StatusOr<bool> IsComputed(const ContextRecord& record,
                                  const Representation& form,
                                  std::string_view text) const;
  absl::StatusOr<ContextRecord> FindStored(const ContextRecord& wanted) const;
  absl::Status ComputeAndStore(CompressWork work, const CompressInput& input,
                               const Retention& retention, const Caller& caller,
                               const ProgressSink& progress,
                               ContextRecord record, CompressResult& result);

  absl::Status CheckAsk(const AskInput& input) const;
  bool IsOfThisModel(const ContextRecord& record) const {
    return record.model_fingerprint == engine_.model().fingerprint;
  }
  // Another model's context answers from its text alone.
  absl::Status CheckModelOf(const ContextRecord& record, AskMode mode) const;
  absl::StatusOr<AskPlan> Load(const AskInput& input, const Caller& caller);
  // Null: there are none of the wanted number.
  const Representation* GistsToLoad(const ContextRecord& record,
                                    const AskInput& input) const;
  absl::Status LoadGists(const AskInput& input, AskPlan& material) const;
  // From the stored full representation, where one context has one.
  absl::StatusOr<bool> LoadFull(AskPlan& material) const;
  absl::Status LoadText(const AskInput& input, AskPlan& material) const;
  absl::StatusOr<std::string> JoinedText(AskPlan& material) const;
  // Is there room for an answer behind the texts of usage.document_tokens?
  bool FitsText(const AskResult& result) const;
  absl::Status CheckTextRoom(const AskInput& input,
                             const AskResult& result) const;
  // Tokens of a text that has to be cut.
  int64_t TextRoom(const AskInput& input, const AskResult& result) const;
  absl::Status CheckContextIds(const AskInput& input) const;
  absl::Status LoadPassages(const AskInput& input, const Caller& caller,
                            AskPlan& material);
  absl::StatusOr<int> AnswerRoom(const AskInput& input,
                                 const AskResult& result) const;

  bool IsHeldBy(std::string_view tenant, const ContextRecord& record) const;
  void Reassign(const Principal& principal, KvBlob& blob) const;
  absl::Status CheckImport(const KvBlob& blob) const;
  absl::Status StoreImport(const KvBlob& blob, ImportResult& result);
  absl::StatusOr<ContextRecord> FindRecord(std::string_view context_id,
                                           std::string_view tenant) const;
  absl::StatusOr<ContextInfo> Describe(
      ContextRecord record, const Representation* form = nullptr) const;

  const SystemWallClock system_clock_;
  const WallClock& clock_;
  Engine& engine_;  // calls other than Tokenize* go through the scheduler
  GistStore& store_;
  Scheduler& scheduler_;
  const PipelineLimits limits_;
  std::optional<Retriever> retriever_;
  KvCachePool cache_;  // for jobs, on the scheduler's thread
  // By tenant and id. Of Compress: context id, "/", representation key; of Add:
  // context id.
  RequestIds requests_;
  KeyedLock writers_;  // by context id: one Add, Compress or Import at a time
};

}  // namespace gist
