// What the files of the command line's arguments share.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/commands.h"

namespace gist::client {

inline constexpr int kMostTokens =
    1'000'000'000;  // the server knows its limits

// The command that was chosen, with its arguments.
using Command = std::function<absl::Status(Session&)>;

inline CLI::App* AddSubcommand(CLI::App& app, const std::string& name,
                               const std::string& about,
                               const std::string& example) {
  CLI::App* sub = app.add_subcommand(name, about);
  sub->footer("Example:\n  " + example +
              "\n\nThe options of gist itself (gist --help) may follow too.");
  return sub;
}

// Makes `sub` choose `run` with `arguments`, which its options write to.
template <typename Arguments, typename Run>
void Choose(CLI::App* sub, Command* command,
            const std::shared_ptr<Arguments>& arguments, Run run) {
  sub->final_callback([command, arguments, run] {
    *command = [arguments, run](Session& session) {
      return run(*arguments, session);
    };
  });
}

// --ttl and --pin of a document that is compressed.
void AddKeepOptions(CLI::App* sub, Keep* keep);
// `gist contexts ttl`, `pin` and `unpin`.
void AddKeeping(CLI::App& contexts, Command* command);
void AddBackup(CLI::App& app, Command* command);

// `gist train`, `trainings`, `datasets` and `adapters`.
void AddTraining(CLI::App& app, Command* command);

}  // namespace gist::client
