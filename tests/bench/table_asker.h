// Asks one sample from one source through a running server.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/gist_client.h"
#include "core/data/record.h"
#include "tests/bench/table_stats.h"

namespace gist::bench {

// A question to a source.
struct Ask {
  const Record* record = nullptr;
  Source source = Source::kGists;
  int gists = 0;  // 0: the adapter's default, or none
  // kOther and kJoined: further samples in the sample's language; kOther takes
  // the first, kJoined takes their texts without needles.
  std::vector<const Record*> others;
};

struct Reply {
  std::string text;
  int64_t document_tokens = 0;
  double ratio = 0;
  double first_token_seconds = 0;
};

// Errors are the server's. Not thread-safe.
class Asker {
 public:
  explicit Asker(const client::ClientOptions& options) : client_(options) {}

  const client::GistClient& client() const { return client_; }
  absl::StatusOr<Reply> Answer(const Ask& ask);
  // Of the server's model. Compresses the text, so that it is there when asked.
  absl::StatusOr<int64_t> CountTokens(const std::string& text, int gists);
  // Deletes what was compressed of the document, so that the store does not
  // grow with the samples.
  absl::Status Forget(const std::string& context);

 private:
  // Its context's id, kept until Forget(text).
  absl::StatusOr<std::string> Compress(const std::string& text, int gists);
  absl::StatusOr<std::vector<std::string>> ContextsFor(const Ask& ask);
  absl::StatusOr<std::string> CutContext(std::string_view text, int tokens,
                                         bool from_end);
  absl::StatusOr<std::vector<std::string>> JoinedContexts(const Ask& ask,
                                                          size_t documents);
  absl::StatusOr<std::string> RandomContext(const Record& record, int gists);

  client::GistClient client_;
  std::map<std::string, std::set<std::string>> contexts_;  // ids, by text
};

}  // namespace gist::bench
