#include "client/cli/output.h"

#include "client/error_info.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "core/base/status.h"
#include "core/base/utf8.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

constexpr char kRow[] = "{:36}  {:>11}  {:>8}  {:16}  {}\n";

std::string Instead(int64_t kv_bytes, int64_t full_context_kv_bytes) {
  return fmt::format("{} instead of {}", FormatBytes(kv_bytes),
                     FormatBytes(full_context_kv_bytes));
}

std::string Line(std::string_view name, std::string_view value) {
  return fmt::format("{:20} {}\n", name, value);
}

// "gist 10", "full i8".
std::string FormName(const v1::Representation& form) {
  const auto named = [&form](const char* field) {
    return ShortName(*form.GetReflection()->GetEnum(
        form, form.GetDescriptor()->FindFieldByName(field)));
  };
  return fmt::format("{} {}", named("rung"),
                     form.rung() == v1::Representation::RUNG_GIST
                         ? FormatCount(form.kv_slots())
                         : named("storage"));
}

// "10 slots (102x), 230 kB instead of 23.6 MB, imported".
std::string FormShape(const v1::Representation& form, const Context& context) {
  return fmt::format("{} slots ({}), {}, {}", FormatCount(form.kv_slots()),
                     FormatRatio(form.ratio()),
                     Instead(form.kv_bytes(), context.full_kv_bytes()),
                     form.imported() ? "imported"
                                     : "computed here in " +
                                           FormatSeconds(form.build_seconds()));
}

std::string Kept(const Context& context) {
  const v1::RetentionPolicy& policy = context.retention();
  return fmt::format("{}{}",
                     policy.expire_unix_ms() == 0
                         ? "for ever"
                         : "until " + FormatTime(policy.expire_unix_ms()),
                     policy.pinned() ? ", pinned" : "");
}

// "3 (no bound)" or "3 of 100".
std::string Bounded(const std::string& used, int64_t bound,
                    const std::string& shown_bound) {
  return bound == 0 ? used + " (no bound)" : used + " of " + shown_bound;
}

}  // namespace

int64_t KvBytesOf(const Context& context) {
  int64_t bytes = 0;
  for (const v1::Representation& form : context.representations())
    bytes += form.kv_bytes();
  return bytes;
}

std::string Held(const Context& context) {
  std::string held = context.has_text() ? "text" : "";
  for (const v1::Representation& form : context.representations())
    held += (held.empty() ? "" : ", ") + FormName(form);
  return held;
}

std::string KeptUntil(const Context& context) {
  return fmt::format("{} is kept {}", context.context_id(), Kept(context));
}

Json AnswerJson(const std::string& answer,
                const std::vector<std::string>& context_ids,
                const AskResult& result) {
  Json json = {{"answer", answer}};
  json.update(ToJson(result.verdict()));
  json["context_ids"] = context_ids;
  Json rest = ToJson(result);
  rest.erase("verdict");
  json.update(rest);
  return json;
}

Json ToJson(const Comparison& comparison) {
  Json json = {{"answers", Json::array()}};
  for (const ModeAnswer& answer : comparison.answers) {
    Json row = ToJson(answer);
    if (answer.has_error()) row["error"] = ToJson(StatusOf(answer));
    json["answers"].push_back(std::move(row));
  }
  json.update(ToJson(comparison.summary));
  return json;
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

std::string Summary(const AddResult& result) {
  const Context& context = result.context();
  return fmt::format(
      "{} tokens of text, {}; {}", FormatCount(context.document_tokens()),
      FormatBytes(context.document_bytes()),
      result.cached()
          ? "they were there already"
          : "took " + FormatSeconds(result.timings().total_seconds()));
}

std::string Summary(const CompressResult& result) {
  const Context& context = result.context();
  const v1::Representation& form = result.representation();
  const bool is_full = form.rung() == v1::Representation::RUNG_FULL;
  return fmt::format(
      "{} tokens became {} {} ({}): {}; {}",
      FormatCount(context.document_tokens()), FormatCount(form.kv_slots()),
      is_full ? "slots" : "gist tokens", FormatRatio(form.ratio()),
      Instead(form.kv_bytes(), context.full_kv_bytes()),
      result.cached()
          ? "it was there already"
          : "took " + FormatSeconds(result.timings().total_seconds()));
}

namespace {

std::string FullSummary(const v1::Usage& usage) {
  if (usage.loaded_slots() > 0) {
    return fmt::format("keys and values of {} tokens were loaded, {}",
                       FormatCount(usage.loaded_slots()),
                       FormatBytes(usage.kv_bytes()));
  }
  return fmt::format(
      "{} tokens of text {} {}, {}", FormatCount(usage.prefilled_tokens()),
      usage.cached_tokens() > 0 ? "were still in memory" : "were read",
      usage.truncated_tokens() == 0
          ? "in full"
          : fmt::format("without the {} between its beginning and end",
                        FormatCount(usage.truncated_tokens())),
      FormatBytes(usage.kv_bytes()));
}

std::string PassagesSummary(const AskResult& result) {
  const v1::Usage& usage = result.usage();
  return fmt::format(
      "{}{} passage{} of {} tokens{} stand for {} ({}), {}",
      usage.loaded_slots() > 0
          ? FormatCount(usage.loaded_slots()) + " gist tokens and "
          : "",
      result.chunks_size(), result.chunks_size() == 1 ? "" : "s",
      FormatCount(usage.prefilled_tokens()),
      usage.documents() > 1 ? fmt::format(", out of {} documents,",
                                          FormatCount(usage.documents()))
                            : "",
      FormatCount(usage.document_tokens()),
      FormatRatio(usage.compression_ratio()),
      Instead(usage.kv_bytes(), usage.full_kv_bytes()));
}

std::string GistsSummary(const v1::Usage& usage) {
  return fmt::format("{} gist tokens stand for {} ({}), {}",
                     FormatCount(usage.loaded_slots()),
                     FormatCount(usage.document_tokens()),
                     FormatRatio(usage.compression_ratio()),
                     Instead(usage.kv_bytes(), usage.full_kv_bytes()));
}

std::string SourceSummary(const AskResult& result) {
  switch (result.mode_used()) {
    case v1::MODE_FULL:
      return FullSummary(result.usage());
    case v1::MODE_RAG:
    case v1::MODE_HYBRID:
      return PassagesSummary(result);
    default:
      return GistsSummary(result.usage());
  }
}

}  // namespace

std::string Summary(const AskResult& result) {
  std::string text = SourceSummary(result);
  text += fmt::format("; first token {}, total {}",
                      FormatSeconds(result.timings().first_token_seconds()),
                      FormatSeconds(result.timings().total_seconds()));
  if (!result.answer_adapter_fingerprint().empty()) text += "; answer adapter";
  if (result.finish_reason() == v1::FINISH_REASON_LENGTH) {
    text += fmt::format("; cut off after {} tokens, see --max-tokens",
                        FormatCount(result.usage().answer_tokens()));
  }
  return text;
}

std::string Summary(const Context& imported) {
  return fmt::format("imported a document of {} tokens: {}",
                     FormatCount(imported.document_tokens()), Held(imported));
}

std::string Details(const Context& context) {
  std::string forms;
  for (const v1::Representation& form : context.representations()) {
    forms += Line(FormName(form), FormShape(form, context));
    if (!form.adapter_fingerprint().empty())
      forms += Line("", "adapter " + form.adapter_fingerprint());
  }
  return Line("context", context.context_id()) +
         Line("document", context.document_id()) +
         Line("text", fmt::format("{} tokens, {}, {}",
                                  FormatCount(context.document_tokens()),
                                  FormatBytes(context.document_bytes()),
                                  context.has_text() ? "kept" : "not kept")) +
         forms + Line("created", FormatTime(context.created_unix_ms())) +
         Line("last used", FormatTime(context.used_unix_ms())) +
         Line("kept", Kept(context)) +
         Line("model", context.model_fingerprint());
}

namespace {

std::string AdapterLines(const ServerInfo& info) {
  if (info.adapter_name().empty()) {
    return Line("adapter",
                "none: modes full and rag answer; gist train makes one, see "
                "gist train --help");
  }
  return Line("adapter", info.adapter_name()) +
         Line("", info.adapter_fingerprint()) +
         Line("gists",
              fmt::format("{} unless asked otherwise, {} to a block of "
                          "the document",
                          info.gist_tokens(), info.gists_per_block())) +
         Line("reads", info.segment_tokens() == 0
                           ? "the whole document as one"
                           : fmt::format("segments of {} tokens",
                                         FormatCount(info.segment_tokens())));
}

}  // namespace

std::string Details(const ServerInfo& info) {
  return Line("gistd", fmt::format("{}, up for {}", info.version(),
                                   FormatSeconds(info.uptime_seconds()))) +
         Line("model",
              fmt::format("{}, {} in memory, on {}", info.model_name(),
                          FormatBytes(info.weight_bytes()), info.device())) +
         Line("", info.model_fingerprint()) +
         Line("context", fmt::format("{} tokens, {} of keys and values each",
                                     FormatCount(info.max_context_tokens()),
                                     FormatBytes(info.kv_bytes_per_token()))) +
         AdapterLines(info) +
         (info.answer_adapter_name().empty()
              ? Line("answer adapter", "none")
              : Line("answer adapter", info.answer_adapter_name()) +
                    Line("", info.answer_adapter_fingerprint())) +
         Line("largest document",
              fmt::format("{}, {} tokens",
                          FormatBytes(info.max_document_bytes()),
                          FormatCount(info.max_document_tokens()))) +
         Line("contexts in one ask",
              fmt::format("up to {}", info.max_contexts_per_ask())) +
         Line("contexts",
              Bounded(FormatCount(info.contexts()), info.max_contexts(),
                      FormatCount(info.max_contexts()))) +
         Line("store",
              Bounded(FormatBytes(info.store_bytes()), info.max_store_bytes(),
                      FormatBytes(info.max_store_bytes())));
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
  const std::string_view mode = ModeName(ModeOf(answer.mode()));
  if (answer.has_error()) {
    return fmt::format("{:7} {}\n", mode, answer.error().message());
  }
  const v1::Usage& usage = answer.result().usage();
  const v1::Timings& timings = answer.result().timings();
  return fmt::format(
      kCompared, mode, FormatSeconds(timings.first_token_seconds()),
      FormatSeconds(timings.prefill_seconds()),
      FormatSeconds(timings.decode_seconds()),
      FormatSeconds(timings.total_seconds()),
      FormatCount(usage.loaded_slots() + usage.prefilled_tokens()),
      FormatRatio(usage.compression_ratio()), FormatBytes(usage.kv_bytes()),
      answer.has_peak_memory_bytes() ? FormatBytes(answer.peak_memory_bytes())
                                     : "-",
      Shown(answer.answer()));
}

// "gist/rag contains, F1 0.25".
std::string Shown(const v1::Agreement& pair) {
  return fmt::format(
      "{}/{} {}", ModeName(ModeOf(pair.a())), ModeName(ModeOf(pair.b())),
      pair.equal()
          ? "equal"
          : fmt::format("{}F1 {:.2f}", pair.contains() ? "contains, " : "",
                        pair.f1()));
}

}  // namespace

std::string Details(const Comparison& comparison) {
  std::string text =
      fmt::format(kCompared, "mode", "first token", "prefill", "decode",
                  "total", "tokens", "ratio", "KV", "memory", "answer");
  for (const ModeAnswer& answer : comparison.answers) text += Row(answer);
  std::string agreeing;
  for (const v1::Agreement& pair : comparison.summary.agreements()) {
    agreeing += (agreeing.empty() ? "" : "; ") + Shown(pair);
  }
  if (!agreeing.empty()) text += "agreement: " + agreeing + "\n";
  if (!comparison.summary.uncontended()) {
    text +=
        "other requests or a training ran meanwhile: times and memory are "
        "not the modes' own\n";
  }
  return text;
}

std::string TableHeader() {
  return fmt::format(kRow, "CONTEXT", "TOKENS", "KV", "CREATED", "HOLDS");
}

std::string TableRow(const Context& context) {
  return fmt::format(kRow, context.context_id(),
                     FormatCount(context.document_tokens()),
                     FormatBytes(KvBytesOf(context)),
                     FormatTime(context.created_unix_ms()), Held(context));
}

}  // namespace gist::client
