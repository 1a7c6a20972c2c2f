// What the command line prints about training: JSON for programs, lines for
// people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/terminal/files.h"
#include "client/terminal/terminal.h"
#include "client/training_client.h"
#include "fmt/format.h"

namespace gist::client {

// "SUCCEEDED".
std::string StateName(v1::TrainingState state);
// On one line, with its newline.
std::string PrintLine(const Json& json);

// One line, without a newline.
std::string Summary(const Training& training);
// Lines, each with a newline.
std::string Details(const Training& training);
std::string TableRow(const Training& training);
std::string TableRow(const Dataset& dataset);
std::string TableRow(const Adapter& adapter);
std::string TableHeaderOf(const Training& training);
std::string TableHeaderOf(const Dataset& dataset);
std::string TableHeaderOf(const Adapter& adapter);

// A table, or `name` in the reply.
template <typename Value>
absl::Status PrintList(const char* name, const std::vector<Value>& values,
                       Session& session) {
  Json& list = session.reply[name] = Json::array();
  for (const Value& value : values) list.push_back(ToJson(value));
  if (session.json) return absl::OkStatus();
  if (values.empty()) {
    PrintNote(fmt::format("no {}", name));
    return absl::OkStatus();
  }
  std::string table = TableHeaderOf(values.front());
  for (const Value& value : values) table += TableRow(value);
  return WriteStdout(table);
}

}  // namespace gist::client
