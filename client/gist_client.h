// Talks to a gistd server: gRPC behind blocking calls and absl::Status.
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
#include "gist/v1/gist.pb.h"

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

// Replies are the messages of gist.v1: the .proto files have meaning, unit and
// range of each field.
using v1::AskResult;
using v1::Backup;
using v1::Context;
using v1::ModeAnswer;
using v1::ServerInfo;
using CompressResult = v1::CompressResponse;
using AddResult = v1::AddDocumentResponse;

// How long a context is kept. Empty fields stay as they are.
struct RetentionPolicy {
  std::optional<double> ttl_seconds = {};      // from now; over 0, to 100 years
  std::optional<int64_t> expire_unix_ms = {};  // 0: never; not with ttl_seconds
  std::optional<bool> pinned = {};
};

// The newest representation of gists; an empty one where there is none.
const v1::Representation& GistsOf(const Context& context);

// The modes that the server answers in.
enum class Mode {
  kGist,    // from the gists alone
  kFull,    // from the stored text, prefilled whole
  kRag,     // from the passages of it most similar to the question
  kHybrid,  // from the gists, and those passages behind them
};
inline constexpr Mode kModes[] = {Mode::kGist, Mode::kFull, Mode::kRag,
                                  Mode::kHybrid};
// As the command line names it: "gist", "full", "rag", "hybrid".
std::string_view ModeName(Mode mode);
// kGist for a mode that this library does not know.
Mode ModeOf(v1::Mode mode);

// A LoRA on question and answer, trained on all modes alike.
enum class AnswerAdapter { kOff, kOn };
inline constexpr AnswerAdapter kAnswerAdapters[] = {AnswerAdapter::kOff,
                                                    AnswerAdapter::kOn};
// As the command line names it: "off", "on".
std::string_view AnswerAdapterName(AnswerAdapter adapter);

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

struct Question {
  // In the order of joining. In kRag also none: all of the caller's documents
  // that keep their text.
  std::vector<std::string> context_ids;
  std::string text;  // UTF-8, not empty
  Mode mode = Mode::kGist;
  int max_tokens = 0;        // of the answer; 0: the server's default
  float temperature = 0;     // 0 (greedy) to 2
  int top_k = 0;             // 0: all; else the k most likely tokens
  float top_p = 0;           // 0: 1; else (0, 1]
  uint64_t seed = 0;         // the same seed and question give the same answer
  Retrieval retrieval = {};  // in kRag and kHybrid
  bool truncate = false;     // in kFull: first and last tokens that fit
  AnswerAdapter answer_adapter = AnswerAdapter::kOff;
  // In kGist and kHybrid: of each context the newest representation of this
  // many gists; 0: the newest of any number.
  int gist_tokens = 0;
};

// OK where the mode answered. ErrorInfoOf reads the reason of an error.
absl::Status StatusOf(const ModeAnswer& answer);

struct Comparison {
  std::vector<ModeAnswer> answers;  // in the order of the modes
  v1::CompareSummary summary;
};

// A mode of a comparison begins, after `done` of `total` modes.
using CompareProgress = std::function<void(Mode mode, int done, int total)>;

// The next bytes, of any number; empty at the end. An error cancels the call
// and becomes its result.
using ByteSource = std::function<absl::StatusOr<std::string>()>;
// Takes the next bytes. An error cancels the call and becomes its result.
using ByteSink = std::function<absl::Status(std::string_view)>;

struct CompressOptions {
  int gist_tokens = 0;  // 0: the adapter's default
  // RUNG_GIST or RUNG_FULL; unspecified: gists.
  v1::Representation::Rung rung = v1::Representation::RUNG_UNSPECIFIED;
  // Unspecified: F16 for gists, I8 for RUNG_FULL.
  v1::Storage storage = v1::STORAGE_UNSPECIFIED;
  // Empty: a new context never expires and is not pinned.
  RetentionPolicy retention = {};
  // Called with the tokens read so far and the document's, on the caller's
  // thread.
  std::function<void(int64_t done_tokens, int64_t total_tokens)> on_progress =
      nullptr;
  // Of a repeat: the same context, whatever adapter is in use; empty: none.
  std::string request_id = {};
};

struct AddOptions {
  // Empty: a new context never expires and is not pinned.
  RetentionPolicy retention = {};
  std::string request_id = {};  // as CompressOptions'
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

  // Stores a document and computes nothing: modes full and rag answer from it.
  // Compress adds representations to the same context.
  absl::StatusOr<AddResult> AddDocument(std::string_view text,
                                        const AddOptions& options) const;
  absl::StatusOr<AddResult> AddDocument(const ByteSource& source,
                                        const AddOptions& options) const;

  // Documents beyond 1 MiB, and those whose progress is wanted, go in chunks.
  absl::StatusOr<CompressResult> Compress(std::string_view text,
                                          const CompressOptions& options) const;
  absl::StatusOr<CompressResult> Compress(const ByteSource& source,
                                          const CompressOptions& options) const;

  // `on_text` takes the answer as it comes, in whole UTF-8 characters.
  absl::StatusOr<AskResult> Ask(const Question& question,
                                const ByteSink& on_text) const;
  // The question in each of `modes`, one after the other; its own mode and
  // sampling are not read. No modes: all.
  absl::StatusOr<Comparison> Compare(
      const Question& question, const std::vector<Mode>& modes,
      const CompareProgress& on_progress = nullptr) const;

  absl::StatusOr<Context> GetContext(std::string_view context_id) const;
  // Visits all contexts, ordered by id, fetching `page_size` at a time (0: the
  // server's default). An error of `visit` ends the walk and is returned.
  absl::Status ListContexts(
      const std::function<absl::Status(const Context&)>& visit,
      int page_size = 0) const;
  absl::Status DeleteContext(std::string_view context_id) const;
  absl::StatusOr<Context> UpdateContext(std::string_view context_id,
                                        const RetentionPolicy& policy) const;

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
