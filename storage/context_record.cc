#include "storage/context_record.h"

#include <cmath>
#include <concepts>
#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "nlohmann/json.hpp"

namespace gist {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kContextPrefix = "ctx_";
constexpr size_t kContextDigits = 32;
constexpr size_t kHashDigits = 64;

// The one list of fields, for both directions.
template <typename Record, typename Visit>
void VisitFields(Record& record, Visit visit) {
  visit("context_id", record.context_id);
  visit("document_id", record.document_id);
  visit("model_fingerprint", record.model_fingerprint);
  visit("adapter_fingerprint", record.adapter_fingerprint);
  visit("document_bytes", record.document_bytes);
  visit("document_tokens", record.document_tokens);
  visit("gist_tokens", record.gist_tokens);
  visit("kv_bytes", record.kv_bytes);
  visit("created_unix_ms", record.created_unix_ms);
  visit("compress_seconds", record.compress_seconds);
  visit("imported", record.imported);
}

// The name of the type that `json` had to have; empty: it was that, and `out`
// is set.
std::string_view Take(const Json& json, std::string& out) {
  if (!json.is_string()) return "a string";
  out = json.get_ref<const std::string&>();
  return "";
}

std::string_view Take(const Json& json, bool& out) {
  if (!json.is_boolean()) return "true or false";
  out = json.get<bool>();
  return "";
}

std::string_view Take(const Json& json, double& out) {
  if (!json.is_number()) return "a number";
  out = json.get<double>();
  return "";
}

template <std::integral Int>
std::string_view Take(const Json& json, Int& out) {
  const bool fits =
      json.is_number_unsigned()
          ? std::in_range<Int>(json.get<uint64_t>())
          : json.is_number_integer() && std::in_range<Int>(json.get<int64_t>());
  if (!fits) return sizeof(Int) == 8 ? "a 64-bit integer" : "a 32-bit integer";
  out = json.get<Int>();
  return "";
}

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && IsLowerHex(text);
}

std::string IdProblem(const ContextRecord& record) {
  const std::pair<const char*, const std::string&> hashes[] = {
      {"document_id", record.document_id},
      {"model_fingerprint", record.model_fingerprint},
      {"adapter_fingerprint", record.adapter_fingerprint}};
  for (const auto& [name, hash] : hashes) {
    if (IsHex(hash, kHashDigits)) continue;
    return fmt::format("{} is {:?}, want {} lower-case hex digits", name, hash,
                       kHashDigits);
  }
  const std::string id =
      ContextId(record.document_id, record.model_fingerprint,
                record.adapter_fingerprint, record.gist_tokens);
  if (record.context_id == id) return "";
  return fmt::format(
      "context_id is {:?}, want {}, which follows from document, "
      "model, adapter and gist_tokens",
      record.context_id, id);
}

}  // namespace

bool IsContextId(std::string_view id) {
  return id.starts_with(kContextPrefix) &&
         IsHex(id.substr(kContextPrefix.size()), kContextDigits);
}

std::string RecordProblem(const ContextRecord& record) {
  const std::pair<const char*, int64_t> counts[] = {
      {"document_bytes", record.document_bytes},
      {"document_tokens", record.document_tokens},
      {"gist_tokens", record.gist_tokens},
      {"kv_bytes", record.kv_bytes}};
  for (const auto& [name, count] : counts) {
    if (count < 1) return fmt::format("{} is {}, want 1 or more", name, count);
  }
  if (record.created_unix_ms < 0) {
    return fmt::format("created_unix_ms is {}, want 0 or more",
                       record.created_unix_ms);
  }
  if (!std::isfinite(record.compress_seconds) || record.compress_seconds < 0) {
    return fmt::format("compress_seconds is {}, want 0 or more",
                       record.compress_seconds);
  }
  return IdProblem(record);
}

std::string TextProblem(const ContextRecord& record, std::string_view text) {
  if (!std::cmp_equal(text.size(), record.document_bytes)) {
    return fmt::format("the text has {} B, want {} B as document_bytes says",
                       text.size(), record.document_bytes);
  }
  const size_t invalid = FirstInvalidUtf8(text);
  if (invalid == text.size()) return "";
  return fmt::format("the text is no UTF-8 from byte {} on", invalid);
}

std::string RecordToJson(const ContextRecord& record) {
  Json json;
  VisitFields(record, [&json](const char* name, const auto& value) {
    json[name] = value;
  });
  // Absent where there are no tenants, as in older records.
  if (!record.tenant.empty()) json["tenant"] = record.tenant;
  return json.dump();
}

absl::StatusOr<ContextRecord> RecordFromJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::DataLossError("the context record is no JSON object");
  }
  ContextRecord record;
  std::string problem;
  VisitFields(record, [&](const char* name, auto& value) {
    const auto found = json.find(name);
    const std::string_view wanted =
        found == json.end() ? "a value" : Take(*found, value);
    if (wanted.empty() || !problem.empty()) return;
    problem = fmt::format("{} is {}, want {}", name,
                          found == json.end() ? "missing" : found->type_name(),
                          wanted);
  });
  if (const auto found = json.find("tenant");
      found != json.end() && problem.empty()) {
    const std::string_view wanted = Take(*found, record.tenant);
    if (!wanted.empty()) problem = fmt::format("tenant is not {}", wanted);
  }
  if (problem.empty()) problem = RecordProblem(record);
  if (problem.empty()) return record;
  return absl::DataLossError(fmt::format("context record: {}", problem));
}

}  // namespace gist
