// What the command line prints about replies: JSON for programs, lines for
// people.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/json_printer.h"
#include "client/gist_client.h"

namespace gist::client {

// {"code": "NOT_FOUND", "message": ...}; from a gistd also "reason",
// "retry_seconds", "fields" and "metadata".
Json ToJson(const absl::Status& error);
// The answer, its verdict at the top level, the contexts asked, and all other
// fields of `result`.
Json AnswerJson(const std::string& answer,
                const std::vector<std::string>& context_ids,
                const AskResult& result);
Json ToJson(const Comparison& comparison);
// Lines: what went wrong, and what to do.
std::string ErrorText(const absl::Status& error);
// Pretty-printed, ends with a newline. Bytes that are not UTF-8 are replaced.
std::string Print(const Json& json);

// One line each, without a newline.
std::string Summary(const AddResult& result);
std::string Summary(const CompressResult& result);
std::string Summary(const AskResult& result);
std::string Summary(const Context& imported);

// Of all representations.
int64_t KvBytesOf(const Context& context);
// What can be asked from: "text, gist 10, full i8".
std::string Held(const Context& context);

// "ctx_... is kept until ..., pinned".
std::string KeptUntil(const Context& context);

// Lines, each with a newline.
std::string Details(const Context& context);
std::string Details(const ServerInfo& info);
// A row for each mode, then how they agree.
std::string Details(const Comparison& comparison);
std::string TableHeader();
std::string TableRow(const Context& context);

}  // namespace gist::client
