// The subcommands of `gist`, once their arguments are known.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/output.h"
#include "client/gist_client.h"
#include "client/terminal/interrupt.h"
#include "client/training_client.h"
#include "core/gist/mask.h"

namespace gist::client {

// What every command works with.
struct Session {
  explicit Session(const ClientOptions& client_options)
      : options(client_options),
        client(options),
        trainings(options),
        stop(options.stop) {}

  const ClientOptions options;
  GistClient client;
  TrainingClient trainings;
  std::stop_token stop;
  bool json = false;  // fill `reply` instead of printing to standard output
  Json reply = Json::object();
  bool json_lines = false;  // events were printed, a line each
  Interrupt* interrupt = nullptr;
};

struct AddArguments {
  std::string file;  // "-": standard input
  std::string request_id = {};
  RetentionPolicy retention = {};
};
// Prints the context's id; what is stored goes to standard error.
absl::Status RunAdd(const AddArguments& arguments, Session& session);

struct CompressArguments {
  std::string file;  // "-": standard input
  int gist_tokens = 0;
  std::string rung = "gist";  // "gist", "full"
  std::string storage = {};   // "f16", "i8"; empty: the rung's default
  std::string request_id = {};
  RetentionPolicy retention = {};
};
// Prints the context's id; what it took goes to standard error.
absl::Status RunCompress(const CompressArguments& arguments, Session& session);

// Prints the answer as it comes; what it took goes to standard error.
absl::Status RunAsk(const Question& question, Session& session);

struct CompareArguments {
  Question question;
  std::vector<Mode> modes;  // empty: all
};
// Prints a row for each mode.
absl::Status RunCompare(const CompareArguments& arguments, Session& session);

absl::Status RunList(Session& session);
absl::Status RunGet(const std::string& context_id, Session& session);
// Stops at the first error; `reply` names those that were deleted by then.
absl::Status RunDelete(const std::vector<std::string>& context_ids,
                       Session& session);

struct UpdateArguments {
  std::string context_id;
  RetentionPolicy retention;
};
// Prints how long it is kept now.
absl::Status RunUpdate(const UpdateArguments& arguments, Session& session);

// Makes a backup, or lists those that there are.
absl::Status RunBackup(Session& session);
absl::Status RunListBackups(Session& session);

struct ExportArguments {
  std::string context_id;
  std::string file;
  bool without_text = false;
  bool overwrite = false;
};
absl::Status RunExport(const ExportArguments& arguments, Session& session);
absl::Status RunImport(const std::string& file, Session& session);
absl::Status RunInfo(Session& session);

struct TokenArguments {
  std::string tenant = "default";
  std::string role;
  int valid_days = 0;  // 0: it does not expire
};
// Prints a token, once, and to standard error the line for gistd's
// --auth-file. Needs no server.
absl::Status RunTokenNew(const TokenArguments& arguments, Session& session);

struct MaskArguments {
  MaskShape shape;
  std::string file;
  bool overwrite = false;
};
// Needs no server.
absl::Status RunMask(const MaskArguments& arguments, Session& session);

}  // namespace gist::client
