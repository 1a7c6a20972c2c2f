// What the files of the command line's arguments share.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/cli/commands.h"
#include "client/names.h"

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

// An option that sets *value to the one of `values` that it names.
template <typename Enum, size_t N>
CLI::Option* AddChoice(CLI::App* sub, const std::string& flag, Enum* value,
                       const Enum (&values)[N],
                       std::string_view (*name_of)(Enum),
                       const std::string& about) {
  return sub
      ->add_option_function<std::string>(
          flag,
          [=, &values](const std::string& name) {
            *value = *ValueNamed(values, name_of, name);
          },
          about)
      ->check(CLI::IsMember(NamesOf(values, name_of)));
}

// As AddChoice, of several with commas between: each once, in the order given.
template <typename Enum, size_t N>
CLI::Option* AddChoices(CLI::App* sub, const std::string& flag,
                        std::vector<Enum>* chosen, const Enum (&values)[N],
                        std::string_view (*name_of)(Enum),
                        const std::string& about) {
  return sub
      ->add_option_function<std::vector<std::string>>(
          flag,
          [=, &values](const std::vector<std::string>& names) {
            chosen->clear();
            for (const std::string& name : names) {
              const Enum value = *ValueNamed(values, name_of, name);
              if (!std::ranges::count(*chosen, value)) chosen->push_back(value);
            }
          },
          about)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(NamesOf(values, name_of)))
      ->type_name("LIST");
}

// How passages are found.
void AddRetrieval(CLI::App* sub, Retrieval* retrieval);

// `gist eval`; `words`: of the whole command line.
void AddEval(CLI::App& app, Command* command,
             const std::vector<std::string>& words);

// `gist bench`.
void AddBench(CLI::App& app, Command* command);

// Files of --tls-ca and the like, not read yet.
struct SecurityFiles {
  std::string ca, cert, key, token;
};
// --tls, --token-file and what belongs to them.
void AddSecurity(CLI::App& app, SecurityFiles* files, ClientOptions* options);
// Reads them; kInvalidArgument, or IsLocal: a file.
absl::Status ReadSecurity(const SecurityFiles& files, ClientOptions& options);
// --wait.
void AddWait(CLI::App& app, double* seconds);
// Lets the first call to each server wait up to `seconds` for it; 0: no wait.
void SetWait(double seconds, ClientOptions& options);
// `gist tokens`.
void AddTokens(CLI::App& app, Command* command);

// --ttl and --pin of a document that is compressed.
void AddKeepOptions(CLI::App* sub, RetentionPolicy* policy);
// `gist contexts ttl`, `pin` and `unpin`.
void AddKeeping(CLI::App& contexts, Command* command);
void AddBackup(CLI::App& app, Command* command);

// `gist train`, `trainings`, `datasets` and `adapters`.
void AddTraining(CLI::App& app, Command* command);

}  // namespace gist::client
