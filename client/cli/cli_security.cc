// The arguments that say how to reach a server safely, and `gist tokens`.
#include <cstdlib>
#include <memory>
#include <string>

#include "client/cli/cli_parts.h"
#include "client/terminal/files.h"
#include "core/base/status.h"

namespace gist::client {
namespace {

constexpr int kMostDays = 36'500;

absl::Status ReadAll(const std::string& path, std::string& text) {
  if (path.empty()) return absl::OkStatus();
  GIST_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path, {}));
  while (true) {
    GIST_ASSIGN_OR_RETURN(const std::string bytes, file.Read());
    if (bytes.empty()) return absl::OkStatus();
    text += bytes;
  }
}

void TrimBlanks(std::string& text) {
  constexpr char kBlanks[] = " \t\r\n";
  text.erase(0, text.find_first_not_of(kBlanks));
  text.erase(text.find_last_not_of(kBlanks) + 1);
}

}  // namespace

void AddSecurity(CLI::App& app, SecurityFiles* files, ClientOptions* options) {
  app.add_flag("--tls", options->tls.enabled,
               "Encrypt; believe the system's CAs");
  const auto add = [&app](const char* name, std::string* path,
                          const char* about) {
    return app.add_option(name, *path, about)->type_name("FILE");
  };
  add("--tls-ca", &files->ca, "Believe these CAs instead; implies --tls");
  CLI::Option* cert = add("--tls-cert", &files->cert,
                          "Our certificate, for a server that asks");
  CLI::Option* key = add("--tls-key", &files->key, "Its private key");
  cert->needs(key);
  key->needs(cert);
  add("--token-file", &files->token, "Holds the token; or GIST_TOKEN is it");
  app.add_flag("--insecure-token", options->insecure_token,
               "Let the token leave this machine without TLS");
}

absl::Status ReadSecurity(const SecurityFiles& files, ClientOptions& options) {
  GIST_RETURN_IF_ERROR(ReadAll(files.ca, options.tls.ca));
  GIST_RETURN_IF_ERROR(ReadAll(files.cert, options.tls.cert));
  GIST_RETURN_IF_ERROR(ReadAll(files.key, options.tls.key));
  if (!files.ca.empty() || !files.cert.empty()) options.tls.enabled = true;
  const char* const token = std::getenv("GIST_TOKEN");
  if (!files.token.empty()) {
    GIST_RETURN_IF_ERROR(ReadAll(files.token, options.token));
  } else if (token != nullptr) {
    options.token = token;
  }
  TrimBlanks(options.token);
  return CheckOptions(options);
}

void AddTokens(CLI::App& app, Command* command) {
  CLI::App* tokens = AddSubcommand(
      app, "tokens", "Make tokens for gistd's --auth-file; needs no server",
      "gist tokens new --role writer --tenant acme");
  tokens->require_subcommand(1);
  CLI::App* sub = AddSubcommand(
      *tokens, "new", "Print a token, once, and the line for --auth-file",
      "gist tokens new --role writer --tenant acme > acme.token 2>> "
      "auth.tokens");
  auto arguments = std::make_shared<TokenArguments>();
  sub->add_option("--role", arguments->role,
                  "reader asks; writer also compresses; trainer also trains; "
                  "admin also promotes adapters")
      ->required()
      ->check(CLI::IsMember({"reader", "writer", "trainer", "admin"}))
      ->type_name("ROLE");
  sub->add_option("--tenant", arguments->tenant,
                  "Whose contexts it may see: 1 to 64 of a-z, 0-9, _ and -")
      ->check([](const std::string& name) {
        const bool is_plain =
            !name.empty() && name.size() <= 64 &&
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") ==
                name.npos;
        return is_plain ? "" : "want 1 to 64 of a-z, 0-9, _ and -";
      })
      ->capture_default_str()
      ->type_name("NAME");
  sub->add_option("--days", arguments->valid_days,
                  "It expires after so many (default: never)")
      ->check(CLI::Range(1, kMostDays))
      ->type_name("N");
  Choose(sub, command, arguments, RunTokenNew);
  tokens->fallthrough();
  sub->fallthrough();
}

}  // namespace gist::client
