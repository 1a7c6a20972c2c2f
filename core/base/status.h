// absl::Status helpers: early return on error, and a fence for code that
// throws.
#pragma once

#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"

#define GIST_STATUS_CONCAT_INNER(a, b) a##b
#define GIST_STATUS_CONCAT(a, b) GIST_STATUS_CONCAT_INNER(a, b)

// Returns from the enclosing function where `expression` is not OK.
#define GIST_RETURN_IF_ERROR(expression)                            \
  do {                                                              \
    if (absl::Status gist_status = (expression); !gist_status.ok()) \
      return gist_status;                                           \
  } while (false)

// GIST_ASSIGN_OR_RETURN(const auto x, F()): x is F()'s value, or an early
// return.
#define GIST_ASSIGN_OR_RETURN(declaration, expression)                \
  GIST_ASSIGN_OR_RETURN_INNER(GIST_STATUS_CONCAT(gist_or_, __LINE__), \
                              declaration, expression)
#define GIST_ASSIGN_OR_RETURN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                        \
  if (!temporary.ok()) return temporary.status();                       \
  declaration = *std::move(temporary)

namespace gist {

// The text of a status as a std::string_view (Debian's Abseil has its own
// string_view type).
inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// An error with `where` and a colon in front of its message, its payloads kept;
// OK stays OK.
inline absl::Status Within(std::string_view where, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status within(status.code(),
                      fmt::format("{}: {}", where, Message(status)));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) {
    within.SetPayload(url, value);
  });
  return within;
}

// Runs `body`, which returns an absl::Status or StatusOr; whatever it throws
// becomes kInternal with `what` in front, want of memory kResourceExhausted.
// Third-party exceptions stop here.
template <typename Body>
auto Fence(std::string_view what, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(fmt::format("{}: out of memory", what));
  } catch (const std::exception& error) {
    // LibTorch has no type of its own for it on a CPU.
    const std::string_view text = error.what();
    const bool out_of_memory = text.find("out of memory") != text.npos ||
                               text.find("can't allocate memory") != text.npos;
    return absl::Status(out_of_memory ? absl::StatusCode::kResourceExhausted
                                      : absl::StatusCode::kInternal,
                        fmt::format("{}: {}", what, text));
  } catch (...) {
    return absl::InternalError(fmt::format("{}: unknown exception", what));
  }
}

}  // namespace gist
