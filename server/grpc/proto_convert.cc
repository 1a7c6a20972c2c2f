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

constexpr char kModesThatWork[] =
    "MODE_GIST, MODE_FULL, MODE_RAG or MODE_HYBRID";

absl::Status NotImplemented(std::string_view field, std::string_view message) {
  return InvalidField(field, message, Reason::kNotImplemented);
}

absl::StatusOr<AskMode> ModeOf(v1::Mode mode) {
  switch (mode) {
    case v1::MODE_UNSPECIFIED:
    case v1::MODE_GIST:
      return AskMode::kGist;
    case v1::MODE_FULL:
      return AskMode::kFull;
    case v1::MODE_RAG:
      return AskMode::kRag;
    case v1::MODE_HYBRID:
      return AskMode::kHybrid;
    default:
      break;
  }
  if (v1::Mode_IsValid(mode)) {
    return NotImplemented(
        "mode", fmt::format("{} is reserved, this server has no such mode yet; "
                            "ask with {}",
                            v1::Mode_Name(mode), kModesThatWork));
  }
  return InvalidField(
      "mode", fmt::format("mode is {}, want {}", int(mode), kModesThatWork));
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

absl::StatusOr<RetentionPolicy> FromProto(const v1::RetentionPolicy& policy) {
  if (policy.max_ratio() != 0) {
    return NotImplemented(
        "retention.max_ratio",
        fmt::format("max_ratio is {}, this server thins no context yet; want 0 "
                    "(never thinned)",
                    policy.max_ratio()));
  }
  RetentionPolicy out;
  if (policy.has_ttl_seconds()) out.ttl_seconds = policy.ttl_seconds();
  if (policy.has_expire_unix_ms()) {
    out.expire_unix_ms = policy.expire_unix_ms();
  }
  if (policy.has_pinned()) out.pinned = policy.pinned();
  return out;
}

namespace {

absl::StatusOr<Rung> RungOf(v1::Representation::Rung rung) {
  using Representation = v1::Representation;
  if (rung == Representation::RUNG_UNSPECIFIED ||
      rung == Representation::RUNG_GIST) {
    return Rung::kGist;
  }
  if (rung == Representation::RUNG_FULL) return Rung::kFull;
  constexpr char kField[] = "representation.rung";
  if (!Representation::Rung_IsValid(rung)) {
    return InvalidField(
        kField,
        fmt::format("rung is {}, want RUNG_GIST or RUNG_FULL", int(rung)));
  }
  return NotImplemented(
      kField, fmt::format("{} is reserved, this server cannot make it yet; "
                          "want RUNG_GIST or RUNG_FULL",
                          Representation::Rung_Name(rung)));
}

// Empty: the server chooses.
absl::StatusOr<std::optional<KvStorage>> StorageOf(v1::Storage storage) {
  switch (storage) {
    case v1::STORAGE_UNSPECIFIED:
      return std::nullopt;
    case v1::STORAGE_F16:
      return KvStorage::kF16;
    case v1::STORAGE_I8:
      return KvStorage::kI8;
    default:
      break;
  }
  constexpr char kField[] = "representation.storage";
  if (!v1::Storage_IsValid(storage)) {
    return InvalidField(kField,
                        fmt::format("storage is {}, want STORAGE_F16 or "
                                    "STORAGE_I8",
                                    int(storage)));
  }
  return NotImplemented(
      kField,
      fmt::format("this server cannot store {} yet; want STORAGE_F16 or "
                  "STORAGE_I8",
                  v1::Storage_Name(storage)));
}

absl::Status TakeSpec(const v1::RepresentationSpec& spec,
                      CompressInput& input) {
  const auto reserved = [](std::string_view field) {
    return NotImplemented(
        fmt::format("representation.{}", field),
        fmt::format("{} is reserved, this server does not read it yet; leave "
                    "it out",
                    field));
  };
  if (spec.ratio() != 0) return reserved("ratio");
  if (spec.budget_bytes() != 0) return reserved("budget_bytes");
  GIST_ASSIGN_OR_RETURN(input.rung, RungOf(spec.rung()));
  GIST_ASSIGN_OR_RETURN(input.storage, StorageOf(spec.storage()));
  input.gist_tokens = spec.gist_tokens();
  return absl::OkStatus();
}

absl::StatusOr<bool> IsOn(v1::AnswerAdapter adapter) {
  if (v1::AnswerAdapter_IsValid(adapter)) {
    return adapter == v1::ANSWER_ADAPTER_ON;
  }
  return InvalidField(
      "answer_adapter",
      fmt::format("answer_adapter is {}, want ANSWER_ADAPTER_OFF (1) or "
                  "ANSWER_ADAPTER_ON (2)",
                  int(adapter)));
}

}  // namespace

template <typename Request>
absl::StatusOr<CompressInput> CompressInputOf(const Request& request) {
  CompressInput input;
  GIST_RETURN_IF_ERROR(TakeSpec(request.representation(), input));
  input.request_id = request.request_id();
  GIST_ASSIGN_OR_RETURN(input.retention, FromProto(request.retention()));
  return input;
}
template absl::StatusOr<CompressInput> CompressInputOf(
    const v1::CompressRequest&);
template absl::StatusOr<CompressInput> CompressInputOf(
    const v1::CompressStreamRequest&);

absl::StatusOr<AddInput> FromProto(const v1::AddDocumentRequest& request) {
  AddInput input;
  input.request_id = request.request_id();
  GIST_ASSIGN_OR_RETURN(input.retention, FromProto(request.retention()));
  return input;
}

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
  GIST_ASSIGN_OR_RETURN(input.answer_adapter, IsOn(request.answer_adapter()));
  std::vector<AskMode> modes;
  for (const int mode : request.modes()) {
    GIST_ASSIGN_OR_RETURN(const AskMode known, ModeOf(v1::Mode(mode)));
    modes.push_back(known);
  }
  if (modes.empty()) {
    modes = {AskMode::kGist, AskMode::kFull, AskMode::kRag, AskMode::kHybrid};
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
  GIST_ASSIGN_OR_RETURN(input.answer_adapter, IsOn(request.answer_adapter()));
  return input;
}

namespace {

v1::Representation::Rung ToProto(Rung rung) {
  switch (rung) {
    case Rung::kGist:
      return v1::Representation::RUNG_GIST;
    case Rung::kRestored:
      return v1::Representation::RUNG_RESTORED;
    case Rung::kSelected:
      return v1::Representation::RUNG_SELECTED;
    case Rung::kFull:
      return v1::Representation::RUNG_FULL;
  }
  return v1::Representation::RUNG_UNSPECIFIED;
}

v1::Storage ToProto(KvStorage storage) {
  switch (storage) {
    case KvStorage::kF32:
      return v1::STORAGE_F32;
    case KvStorage::kF16:
      return v1::STORAGE_F16;
    case KvStorage::kBf16:
      return v1::STORAGE_BF16;
    case KvStorage::kI8:
      return v1::STORAGE_I8;
    case KvStorage::kI4:
      return v1::STORAGE_I4;
  }
  return v1::STORAGE_UNSPECIFIED;
}

void ToProto(const Representation& form, int64_t document_tokens,
             v1::Representation* out) {
  out->set_rung(ToProto(form.rung));
  out->set_ratio(double(document_tokens) / double(form.kv_slots));
  out->set_storage(ToProto(form.storage));
  out->set_kv_slots(form.kv_slots);
  out->set_kv_bytes(form.kv_bytes);
  out->set_adapter_fingerprint(form.adapter_fingerprint);
  out->set_created_unix_ms(form.created_unix_ms);
  out->set_build_seconds(form.build_seconds);
  out->set_imported(form.imported);
}

void ToProto(const Retention& retention, v1::RetentionPolicy* out) {
  out->set_expire_unix_ms(retention.expire_unix_ms);
  out->set_pinned(retention.pinned);
  out->set_max_ratio(0);
}

}  // namespace

void ToProto(const ContextInfo& info, v1::Context* out) {
  const ContextRecord& record = info.record;
  out->set_context_id(record.context_id);
  out->set_document_id(record.document_id);
  out->set_document_bytes(record.document_bytes);
  out->set_document_tokens(record.document_tokens);
  out->set_full_kv_bytes(info.full_context_kv_bytes);
  out->set_model_fingerprint(record.model_fingerprint);
  out->set_created_unix_ms(record.created_unix_ms);
  out->set_has_text(info.has_text);
  for (const Representation& form : record.representations) {
    ToProto(form, record.document_tokens, out->add_representations());
  }
  ToProto(info.retention, out->mutable_retention());
  out->set_used_unix_ms(info.used_unix_ms);
}

void ToProto(const Backup& backup, v1::Backup* out) {
  out->set_name(backup.name);
  out->set_created_unix_ms(backup.created_unix_ms);
  out->set_backup_bytes(backup.bytes);
  out->set_files(backup.files);
}

namespace {

void ToProto(const Usage& usage, v1::Usage* out) {
  out->set_documents(usage.documents);
  out->set_document_tokens(usage.document_tokens);
  out->set_prefix_tokens(usage.prefix_tokens);
  out->set_loaded_slots(usage.loaded_slots);
  out->set_prefilled_tokens(usage.prefilled_tokens);
  out->set_cached_tokens(usage.cached_tokens);
  out->set_truncated_tokens(usage.truncated_tokens);
  out->set_question_tokens(usage.question_tokens);
  out->set_answer_tokens(usage.answer_tokens);
  out->set_kv_bytes(usage.kv_bytes);
  out->set_full_kv_bytes(usage.full_kv_bytes);
  out->set_compression_ratio(usage.compression_ratio);
}

void ToProto(const Timings& timings, v1::Timings* out) {
  out->set_queue_seconds(timings.queue_seconds);
  out->set_tokenize_seconds(timings.tokenize_seconds);
  out->set_load_seconds(timings.load_seconds);
  out->set_index_seconds(timings.index_seconds);
  out->set_search_seconds(timings.search_seconds);
  out->set_prefill_seconds(timings.prefill_seconds);
  out->set_build_seconds(timings.build_seconds);
  out->set_store_seconds(timings.store_seconds);
  out->set_first_token_seconds(timings.first_token_seconds);
  out->set_decode_seconds(timings.decode_seconds);
  out->set_total_seconds(timings.total_seconds);
}

}  // namespace

void ToProto(const AddResult& result, v1::AddDocumentResponse* out) {
  ToProto(result.context, out->mutable_context());
  out->set_cached(result.cached);
  ToProto(result.timings, out->mutable_timings());
}

void ToProto(const CompressResult& result, v1::CompressResponse* out) {
  ToProto(result.context, out->mutable_context());
  ToProto(result.context.representation, result.context.record.document_tokens,
          out->mutable_representation());
  out->set_cached(result.cached);
  ToProto(result.usage, out->mutable_usage());
  ToProto(result.timings, out->mutable_timings());
}

void ToProto(const CompressProgress& progress, v1::CompressProgress* out) {
  out->set_done_tokens(progress.done_tokens);
  out->set_total_tokens(progress.total_tokens);
}

v1::Mode ToProto(AskMode mode) {
  switch (mode) {
    case AskMode::kGist:
      return v1::MODE_GIST;
    case AskMode::kFull:
      return v1::MODE_FULL;
    case AskMode::kRag:
      return v1::MODE_RAG;
    case AskMode::kHybrid:
      return v1::MODE_HYBRID;
  }
  return v1::MODE_UNSPECIFIED;
}

namespace {

void ToProto(const RetrievedChunk& chunk, v1::RetrievedChunk* out) {
  out->set_context_id(chunk.context_id);
  out->set_begin(chunk.begin);
  out->set_end(chunk.end);
  out->set_similarity(chunk.similarity);
  out->set_bm25(chunk.bm25);
  out->set_text(chunk.text);
}

}  // namespace

void ToProto(const AskResult& result, v1::AskResult* out) {
  out->set_mode_used(ToProto(result.mode_used));
  out->set_rung_used(result.rung_used ? ToProto(*result.rung_used)
                                      : v1::Representation::RUNG_TEXT);
  out->set_finish_reason(result.stopped ? v1::FINISH_REASON_STOP
                                        : v1::FINISH_REASON_LENGTH);
  out->mutable_verdict()->set_refused(result.verdict.refused);
  out->mutable_verdict()->set_grounded(v1::Verdict::GROUNDED_NOT_CHECKED);
  ToProto(result.usage, out->mutable_usage());
  ToProto(result.timings, out->mutable_timings());
  out->set_model_fingerprint(result.model_fingerprint);
  for (const std::string& fingerprint : result.adapter_fingerprints) {
    out->add_adapter_fingerprints(fingerprint);
  }
  out->set_answer_adapter_fingerprint(result.answer_adapter_fingerprint);
  out->set_embedder_fingerprint(result.embedder_fingerprint);
  for (const RetrievedChunk& chunk : result.chunks) {
    ToProto(chunk, out->add_chunks());
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
  const AnswerAdapterInfo answer_adapter = pipeline.engine().answer_adapter();
  out->set_answer_adapter_name(answer_adapter.name);
  out->set_answer_adapter_fingerprint(answer_adapter.fingerprint);
  out->set_max_store_bytes(usage.max_bytes);
  out->set_max_contexts(usage.max_contexts);
  out->set_store_bytes(usage.bytes);
  out->set_contexts(usage.contexts);
}

void ToProto(const ModeAnswer& answer, v1::ModeAnswer* out) {
  out->set_mode(ToProto(answer.mode));
  out->set_answer(answer.answer);
  if (answer.peak_bytes) out->set_peak_memory_bytes(*answer.peak_bytes);
  if (answer.status.ok()) return ToProto(answer.result, out->mutable_result());
  const grpc::Status status = ToGrpc(answer.status);
  v1::ModeError& error = *out->mutable_error();
  error.set_code(int(status.error_code()));
  error.set_message(status.error_message());
  error.set_reason(InfoOf(DetailsOf(answer.status).reason).name);
}

void ToProto(const Comparison& comparison, v1::CompareSummary* out) {
  for (const Agreement& agreement : comparison.agreements) {
    v1::Agreement& row = *out->add_agreements();
    row.set_a(ToProto(agreement.a));
    row.set_b(ToProto(agreement.b));
    row.set_equal(agreement.equal);
    row.set_contains(agreement.contains);
    row.set_f1(agreement.f1);
  }
  out->set_uncontended(comparison.uncontended);
}

}  // namespace gist
