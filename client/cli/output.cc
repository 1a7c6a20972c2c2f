#include "client/cli/output.h"

#include "client/error_info.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr char kRow[] = "{:36}  {:>11}  {:>6}  {:>6}  {:>8}  {:16}  {}\n";

std::string Instead(int64_t kv_bytes, int64_t full_context_kv_bytes) {
  return fmt::format("{} instead of {}", FormatBytes(kv_bytes),
                     FormatBytes(full_context_kv_bytes));
}

std::string Line(std::string_view name, std::string_view value) {
  return fmt::format("{:20} {}\n", name, value);
}

std::string Origin(const Context& context) {
  if (context.imported) return "imported";
  return fmt::format("computed here in {}",
                     FormatSeconds(context.compress_seconds));
}

std::string Kept(const Context& context) {
  return fmt::format("{}{}",
                     context.expire_unix_ms == 0
                         ? "for ever"
                         : "until " + FormatTime(context.expire_unix_ms),
                     context.pinned ? ", pinned" : "");
}

// "3 (no bound)" or "3 of 100".
std::string Bounded(const std::string& used, int64_t bound,
                    const std::string& shown_bound) {
  return bound == 0 ? used + " (no bound)" : used + " of " + shown_bound;
}

}  // namespace

std::string KeptUntil(const Context& context) {
  return fmt::format("{} is kept {}", context.context_id, Kept(context));
}

Json ToJson(const Context& context) {
  return {
      {"context_id", context.context_id},
      {"document_id", context.document_id},
      {"document_bytes", context.document_bytes},
      {"context_tokens", context.context_tokens},
      {"gist_tokens", context.gist_tokens},
      {"compression_ratio", context.compression_ratio},
      {"kv_bytes", context.kv_bytes},
      {"full_context_kv_bytes", context.full_context_kv_bytes},
      {"model_fingerprint", context.model_fingerprint},
      {"adapter_fingerprint", context.adapter_fingerprint},
      {"created_unix_ms", context.created_unix_ms},
      {"compress_seconds", context.compress_seconds},
      {"imported", context.imported},
      {"has_text", context.has_text},
      {"expire_unix_ms", context.expire_unix_ms},
      {"pinned", context.pinned},
      {"used_unix_ms", context.used_unix_ms},
  };
}

Json ToJson(const Backup& backup) {
  return {{"name", backup.name},
          {"created_unix_ms", backup.created_unix_ms},
          {"backup_bytes", backup.backup_bytes},
          {"files", backup.files}};
}

Json ToJson(const CompressResult& result) {
  Json json = ToJson(result.context);
  json["cached"] = result.cached;
  json["cached_tokens"] = result.cached_tokens;
  json["seconds"] = {
      {"queue", result.queue_seconds},
      {"tokenize", result.tokenize_seconds},
      {"prefill", result.prefill_seconds},
      {"gist", result.gist_seconds},
      {"store", result.store_seconds},
      {"total", result.total_seconds},
  };
  return json;
}

Json ToJson(const RetrievedChunk& chunk) {
  return {{"context_id", chunk.context_id},
          {"begin", chunk.begin},
          {"end", chunk.end},
          {"similarity", chunk.similarity},
          {"bm25", chunk.bm25},
          {"text", chunk.text}};
}

Json ToJson(const Accounting& accounting) {
  Json json = {
      {"mode", ModeName(accounting.mode)},
      {"documents", accounting.documents},
      {"document_tokens", accounting.document_tokens},
      {"prefix_tokens", accounting.prefix_tokens},
      {"gist_tokens", accounting.gist_tokens},
      {"context_tokens", accounting.context_tokens},
      {"cached_tokens", accounting.cached_tokens},
      {"truncated_tokens", accounting.truncated_tokens},
      {"question_tokens", accounting.question_tokens},
      {"answer_tokens", accounting.answer_tokens},
      {"kv_bytes", accounting.kv_bytes},
      {"full_context_kv_bytes", accounting.full_context_kv_bytes},
      {"compression_ratio", accounting.compression_ratio},
      {"finish_reason", accounting.finish_reason},
      {"model_fingerprint", accounting.model_fingerprint},
      {"adapter_fingerprints", accounting.adapter_fingerprints},
      {"reader_fingerprint", accounting.reader_fingerprint},
      {"seconds",
       {{"queue", accounting.queue_seconds},
        {"load", accounting.load_seconds},
        {"prefill", accounting.prefill_seconds},
        {"first_token", accounting.first_token_seconds},
        {"decode", accounting.decode_seconds},
        {"total", accounting.total_seconds}}},
  };
  if (accounting.embedder_fingerprint.empty()) return json;
  json["embedder_fingerprint"] = accounting.embedder_fingerprint;
  json["seconds"]["index"] = accounting.index_seconds;
  json["seconds"]["search"] = accounting.search_seconds;
  json["chunks"] = Json::array();
  for (const RetrievedChunk& chunk : accounting.chunks) {
    json["chunks"].push_back(ToJson(chunk));
  }
  return json;
}

Json ToJson(const Comparison& comparison) {
  Json json = {{"alone", comparison.alone}, {"answers", Json::array()}};
  for (const ModeAnswer& answer : comparison.answers) {
    Json row = {{"mode", ModeName(answer.mode)}};
    if (answer.status.ok()) {
      row["answer"] = answer.answer;
      row.update(ToJson(answer.accounting));
    } else {
      row["error"] = ToJson(answer.status);
    }
    if (answer.peak_memory_bytes) {
      row["peak_memory_bytes"] = *answer.peak_memory_bytes;
    }
    json["answers"].push_back(std::move(row));
  }
  json["agreements"] = Json::array();
  for (const Agreement& pair : comparison.agreements) {
    json["agreements"].push_back(
        {{"modes", {ModeName(pair.a), ModeName(pair.b)}},
         {"equal", pair.equal},
         {"f1", pair.f1}});
  }
  return json;
}

Json ToJson(const ServerInfo& info) {
  return {
      {"version", info.version},
      {"model_name", info.model_name},
      {"model_fingerprint", info.model_fingerprint},
      {"device", info.device},
      {"max_context_tokens", info.max_context_tokens},
      {"kv_bytes_per_token", info.kv_bytes_per_token},
      {"weight_bytes", info.weight_bytes},
      {"adapter_name", info.adapter_name},
      {"adapter_fingerprint", info.adapter_fingerprint},
      {"reader_name", info.reader_name},
      {"reader_fingerprint", info.reader_fingerprint},
      {"gist_tokens", info.gist_tokens},
      {"gists_per_block", info.gists_per_block},
      {"segment_tokens", info.segment_tokens},
      {"max_unary_bytes", info.max_unary_bytes},
      {"max_document_bytes", info.max_document_bytes},
      {"max_document_tokens", info.max_document_tokens},
      {"max_contexts_per_ask", info.max_contexts_per_ask},
      {"uptime_seconds", info.uptime_seconds},
      {"max_store_bytes", info.max_store_bytes},
      {"max_contexts", info.max_contexts},
      {"store_bytes", info.store_bytes},
      {"contexts", info.contexts},
  };
}

Json ToJson(const absl::Status& error) {
  Json json = {
      {"code", absl::StatusCodeToString(error.code())},
      {"message", std::string(error.message())},
  };
  const ErrorInfo info = ErrorInfoOf(error);
  if (!info.reason.empty()) json["reason"] = info.reason;
  if (info.retry_seconds) json["retry_seconds"] = *info.retry_seconds;
  for (const FieldViolation& violation : info.fields) {
    json["fields"].push_back(violation.field);
  }
  if (!info.metadata.empty()) json["metadata"] = info.metadata;
  return json;
}

std::string ErrorText(const absl::Status& error) {
  const ErrorInfo info = ErrorInfoOf(error);
  std::string text = fmt::format("gist: {} [{}{}{}]\n", Message(error),
                                 absl::StatusCodeToString(error.code()),
                                 info.reason.empty() ? "" : " ", info.reason);
  for (const FieldViolation& violation : info.fields) {
    text += fmt::format("gist: the field to change is {}\n", violation.field);
  }
  if (info.retry_seconds) {
    text += fmt::format("gist: the same command may work in {}\n",
                        FormatSeconds(*info.retry_seconds));
  }
  if (error.code() == absl::StatusCode::kUnauthenticated) {
    text +=
        "gist: --token-file FILE or the variable GIST_TOKEN gives a token\n";
  }
  return text;
}

std::string Print(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Summary(const CompressResult& result) {
  const Context& context = result.context;
  return fmt::format(
      "{} tokens became {} gist tokens ({}): {}; {}",
      FormatCount(context.context_tokens), FormatCount(context.gist_tokens),
      FormatRatio(context.compression_ratio),
      Instead(context.kv_bytes, context.full_context_kv_bytes),
      result.cached ? "it was there already"
                    : "took " + FormatSeconds(result.total_seconds));
}

std::string Summary(const Accounting& accounting) {
  std::string text;
  if (accounting.mode == Mode::kFullContext) {
    text = fmt::format(
        "{} tokens of text {} {}, {}", FormatCount(accounting.context_tokens),
        accounting.cached_tokens > 0 ? "were still in memory" : "were read",
        accounting.truncated_tokens == 0
            ? "in full"
            : fmt::format("without the {} between its beginning and end",
                          FormatCount(accounting.truncated_tokens)),
        FormatBytes(accounting.kv_bytes));
  } else if (accounting.mode == Mode::kRag ||
             accounting.mode == Mode::kHybrid) {
    text = fmt::format(
        "{}{} passage{} of {} tokens{} stand for {} ({}), {}",
        accounting.mode == Mode::kHybrid
            ? FormatCount(accounting.gist_tokens) + " gist tokens and "
            : "",
        accounting.chunks.size(), accounting.chunks.size() == 1 ? "" : "s",
        FormatCount(accounting.context_tokens),
        accounting.documents > 1
            ? fmt::format(", out of {} documents,",
                          FormatCount(accounting.documents))
            : "",
        FormatCount(accounting.document_tokens),
        FormatRatio(accounting.compression_ratio),
        Instead(accounting.kv_bytes, accounting.full_context_kv_bytes));
  } else {
    text = fmt::format(
        "{} gist tokens stand for {} ({}), {}",
        FormatCount(accounting.gist_tokens),
        FormatCount(accounting.document_tokens),
        FormatRatio(accounting.compression_ratio),
        Instead(accounting.kv_bytes, accounting.full_context_kv_bytes));
  }
  text += fmt::format("; first token {}, total {}",
                      FormatSeconds(accounting.first_token_seconds),
                      FormatSeconds(accounting.total_seconds));
  if (!accounting.reader_fingerprint.empty()) text += "; trained reader";
  if (accounting.finish_reason == "length") {
    text += fmt::format("; cut off after {} tokens, see --max-tokens",
                        FormatCount(accounting.answer_tokens));
  }
  return text;
}

std::string Summary(const Context& imported) {
  return fmt::format("imported {} gist tokens that stand for {} ({}), {}",
                     FormatCount(imported.gist_tokens),
                     FormatCount(imported.context_tokens),
                     FormatRatio(imported.compression_ratio),
                     imported.has_text ? "with the text" : "without the text");
}

std::string Details(const Context& context) {
  return Line("context", context.context_id) +
         Line("document", context.document_id) +
         Line("text", fmt::format("{} tokens, {}, {}",
                                  FormatCount(context.context_tokens),
                                  FormatBytes(context.document_bytes),
                                  context.has_text ? "kept" : "not kept")) +
         Line("gists",
              fmt::format("{} tokens ({})", FormatCount(context.gist_tokens),
                          FormatRatio(context.compression_ratio))) +
         Line("keys and values",
              Instead(context.kv_bytes, context.full_context_kv_bytes)) +
         Line("created",
              fmt::format("{}, {}", FormatTime(context.created_unix_ms),
                          Origin(context))) +
         Line("last used", FormatTime(context.used_unix_ms)) +
         Line("kept", Kept(context)) +
         Line("model", context.model_fingerprint) +
         Line("adapter", context.adapter_fingerprint);
}

std::string Details(const ServerInfo& info) {
  return Line("gistd", fmt::format("{}, up for {}", info.version,
                                   FormatSeconds(info.uptime_seconds))) +
         Line("model",
              fmt::format("{}, {} in memory, on {}", info.model_name,
                          FormatBytes(info.weight_bytes), info.device)) +
         Line("", info.model_fingerprint) +
         Line("context", fmt::format("{} tokens, {} of keys and values each",
                                     FormatCount(info.max_context_tokens),
                                     FormatBytes(info.kv_bytes_per_token))) +
         Line("adapter", info.adapter_name) +
         Line("", info.adapter_fingerprint) +
         (info.reader_name.empty() ? Line("trained reader", "none")
                                   : Line("trained reader", info.reader_name) +
                                         Line("", info.reader_fingerprint)) +
         Line("gists",
              fmt::format("{} unless asked otherwise, {} to a block of "
                          "the document",
                          info.gist_tokens, info.gists_per_block)) +
         Line("reads", info.segment_tokens == 0
                           ? "the whole document as one"
                           : fmt::format("segments of {} tokens",
                                         FormatCount(info.segment_tokens))) +
         Line("largest document",
              fmt::format("{}, {} tokens", FormatBytes(info.max_document_bytes),
                          FormatCount(info.max_document_tokens))) +
         Line("contexts in one ask",
              fmt::format("up to {}", info.max_contexts_per_ask)) +
         Line("contexts", Bounded(FormatCount(info.contexts), info.max_contexts,
                                  FormatCount(info.max_contexts))) +
         Line("store",
              Bounded(FormatBytes(info.store_bytes), info.max_store_bytes,
                      FormatBytes(info.max_store_bytes)));
}

namespace {

constexpr char kCompared[] =
    "{:7} {:>11} {:>9} {:>9} {:>9} {:>8} {:>7} {:>9} {:>9}  {}\n";

// The first line of an answer, cut to fit a row.
std::string Shown(const std::string& answer) {
  constexpr size_t kMost = 60;
  std::string line = answer.substr(0, answer.find('\n'));
  const bool cut = line.size() < answer.size() || line.size() > kMost;
  if (line.size() > kMost)
    line.resize(CompleteUtf8Prefix(line.substr(0, kMost)));
  return WithoutControls(line) + (cut ? " ..." : "");
}

std::string Row(const ModeAnswer& answer) {
  if (!answer.status.ok()) {
    return fmt::format("{:7} {}\n", ModeName(answer.mode),
                       Message(answer.status));
  }
  const Accounting& a = answer.accounting;
  return fmt::format(
      kCompared, ModeName(answer.mode), FormatSeconds(a.first_token_seconds),
      FormatSeconds(a.prefill_seconds), FormatSeconds(a.decode_seconds),
      FormatSeconds(a.total_seconds),
      FormatCount(a.gist_tokens + a.context_tokens),
      FormatRatio(a.compression_ratio), FormatBytes(a.kv_bytes),
      answer.peak_memory_bytes ? FormatBytes(*answer.peak_memory_bytes) : "-",
      Shown(answer.answer));
}

}  // namespace

std::string Details(const Comparison& comparison) {
  std::string text =
      fmt::format(kCompared, "mode", "first token", "prefill", "decode",
                  "total", "tokens", "ratio", "KV", "memory", "answer");
  for (const ModeAnswer& answer : comparison.answers) text += Row(answer);
  std::string agreeing;
  for (const Agreement& pair : comparison.agreements) {
    agreeing +=
        fmt::format("{}{}/{} {}", agreeing.empty() ? "" : ", ",
                    ModeName(pair.a), ModeName(pair.b),
                    pair.equal ? "equal" : fmt::format("F1 {:.2f}", pair.f1));
  }
  if (!agreeing.empty()) text += "agreement: " + agreeing + "\n";
  if (!comparison.alone) {
    text +=
        "other requests or a training ran meanwhile: times and memory are "
        "not the modes' own\n";
  }
  return text;
}

std::string TableHeader() {
  return fmt::format(kRow, "CONTEXT", "TOKENS", "GISTS", "RATIO", "KV",
                     "CREATED", "TEXT");
}

std::string TableRow(const Context& context) {
  return fmt::format(
      kRow, context.context_id, FormatCount(context.context_tokens),
      FormatCount(context.gist_tokens), FormatRatio(context.compression_ratio),
      FormatBytes(context.kv_bytes), FormatTime(context.created_unix_ms),
      context.has_text ? "kept" : "-");
}

}  // namespace gist::client
