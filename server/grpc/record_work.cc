#include "server/grpc/record_work.h"

namespace gist {
namespace {

void Count(const AskResult& result, const char* rpc, Metrics& metrics) {
  const char* const mode = NameOf(result.mode_used);
  metrics.CountStages(rpc, mode,
                      {.queue = result.timings.queue_seconds,
                       .prefill = result.timings.prefill_seconds,
                       .first_token = result.timings.first_token_seconds,
                       .inter_token_seconds = result.itl_seconds});
  metrics.CountAnswer(mode,
                      {.prompt_tokens = result.usage.prompt_tokens(),
                       .answer_tokens = result.usage.answer_tokens,
                       .kv_bytes = result.usage.kv_bytes,
                       .full_context_kv_bytes = result.usage.full_kv_bytes});
  const bool used_index = !result.embedder_fingerprint.empty();
  if (!used_index) return;
  const auto misses = int64_t(result.indexed_documents);
  metrics.CountLookups("index", result.usage.documents - misses, misses);
}

}  // namespace

const char* NameOf(AskMode mode) {
  constexpr const char* kNames[] = {"gist", "full", "rag", "hybrid"};
  return kNames[size_t(mode)];
}

void RecordWork(const AddResult& result, CallRecord& record, Metrics& metrics) {
  const ContextRecord& context = result.context.record;
  if (result.is_new) metrics.AddContexts(1);
  record.Add("context", context.context_id);
  record.Add("document_tokens", context.document_tokens);
  record.Add("document_bytes", context.document_bytes);
  record.Add("cached", result.cached);
}

void RecordWork(const CompressResult& result, CallRecord& record,
                Metrics& metrics) {
  const ContextRecord& context = result.context.record;
  const Representation& form = result.context.representation;
  if (result.is_new) metrics.AddContexts(1);
  metrics.CountLookups("store", result.cached ? 1 : 0, result.cached ? 0 : 1);
  if (!result.cached) {
    metrics.CountCompressed({.document_tokens = context.document_tokens,
                             .gist_tokens = form.gist_tokens,
                             .kv_bytes = form.kv_bytes});
    metrics.CountStages(record.rpc(), record.mode,
                        {.queue = result.timings.queue_seconds,
                         .prefill = result.timings.prefill_seconds,
                         .first_token = {},
                         .inter_token_seconds = {}});
  }
  record.Add("context", context.context_id);
  record.Add("document_tokens", context.document_tokens);
  record.Add("gist_tokens", form.gist_tokens);
  record.Add("document_bytes", context.document_bytes);
  record.Add("kv_bytes", form.kv_bytes);
  record.Add("cached", result.cached);
  record.AddSeconds("queue_seconds", result.timings.queue_seconds);
}

void RecordWork(const AskResult& result, CallRecord& record, Metrics& metrics) {
  Count(result, record.rpc(), metrics);
  record.Add("contexts", result.usage.documents);
  record.Add("prompt_tokens", result.usage.prompt_tokens());
  record.Add("answer_tokens", result.usage.answer_tokens);
  record.Add("kv_bytes", result.usage.kv_bytes);
  record.AddSeconds("queue_seconds", result.timings.queue_seconds);
  record.AddSeconds("first_token_seconds", result.timings.first_token_seconds);
}

void RecordWork(const Comparison& comparison, CallRecord& record,
                Metrics& metrics) {
  int64_t answers = 0, answer_tokens = 0, kv_bytes = 0;
  for (const ModeAnswer& answer : comparison.answers) {
    if (!answer.status.ok()) continue;
    const AskResult& result = answer.result;
    Count(result, record.rpc(), metrics);
    ++answers;
    answer_tokens += result.usage.answer_tokens;
    kv_bytes += result.usage.kv_bytes;
  }
  record.Add("answers", answers);
  record.Add("answer_tokens", answer_tokens);
  record.Add("kv_bytes", kv_bytes);
}

}  // namespace gist
