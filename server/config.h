// gistd's configuration: defaults, then a YAML file, then the environment, then
// flags. server/settings.h has Config and the table of all settings.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/settings.h"

namespace gist {

// Reads `yaml` over `config`. kInvalidArgument, with `file` and the line: not
// YAML, an unknown key, a key twice, or a value that its setting does not take.
absl::Status ApplyYaml(std::string_view yaml, std::string_view file,
                       Config& config);
// ApplyYaml reads it back to the same config.
std::string ToYaml(const Config& config);

// Reads the variables GISTD_* of `environment`, entries "NAME=VALUE" up to a
// null pointer. kInvalidArgument: an unknown one, or a bad value.
absl::Status ApplyEnvironment(const char* const* environment, Config& config);

// kInvalidArgument: a value out of bounds, or a combination that does not work
// or would expose the server by accident.
absl::Status CheckConfig(const Config& config);

// A server's configuration, or a text to print before leaving (--help,
// --version, --check-config).
using CommandLine = std::variant<Config, std::string>;

// All sources. kInvalidArgument: an error of CheckConfig, ApplyYaml,
// ApplyEnvironment or of the flags. kNotFound: no such YAML file.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                             const char* const* environment);

}  // namespace gist
