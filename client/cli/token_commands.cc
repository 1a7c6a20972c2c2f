#include <ctime>

#include "client/cli/commands.h"
#include "client/terminal/files.h"
#include "core/base/token.h"
#include "fmt/format.h"

namespace gist::client {

absl::Status RunTokenNew(const TokenArguments& arguments, Session& session) {
  const std::string token = NewToken();
  TokenLine line;
  line.id = *TokenId(token);
  line.tenant = arguments.tenant;
  line.role = arguments.role;
  line.salt = NewTokenSalt();
  line.hash = TokenHash(line.salt, token);
  if (arguments.valid_days > 0) {
    line.expires = std::time(nullptr) + int64_t{86'400} * arguments.valid_days;
  }
  const std::string text = FormatTokenLine(line);
  session.reply = {{"token", token}, {"line", text}};
  if (session.json) return absl::OkStatus();
  // The line alone goes there, so that 2>> may append it to the file.
  fmt::print(stderr, "{}\n", text);
  return WriteStdout(token + "\n");
}

}  // namespace gist::client
