#include "server/grpc/proto_convert.h"

#include <string>

#include "core/base/status.h"
#include "server/grpc/status.h"
#include "server/support/errors.h"

namespace gist {

const char* CodeName(absl::StatusCode code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "UNKNOWN";
}

namespace {

absl::StatusOr<AskMode> ModeOf(v1::Mode mode) {
  switch (mode) {
    case v1::MODE_UNSPECIFIED:
    case v1::MODE_GIST:
      return AskMode::kGist;
    case v1::MODE_FULL_CONTEXT:
      return AskMode::kFullContext;
    case v1::MODE_RAG:
      return AskMode::kRag;
    case v1::MODE_HYBRID:
      return AskMode::kHybrid;
    default:
      return InvalidField(
          "mode",
          fmt::format("mode is {}, want MODE_GIST (1), MODE_FULL_CONTEXT (2), "
                      "MODE_RAG (3) or MODE_HYBRID (4)",
                      int(mode)));
  }
}

absl::StatusOr<Ranking> RankingOf(v1::Ranking ranking) {
  switch (ranking) {
    case v1::RANKING_UNSPECIFIED:
    case v1::RANKING_FUSED:
      return Ranking::kFused;
    case v1::RANKING_DENSE:
      return Ranking::kDense;
    case v1::RANKING_LEXICAL:
      return Ranking::kLexical;
    default:
      return InvalidField(
          "retrieval.ranking",
          fmt::format("retrieval.ranking is {}, want RANKING_FUSED (1), "
                      "RANKING_DENSE (2) or RANKING_LEXICAL (3)",
                      int(ranking)));
  }
}

absl::StatusOr<RetrievalOptions> RetrievalOf(const v1::Retrieval& retrieval) {
  RetrievalOptions options;
  GIST_ASSIGN_OR_RETURN(options.ranking, RankingOf(retrieval.ranking()));
  const auto set = [](int32_t value, int* field) {
    if (value != 0) *field = value;
  };
  set(retrieval.top_k(), &options.top_k);
  set(retrieval.ef(), &options.ef);
  set(retrieval.chunk_tokens(), &options.chunk_tokens);
  if (retrieval.has_overlap_tokens()) {
    options.overlap_tokens = retrieval.overlap_tokens();
  }
  return options;
}

}  // namespace

RetentionWish FromProto(const v1::Keep& keep) {
  RetentionWish wish;
  if (keep.has_ttl_seconds()) wish.ttl_seconds = keep.ttl_seconds();
  if (keep.has_expire_unix_ms()) wish.expire_unix_ms = keep.expire_unix_ms();
  if (keep.has_pinned()) wish.pinned = keep.pinned();
  return wish;
}

namespace {

absl::StatusOr<bool> IsTrained(v1::Reader reader) {
  if (v1::Reader_IsValid(reader)) return reader == v1::READER_TRAINED;
  return InvalidField(
      "reader",
      fmt::format("reader is {}, want one of the enum's", int(reader)));
}

}  // namespace

absl::StatusOr<std::pair<AskInput, std::vector<AskMode>>> FromProto(
    const v1::CompareRequest& request) {
  AskInput input;
  input.context_ids.assign(request.context_ids().begin(),
                           request.context_ids().end());
  input.question = request.question();
  input.max_tokens = request.max_tokens();
  GIST_ASSIGN_OR_RETURN(input.retrieval, RetrievalOf(request.retrieval()));
  input.truncate = request.truncate();
  input.gist_tokens = request.gist_tokens();
  GIST_ASSIGN_OR_RETURN(input.trained_reader, IsTrained(request.reader()));
  std::vector<AskMode> modes;
  for (const int mode : request.modes()) {
    GIST_ASSIGN_OR_RETURN(const AskMode known, ModeOf(v1::Mode(mode)));
    modes.push_back(known);
  }
  if (modes.empty()) {
    modes = {AskMode::kGist, AskMode::kFullContext, AskMode::kRag,
             AskMode::kHybrid};
  }
  return std::pair(std::move(input), std::move(modes));
}

absl::StatusOr<AskInput> FromProto(const v1::AskRequest& request) {
  AskInput input;
  input.context_ids.assign(request.context_ids().begin(),
                           request.context_ids().end());
  input.question = request.question();
  GIST_ASSIGN_OR_RETURN(input.mode, ModeOf(request.mode()));
  input.all_documents =
      input.mode == AskMode::kRag && input.context_ids.empty();
  input.max_tokens = request.max_tokens();
  input.sampling.temperature = request.temperature();
  input.sampling.top_k = request.top_k();
  input.sampling.top_p = request.top_p() == 0 ? 1.0f : request.top_p();
  input.sampling.seed = request.seed();
  GIST_ASSIGN_OR_RETURN(input.retrieval, RetrievalOf(request.retrieval()));
  input.truncate = request.truncate();
  input.gist_tokens = request.gist_tokens();
  GIST_ASSIGN_OR_RETURN(input.trained_reader, IsTrained(request.reader()));
  return input;
}

void ToProto(const ContextInfo& info, v1::Context* out) {
  const ContextRecord& record = info.record;
  const Representation& form = info.representation;
  out->set_context_id(record.context_id);
  out->set_document_id(record.document_id);
  out->set_document_bytes(record.document_bytes);
  out->set_context_tokens(record.document_tokens);
  out->set_gist_tokens(form.gist_tokens);
  out->set_compression_ratio(double(record.document_tokens) /
                             double(form.kv_slots));
  out->set_kv_bytes(form.kv_bytes);
  out->set_full_context_kv_bytes(info.full_context_kv_bytes);
  out->set_model_fingerprint(record.model_fingerprint);
  out->set_adapter_fingerprint(form.adapter_fingerprint);
  out->set_created_unix_ms(form.created_unix_ms);
  out->set_compress_seconds(form.build_seconds);
  out->set_imported(form.imported);
  out->set_has_text(info.has_text);
  out->set_expire_unix_ms(info.retention.expire_unix_ms);
  out->set_pinned(info.retention.pinned);
  out->set_used_unix_ms(info.used_unix_ms);
}

void ToProto(const Backup& backup, v1::Backup* out) {
  out->set_name(backup.name);
  out->set_created_unix_ms(backup.created_unix_ms);
  out->set_backup_bytes(backup.bytes);
  out->set_files(backup.files);
}

void ToProto(const CompressResult& result, v1::CompressResponse* out) {
  ToProto(result.context, out->mutable_context());
  out->set_cached(result.cached);
  out->set_queue_seconds(result.queue_seconds);
  out->set_tokenize_seconds(result.tokenize_seconds);
  out->set_prefill_seconds(result.prefill_seconds);
  out->set_gist_seconds(result.gist_seconds);
  out->set_cached_tokens(result.cached_tokens);
  out->set_store_seconds(result.store_seconds);
  out->set_total_seconds(result.total_seconds);
}

void ToProto(const CompressProgress& progress, v1::CompressProgress* out) {
  out->set_done_tokens(progress.done_tokens);
  out->set_total_tokens(progress.total_tokens);
}

namespace {

v1::Mode ToProto(AskMode mode) {
  switch (mode) {
    case AskMode::kGist:
      return v1::MODE_GIST;
    case AskMode::kFullContext:
      return v1::MODE_FULL_CONTEXT;
    case AskMode::kRag:
      return v1::MODE_RAG;
    case AskMode::kHybrid:
      return v1::MODE_HYBRID;
  }
  return v1::MODE_UNSPECIFIED;
}

void ToProto(const RetrievedChunk& chunk, v1::RetrievedChunk* out) {
  out->set_context_id(chunk.context_id);
  out->set_begin(chunk.begin);
  out->set_end(chunk.end);
  out->set_similarity(chunk.similarity);
  out->set_bm25(chunk.bm25);
  out->set_text(chunk.text);
}

}  // namespace

void ToProto(const Accounting& accounting, v1::Accounting* out) {
  out->set_mode(ToProto(accounting.mode));
  out->set_documents(accounting.documents);
  out->set_document_tokens(accounting.document_tokens);
  out->set_prefix_tokens(accounting.prefix_tokens);
  out->set_gist_tokens(accounting.gist_tokens);
  out->set_context_tokens(accounting.context_tokens);
  out->set_question_tokens(accounting.question_tokens);
  out->set_answer_tokens(accounting.answer_tokens);
  out->set_truncated_tokens(accounting.truncated_tokens);
  out->set_cached_tokens(accounting.cached_tokens);
  out->set_kv_bytes(accounting.kv_bytes);
  out->set_full_context_kv_bytes(accounting.full_context_kv_bytes);
  out->set_compression_ratio(accounting.compression_ratio);
  out->set_queue_seconds(accounting.queue_seconds);
  out->set_load_seconds(accounting.load_seconds);
  out->set_prefill_seconds(accounting.prefill_seconds);
  out->set_first_token_seconds(accounting.first_token_seconds);
  out->set_decode_seconds(accounting.decode_seconds);
  out->set_total_seconds(accounting.total_seconds);
  out->set_finish_reason(accounting.finish_reason);
  out->set_model_fingerprint(accounting.model_fingerprint);
  out->set_index_seconds(accounting.index_seconds);
  out->set_search_seconds(accounting.search_seconds);
  out->set_reader_fingerprint(accounting.reader_fingerprint);
  out->set_embedder_fingerprint(accounting.embedder_fingerprint);
  for (const RetrievedChunk& chunk : accounting.chunks) {
    ToProto(chunk, out->add_chunks());
  }
  for (const std::string& fingerprint : accounting.adapter_fingerprints) {
    out->add_adapter_fingerprints(fingerprint);
  }
}

void ToProto(const Pipeline& pipeline, v1::ServerInfo* out) {
  const ModelInfo& model = pipeline.engine().model();
  const AdapterInfo adapter = pipeline.engine().adapter();
  const PipelineLimits& limits = pipeline.limits();
  out->set_version(GIST_VERSION);
  out->set_model_name(model.name);
  out->set_model_fingerprint(model.fingerprint);
  out->set_device(model.device);
  out->set_max_context_tokens(model.max_context_tokens);
  out->set_kv_bytes_per_token(model.KvBytes(1));
  out->set_weight_bytes(model.weight_bytes);
  out->set_adapter_name(adapter.name);
  out->set_adapter_fingerprint(adapter.fingerprint);
  out->set_gist_tokens(adapter.gist_tokens);
  out->set_gists_per_block(adapter.gists_per_block);
  out->set_segment_tokens(adapter.segment_tokens);
  out->set_max_unary_bytes(kMaxUnaryBytes);
  out->set_max_document_bytes(limits.max_document_bytes);
  out->set_max_document_tokens(limits.max_document_tokens);
  out->set_max_contexts_per_ask(limits.max_contexts_per_ask);
  const StoreUsage usage = pipeline.usage();
  const ReaderInfo reader = pipeline.engine().reader();
  out->set_reader_name(reader.name);
  out->set_reader_fingerprint(reader.fingerprint);
  out->set_max_store_bytes(usage.max_bytes);
  out->set_max_contexts(usage.max_contexts);
  out->set_store_bytes(usage.bytes);
  out->set_contexts(usage.contexts);
}

void ToProto(const Comparison& comparison, v1::CompareResponse* out) {
  for (const ModeAnswer& answer : comparison.answers) {
    v1::ModeAnswer& row = *out->add_answers();
    row.set_mode(ToProto(answer.mode));
    row.set_answer(answer.answer);
    if (answer.peak_bytes) row.set_peak_memory_bytes(*answer.peak_bytes);
    if (answer.status.ok()) {
      ToProto(answer.accounting, row.mutable_accounting());
      continue;
    }
    const grpc::Status error = ToGrpc(answer.status);
    row.set_error_code(int(error.error_code()));
    row.set_error_message(error.error_message());
    row.set_error_reason(InfoOf(DetailsOf(answer.status).reason).name);
  }
  for (const Agreement& agreement : comparison.agreements) {
    v1::Agreement& row = *out->add_agreements();
    row.set_a(ToProto(agreement.a));
    row.set_b(ToProto(agreement.b));
    row.set_equal(agreement.equal);
    row.set_f1(agreement.f1);
  }
  out->set_alone(comparison.alone);
}

}  // namespace gist
