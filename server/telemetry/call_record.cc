#include "server/telemetry/call_record.h"

#include <algorithm>
#include <random>

#include "core/base/identity.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

constexpr size_t kMaxRequestIdBytes = 64;
// "00-" trace "-" span "-" flags
constexpr size_t kTraceparentBytes = 55;
constexpr size_t kTraceBegin = 3, kTraceDigits = 32;
constexpr size_t kSpanBegin = 36, kSpanDigits = 16;
constexpr size_t kFlagsBegin = 53;

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

bool IsSaneId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxRequestIdBytes &&
         std::ranges::all_of(id, [](char c) {
           return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.' ||
                  c == ':';
         });
}

std::string NewRequestId() {
  thread_local std::mt19937_64 random{std::random_device()()};
  return fmt::format("req_{:016x}", random());
}

bool IsZero(std::string_view text) {
  return text.find_first_not_of('0') == text.npos;
}

void ReadTraceparent(std::string_view text, CallIds& ids) {
  if (text.size() < kTraceparentBytes) return;
  const std::string_view version = text.substr(0, 2);
  if (!IsLowerHex(version) || version == "ff") return;
  const bool has_more = text.size() > kTraceparentBytes;
  if (has_more && (version == "00" || text[kTraceparentBytes] != '-')) return;
  const std::string_view trace = text.substr(kTraceBegin, kTraceDigits);
  const std::string_view span = text.substr(kSpanBegin, kSpanDigits);
  const std::string_view flags = text.substr(kFlagsBegin, 2);
  for (const size_t dash : {kTraceBegin, kSpanBegin, kFlagsBegin}) {
    if (text[dash - 1] != '-') return;
  }
  if (!IsLowerHex(trace) || !IsLowerHex(span) || !IsLowerHex(flags)) return;
  if (IsZero(trace) || IsZero(span)) return;
  ids.trace_id = trace;
  ids.span_id = span;
  ids.traceparent = fmt::format("00-{}-{}-{}", trace, span, flags);
}

}  // namespace

std::string LogValue(std::string_view value) {
  const bool is_plain =
      !value.empty() && std::ranges::all_of(value, [](char c) {
        return c > ' ' && c <= '~' && c != '"' && c != '=' && c != '\\';
      });
  const bool is_text = is_plain && value != "true" && value != "false" &&
                       value != "null" && !nlohmann::json::accept(value);
  return is_text ? std::string(value) : fmt::format("{:?}", value);
}

CallIds ReadCallIds(std::string_view request_id, std::string_view traceparent) {
  CallIds ids;
  ids.request_id =
      IsSaneId(request_id) ? std::string(request_id) : NewRequestId();
  ReadTraceparent(traceparent, ids);
  return ids;
}

std::string CallRecord::Line(std::string_view code, double seconds,
                             std::string_view error) const {
  std::string line =
      fmt::format("rpc={} request_id={}", rpc_, LogValue(ids_.request_id));
  if (!ids_.trace_id.empty()) {
    line += fmt::format(" trace_id={} span_id={}", LogValue(ids_.trace_id),
                        LogValue(ids_.span_id));
  }
  if (!tenant.empty()) line += fmt::format(" tenant={}", LogValue(tenant));
  line += fmt::format(" mode={} code={} seconds={:.4f}", mode, code, seconds);
  if (rejected != nullptr) line += fmt::format(" rejected={}", rejected);
  line += fields_;
  if (!error.empty()) line += fmt::format(" error={:?}", error);
  return line;
}

}  // namespace gist
