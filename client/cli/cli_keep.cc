// How long contexts are kept, and backups: the arguments.
#include <cmath>
#include <optional>

#include "client/cli/cli_parts.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr char kId[] = "ctx_0123456789abcdef0123456789abcdef";

// "90s", "30m", "12h", "7d" in seconds.
std::optional<double> ParseDuration(const std::string& text) {
  constexpr std::pair<char, double> kUnits[] = {
      {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  if (text.empty()) return std::nullopt;
  for (const auto& [unit, seconds] : kUnits) {
    if (text.back() != unit) continue;
    double number = 0;
    if (!CLI::detail::lexical_cast(text.substr(0, text.size() - 1), number) ||
        !std::isfinite(number) || number <= 0) {
      return std::nullopt;
    }
    return number * seconds;
  }
  return std::nullopt;
}

double DurationOrThrow(const std::string& option, const std::string& text) {
  const auto seconds = ParseDuration(text);
  if (seconds) return *seconds;
  throw CLI::ValidationError(
      option, fmt::format("\"{}\" is no time: want a number and s, m, h or d, "
                          "say 90s, 30m, 12h or 7d",
                          text));
}

void AddTtl(CLI::App& contexts, Command* command) {
  CLI::App* sub =
      AddSubcommand(contexts, "ttl", "Let a context go after a time, or never",
                    fmt::format("gist contexts ttl {0} 12h\n  gist contexts "
                                "ttl {0} never",
                                kId));
  auto arguments = std::make_shared<UpdateArguments>();
  sub->add_option("ID", arguments->context_id, "The context")
      ->required()
      ->type_name("");
  const auto set = [arguments](const std::string& text) {
    if (text == "never") {
      arguments->retention.expire_unix_ms = 0;
    } else {
      arguments->retention.ttl_seconds = DurationOrThrow("TIME", text);
    }
  };
  sub->add_option_function<std::string>("TIME", set,
                                        "From now: 90s, 30m, 12h, 7d; or never")
      ->required()
      ->type_name("");
  Choose(sub, command, arguments, RunUpdate);
}

void AddPin(CLI::App& contexts, Command* command, const char* name,
            const char* about, bool pinned) {
  CLI::App* sub = AddSubcommand(contexts, name, about,
                                fmt::format("gist contexts {} {}", name, kId));
  auto arguments = std::make_shared<UpdateArguments>();
  arguments->retention.pinned = pinned;
  sub->add_option("ID", arguments->context_id, "The context")
      ->required()
      ->type_name("");
  Choose(sub, command, arguments, RunUpdate);
}

}  // namespace

void AddKeepOptions(CLI::App* sub, RetentionPolicy* policy) {
  sub->add_option_function<std::string>(
         "--ttl",
         [policy](const std::string& text) {
           policy->ttl_seconds = DurationOrThrow("--ttl", text);
         },
         "Let it go after this time: 90s, 30m, 12h, 7d (default: never)")
      ->type_name("TIME");
  sub->add_flag_callback(
      "--pin", [policy] { policy->pinned = true; },
      "Never let it give way to others when the store is full");
}

void AddKeeping(CLI::App& contexts, Command* command) {
  AddTtl(contexts, command);
  AddPin(contexts, command, "pin", "Never let a context give way to others",
         true);
  AddPin(contexts, command, "unpin",
         "Let a context give way when the store is full", false);
}

void AddBackup(CLI::App& app, Command* command) {
  CLI::App* sub = AddSubcommand(
      app, "backup", "Back the server's data up, into its --backup-dir",
      "gist backup\n  gist backup --list");
  auto lists = std::make_shared<bool>(false);
  sub->add_flag("--list", *lists, "Only list the backups, the newest first");
  sub->final_callback(
      [command, lists] { *command = *lists ? RunListBackups : RunBackup; });
}

}  // namespace gist::client
