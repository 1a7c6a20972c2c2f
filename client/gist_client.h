// Talks to a gistd server: gRPC behind plain structs and absl::Status.
//
// Sizes are in bytes, times in seconds of wall clock, tokens are those of the
// server's model. KV bytes are counted at 16 bits a value.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gist::client {

inline constexpr char kDefaultTarget[] = "127.0.0.1:50051";

struct ClientOptions {
  std::string target = kDefaultTarget;  // HOST:PORT, or a gRPC target URI
  double timeout_seconds = 0;           // of each call as a whole; 0: none
  // A stop ends the calls in flight, and later ones, with kCancelled.
  std::stop_token stop = {};

  // PEM texts. `ca`: whom to believe, in place of the system's; `cert` and
  // `key`: who we are, for a server that asks.
  struct Tls {
    bool enabled = false;
    std::string ca;
    std::string cert;
    std::string key;
  } tls = {};
  // Sent with each call as "authorization: Bearer TOKEN". Without TLS it goes
  // to this machine alone, unless `insecure_token`.
  std::string token = {};
  bool insecure_token = false;
  // Called before each call, on its thread; empty: nothing. WaitForServer
  // (client/wait.h) is made for it.
  std::function<void(const ClientOptions&)> before_call = {};
};

// kInvalidArgument: a target of another form; a token that no header can carry,
// or that would leave this machine unencrypted (a call is then made without
// it); half a key pair.
absl::Status CheckOptions(const ClientOptions& options);

// One compression of one document.
struct Context {
  std::string context_id;   // "ctx_" and 32 hex digits
  std::string document_id;  // 64 hex digits: SHA-256 of the text
  int64_t document_bytes = 0;
  int64_t context_tokens = 0;  // of the document
  int gist_tokens = 0;
  double compression_ratio = 0;       // context_tokens / gist_tokens
  int64_t kv_bytes = 0;               // of the stored keys and values
  int64_t full_context_kv_bytes = 0;  // of the whole document's
  std::string model_fingerprint;
  std::string adapter_fingerprint;
  int64_t created_unix_ms = 0;
  double compress_seconds = 0;  // when it was computed
  bool imported = false;        // came from a file
  bool has_text = false;        // Mode::kFullContext can answer
  int64_t expire_unix_ms = 0;   // gone from then on; 0: never
  bool pinned = false;          // never gives way to others
  int64_t used_unix_ms = 0;     // asked, or compressed again
};

// How long a context is kept; what is empty stays as it is.
struct Keep {
  std::optional<double> ttl_seconds = {};      // from now; over 0, to 100 years
  std::optional<int64_t> expire_unix_ms = {};  // 0: never; not with ttl_seconds
  std::optional<bool> pinned = {};
};

struct Backup {
  std::string name;
  int64_t created_unix_ms = 0;
  int64_t backup_bytes = 0;
  int64_t files = 0;
};

struct CompressResult {
  Context context;
  bool cached = false;        // it was there already; nothing was computed
  int64_t cached_tokens = 0;  // of the document, still in the server's memory
  double queue_seconds = 0;   // waiting for the engine
  double tokenize_seconds = 0;
  double prefill_seconds = 0;  // reading the document; 0 when cached
  double gist_seconds = 0;     // writing the gists; 0 when cached
  double store_seconds = 0;    // until it was on disk; 0 when cached
  double total_seconds = 0;
};

enum class Mode {
  kGist,         // from the gists alone
  kFullContext,  // from the stored text, prefilled whole
  kRag,          // from the passages of it most similar to the question
  kHybrid,       // from the gists, and those passages behind them
};
inline constexpr Mode kModes[] = {Mode::kGist, Mode::kFullContext, Mode::kRag,
                                  Mode::kHybrid};
// As the command line names it: "gist", "full", "rag", "hybrid".
std::string_view ModeName(Mode mode);

// Who reads question and answer: the model as it is, or with a LoRA that was
// trained on all modes alike.
enum class Reader { kFrozen, kTrained };
inline constexpr Reader kReaders[] = {Reader::kFrozen, Reader::kTrained};
// As the command line names it: "frozen", "trained".
std::string_view ReaderName(Reader reader);

// Which passages are the best: those nearest to the question as the embedder
// sees it, those that share its words (BM25), or what both say.
enum class Ranking { kFused, kDense, kLexical };
inline constexpr Ranking kRankings[] = {Ranking::kFused, Ranking::kDense,
                                        Ranking::kLexical};
// As the command line names it: "fused", "dense", "lexical".
std::string_view RankingName(Ranking ranking);

// How passages are found; 0: the server's default.
struct Retrieval {
  int top_k = 0;         // passages, of all documents together
  int ef = 0;            // candidates of the search
  int chunk_tokens = 0;  // by the embedder's count
  std::optional<int> overlap_tokens;
  Ranking ranking = Ranking::kFused;
};

struct RetrievedChunk {
  std::string context_id;
  int64_t begin = 0;  // bytes [begin, end) of the document's text
  int64_t end = 0;
  double similarity = 0;  // cosine to the question, -1 to 1
  double bm25 = 0;        // of the question's words; 0: none in common
  std::string text;
};

struct Question {
  // In the order of joining. In kRag also none: all of the caller's documents
  // that keep their text.
  std::vector<std::string> context_ids;
  std::string text;  // UTF-8, not empty
  Mode mode = Mode::kGist;
  int max_tokens = 0;     // of the answer; 0: the server's default
  float temperature = 0;  // 0 (greedy) to 2
  int top_k = 0;          // 0: all; else the k most likely tokens
  float top_p = 0;        // 0: 1; else (0, 1]
  uint64_t seed = 0;      // the same seed and question give the same answer
  Retrieval retrieval;    // in kRag and kHybrid
  bool truncate = false;  // in kFullContext: first and last tokens that fit
  Reader reader = Reader::kFrozen;
  // In kGist and kHybrid: of each context the newest representation of this many
  // gists; 0: the newest of any number.
  int gist_tokens = 0;
};

// What an answer took.
struct Accounting {
  Mode mode = Mode::kGist;
  int documents = 0;             // that were asked
  int64_t document_tokens = 0;   // of all the documents asked
  int prefix_tokens = 0;         // the chat template's
  int gist_tokens = 0;           // stored gists that were used
  int context_tokens = 0;        // document text prefilled for this answer
  int cached_tokens = 0;         // of those, still in the server's memory
  int64_t truncated_tokens = 0;  // of the text, left out: Question::truncate
  int question_tokens = 0;
  int answer_tokens = 0;
  int64_t kv_bytes = 0;  // of what stands for the documents
  int64_t full_context_kv_bytes = 0;
  double compression_ratio = 0;
  double queue_seconds = 0;
  double load_seconds = 0;  // from the store, verified
  double prefill_seconds = 0;
  double first_token_seconds = 0;  // from the request's arrival
  double decode_seconds = 0;       // after the first token
  double total_seconds = 0;
  std::string finish_reason;  // "stop" (end of turn) or "length"
  std::string model_fingerprint;
  std::vector<std::string> adapter_fingerprints;  // of each context named
  double index_seconds = 0;        // embedding documents that had no index yet
  double search_seconds = 0;       // the question's vector, and the search
  std::string reader_fingerprint;  // empty: the frozen model answered
  std::string embedder_fingerprint;    // in kRag and kHybrid
  std::vector<RetrievedChunk> chunks;  // likewise; the best first
};

struct ModeAnswer {
  Mode mode = Mode::kGist;
  absl::Status status;  // a mode may fail where others answer
  std::string answer;
  Accounting accounting;  // if status is OK
  // The most that the server held in memory beyond what it held before.
  std::optional<int64_t> peak_memory_bytes;
};

struct Agreement {
  Mode a = Mode::kGist;
  Mode b = Mode::kGist;
  bool equal = false;  // but for case, punctuation and articles
  double f1 = 0;       // of the words, 0 to 1
};

struct Comparison {
  std::vector<ModeAnswer> answers;
  std::vector<Agreement> agreements;  // of each pair that answered
  bool alone = false;  // nothing else used the server's engine meanwhile
};

struct ServerInfo {
  std::string version;
  std::string model_name;
  std::string model_fingerprint;  // SHA-256 of the model file
  std::string device;             // "cpu", "cuda:0"
  int max_context_tokens = 0;     // of the model
  int64_t kv_bytes_per_token = 0;
  int64_t weight_bytes = 0;
  std::string adapter_name;
  std::string adapter_fingerprint;
  std::string reader_name;  // the trained reader; empty: there is none
  std::string reader_fingerprint;
  int gist_tokens = 0;      // default number of gists
  int gists_per_block = 0;  // that share a block of the document
  int segment_tokens = 0;   // 0: whole documents
  int64_t max_unary_bytes = 0;
  int64_t max_document_bytes = 0;
  int64_t max_document_tokens = 0;
  int max_contexts_per_ask = 0;
  double uptime_seconds = 0;
  int64_t max_store_bytes = 0;  // 0: no bound
  int64_t max_contexts = 0;     // 0: no bound
  int64_t store_bytes = 0;
  int64_t contexts = 0;
};

// The next bytes, of any number; empty at the end. An error cancels the call
// and becomes its result.
using ByteSource = std::function<absl::StatusOr<std::string>()>;
// Takes the next bytes. An error cancels the call and becomes its result.
using ByteSink = std::function<absl::Status(std::string_view)>;

struct CompressOptions {
  int gist_tokens = 0;  // 0: the adapter's default
  Keep keep = {};       // empty: a new context never expires, is not pinned
  // Called with the tokens read so far and the document's, on the caller's
  // thread.
  std::function<void(int64_t done_tokens, int64_t total_tokens)> on_progress =
      nullptr;
  // Of a repeat: the same context, whatever adapter is in use; empty: none.
  std::string request_id = {};
};

// Thread-safe; calls block, and call back on the caller's thread. Status codes
// and messages are the server's (gist.proto lists them); ErrorInfoOf
// (client/error_info.h) reads their reasons. kUnavailable of no server also
// names the address; kInvalidArgument may come from here for text that is not
// UTF-8.
class GistClient {
 public:
  // Connects at the first call.
  explicit GistClient(const ClientOptions& options);
  ~GistClient();

  // Documents beyond 1 MiB, and those whose progress is wanted, go in chunks.
  absl::StatusOr<CompressResult> Compress(std::string_view text,
                                          const CompressOptions& options) const;
  absl::StatusOr<CompressResult> Compress(const ByteSource& source,
                                          const CompressOptions& options) const;

  // `on_text` takes the answer as it comes, in whole UTF-8 characters.
  absl::StatusOr<Accounting> Ask(const Question& question,
                                 const ByteSink& on_text) const;
  // The question in each of `modes`, one after the other; its own mode and
  // sampling are not read. No modes: all.
  absl::StatusOr<Comparison> Compare(const Question& question,
                                     const std::vector<Mode>& modes) const;

  absl::StatusOr<Context> GetContext(std::string_view context_id) const;
  // Visits all contexts, ordered by id, fetching `page_size` at a time (0: the
  // server's default). An error of `visit` ends the walk and is returned.
  absl::Status ListContexts(
      const std::function<absl::Status(const Context&)>& visit,
      int page_size = 0) const;
  absl::Status DeleteContext(std::string_view context_id) const;
  absl::StatusOr<Context> UpdateContext(std::string_view context_id,
                                        const Keep& keep) const;

  // One safetensors file. `without_text`: gists alone.
  absl::Status ExportContext(std::string_view context_id, bool without_text,
                             const ByteSink& sink) const;
  // Takes what ExportContext gave.
  absl::StatusOr<Context> ImportContext(const ByteSource& source) const;

  absl::StatusOr<ServerInfo> GetServerInfo() const;
  absl::StatusOr<Backup> CreateBackup() const;
  // The newest first.
  absl::StatusOr<std::vector<Backup>> ListBackups() const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace gist::client
