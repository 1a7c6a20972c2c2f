// What the command line prints about replies: JSON for programs, lines for
// people.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/gist_client.h"
#include "nlohmann/json.hpp"

namespace gist::client {

using Json = nlohmann::ordered_json;

Json ToJson(const Context& context);
Json ToJson(
    const CompressResult& result);  // the context's fields among its own
Json ToJson(const Accounting& accounting);
Json ToJson(const Comparison& comparison);
Json ToJson(const Backup& backup);
Json ToJson(const ServerInfo& info);
Json ToJson(
    const absl::Status& error);  // {"code": "NOT_FOUND", "message": ...} and,
                                 // from a gistd, "reason" and what else it said
// Lines: what went wrong, and what to do.
std::string ErrorText(const absl::Status& error);
// Pretty-printed, ends with a newline. Bytes that are not UTF-8 are replaced.
std::string Print(const Json& json);

// One line each, without a newline.
std::string Summary(const CompressResult& result);
std::string Summary(const Accounting& accounting);
std::string Summary(const Context& imported);

std::string KeptUntil(const Context& context);

// Lines, each with a newline.
std::string Details(const Context& context);
std::string Details(const ServerInfo& info);
// A row for each mode, then how they agree.
std::string Details(const Comparison& comparison);
std::string TableHeader();
std::string TableRow(const Context& context);

}  // namespace gist::client
