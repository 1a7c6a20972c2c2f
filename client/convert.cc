#include "client/convert.h"

#include "absl/strings/cord.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"

namespace gist::client {
namespace {

// In the order of kModes.
constexpr v1::Mode kProtoModes[] = {v1::MODE_GIST, v1::MODE_FULL_CONTEXT,
                                    v1::MODE_RAG, v1::MODE_HYBRID};
constexpr std::string_view kModeNames[] = {"gist", "full", "rag", "hybrid"};

v1::Mode ToProto(Mode mode) { return kProtoModes[size_t(mode)]; }

Mode FromProto(v1::Mode proto) {
  for (const Mode mode : kModes) {
    if (ToProto(mode) == proto) return mode;
  }
  return Mode::kGist;
}

// In the order of kRankings.
constexpr v1::Ranking kProtoRankings[] = {v1::RANKING_FUSED, v1::RANKING_DENSE,
                                          v1::RANKING_LEXICAL};
constexpr std::string_view kRankingNames[] = {"fused", "dense", "lexical"};

// With what ErrorInfoOf reads, as a call's own error has it.
absl::Status StatusFrom(const v1::ModeAnswer& row) {
  absl::Status status(static_cast<absl::StatusCode>(row.error_code()),
                      row.error_message());
  if (status.ok() || row.error_reason().empty()) return status;
  google::rpc::ErrorInfo info;
  info.set_domain("gist.v1");
  info.set_reason(row.error_reason());
  google::protobuf::Any any;
  any.PackFrom(info);
  status.SetPayload(any.type_url(), absl::Cord(any.value()));
  return status;
}

void ToProto(const Retrieval& retrieval, v1::Retrieval* out) {
  out->set_top_k(retrieval.top_k);
  out->set_ef(retrieval.ef);
  out->set_chunk_tokens(retrieval.chunk_tokens);
  if (retrieval.overlap_tokens) {
    out->set_overlap_tokens(*retrieval.overlap_tokens);
  }
  out->set_ranking(kProtoRankings[size_t(retrieval.ranking)]);
}

v1::Reader ToProto(Reader reader) {
  return reader == Reader::kTrained ? v1::READER_TRAINED : v1::READER_FROZEN;
}

RetrievedChunk FromProto(const v1::RetrievedChunk& proto) {
  return {.context_id = proto.context_id(),
          .begin = proto.begin(),
          .end = proto.end(),
          .similarity = proto.similarity(),
          .bm25 = proto.bm25(),
          .text = proto.text()};
}

}  // namespace

std::string_view RankingName(Ranking ranking) {
  return kRankingNames[size_t(ranking)];
}

std::string_view ReaderName(Reader reader) {
  return reader == Reader::kTrained ? "trained" : "frozen";
}

std::string_view ModeName(Mode mode) { return kModeNames[size_t(mode)]; }

v1::AskRequest ToProto(const Question& question) {
  v1::AskRequest proto;
  for (const std::string& id : question.context_ids) proto.add_context_ids(id);
  proto.set_question(question.text);
  proto.set_mode(ToProto(question.mode));
  if (question.mode == Mode::kRag || question.mode == Mode::kHybrid) {
    ToProto(question.retrieval, proto.mutable_retrieval());
  }
  proto.set_max_tokens(question.max_tokens);
  proto.set_temperature(question.temperature);
  proto.set_top_k(question.top_k);
  proto.set_top_p(question.top_p);
  proto.set_seed(question.seed);
  proto.set_truncate(question.truncate);
  proto.set_gist_tokens(question.gist_tokens);
  proto.set_reader(ToProto(question.reader));
  return proto;
}

Context FromProto(const v1::Context& proto) {
  return {
      .context_id = proto.context_id(),
      .document_id = proto.document_id(),
      .document_bytes = proto.document_bytes(),
      .context_tokens = proto.context_tokens(),
      .gist_tokens = proto.gist_tokens(),
      .compression_ratio = proto.compression_ratio(),
      .kv_bytes = proto.kv_bytes(),
      .full_context_kv_bytes = proto.full_context_kv_bytes(),
      .model_fingerprint = proto.model_fingerprint(),
      .adapter_fingerprint = proto.adapter_fingerprint(),
      .created_unix_ms = proto.created_unix_ms(),
      .compress_seconds = proto.compress_seconds(),
      .imported = proto.imported(),
      .has_text = proto.has_text(),
      .expire_unix_ms = proto.expire_unix_ms(),
      .pinned = proto.pinned(),
      .used_unix_ms = proto.used_unix_ms(),
  };
}

void ToProto(const Keep& keep, v1::Keep* out) {
  if (keep.ttl_seconds) out->set_ttl_seconds(*keep.ttl_seconds);
  if (keep.expire_unix_ms) out->set_expire_unix_ms(*keep.expire_unix_ms);
  if (keep.pinned) out->set_pinned(*keep.pinned);
}

Backup FromProto(const v1::Backup& proto) {
  return {.name = proto.name(),
          .created_unix_ms = proto.created_unix_ms(),
          .backup_bytes = proto.backup_bytes(),
          .files = proto.files()};
}

CompressResult FromProto(const v1::CompressResponse& proto) {
  return {
      .context = FromProto(proto.context()),
      .cached = proto.cached(),
      .cached_tokens = proto.cached_tokens(),
      .queue_seconds = proto.queue_seconds(),
      .tokenize_seconds = proto.tokenize_seconds(),
      .prefill_seconds = proto.prefill_seconds(),
      .gist_seconds = proto.gist_seconds(),
      .store_seconds = proto.store_seconds(),
      .total_seconds = proto.total_seconds(),
  };
}

Accounting FromProto(const v1::Accounting& proto) {
  Accounting accounting = {
      .mode = FromProto(proto.mode()),
      .documents = proto.documents(),
      .document_tokens = proto.document_tokens(),
      .prefix_tokens = proto.prefix_tokens(),
      .gist_tokens = proto.gist_tokens(),
      .context_tokens = proto.context_tokens(),
      .cached_tokens = proto.cached_tokens(),
      .truncated_tokens = proto.truncated_tokens(),
      .question_tokens = proto.question_tokens(),
      .answer_tokens = proto.answer_tokens(),
      .kv_bytes = proto.kv_bytes(),
      .full_context_kv_bytes = proto.full_context_kv_bytes(),
      .compression_ratio = proto.compression_ratio(),
      .queue_seconds = proto.queue_seconds(),
      .load_seconds = proto.load_seconds(),
      .prefill_seconds = proto.prefill_seconds(),
      .first_token_seconds = proto.first_token_seconds(),
      .decode_seconds = proto.decode_seconds(),
      .total_seconds = proto.total_seconds(),
      .finish_reason = proto.finish_reason(),
      .model_fingerprint = proto.model_fingerprint(),
      .adapter_fingerprints = {proto.adapter_fingerprints().begin(),
                               proto.adapter_fingerprints().end()},
      .index_seconds = proto.index_seconds(),
      .search_seconds = proto.search_seconds(),
      .reader_fingerprint = proto.reader_fingerprint(),
      .embedder_fingerprint = proto.embedder_fingerprint(),
      .chunks = {},
  };
  for (const v1::RetrievedChunk& chunk : proto.chunks()) {
    accounting.chunks.push_back(FromProto(chunk));
  }
  return accounting;
}

v1::CompareRequest ToCompareProto(const Question& question,
                                  const std::vector<Mode>& modes) {
  v1::CompareRequest proto;
  for (const std::string& id : question.context_ids) proto.add_context_ids(id);
  proto.set_question(question.text);
  for (const Mode mode : modes) proto.add_modes(ToProto(mode));
  proto.set_max_tokens(question.max_tokens);
  ToProto(question.retrieval, proto.mutable_retrieval());
  proto.set_truncate(question.truncate);
  proto.set_gist_tokens(question.gist_tokens);
  proto.set_reader(ToProto(question.reader));
  return proto;
}

Comparison FromProto(const v1::CompareResponse& proto) {
  Comparison comparison;
  for (const v1::ModeAnswer& row : proto.answers()) {
    ModeAnswer answer{.mode = FromProto(row.mode()),
                      .status = StatusFrom(row),
                      .answer = row.answer(),
                      .accounting = FromProto(row.accounting()),
                      .peak_memory_bytes = {}};
    if (row.has_peak_memory_bytes()) {
      answer.peak_memory_bytes = row.peak_memory_bytes();
    }
    comparison.answers.push_back(std::move(answer));
  }
  for (const v1::Agreement& row : proto.agreements()) {
    comparison.agreements.push_back({.a = FromProto(row.a()),
                                     .b = FromProto(row.b()),
                                     .equal = row.equal(),
                                     .f1 = row.f1()});
  }
  comparison.alone = proto.alone();
  return comparison;
}

ServerInfo FromProto(const v1::ServerInfo& proto) {
  return {
      .version = proto.version(),
      .model_name = proto.model_name(),
      .model_fingerprint = proto.model_fingerprint(),
      .device = proto.device(),
      .max_context_tokens = proto.max_context_tokens(),
      .kv_bytes_per_token = proto.kv_bytes_per_token(),
      .weight_bytes = proto.weight_bytes(),
      .adapter_name = proto.adapter_name(),
      .adapter_fingerprint = proto.adapter_fingerprint(),
      .reader_name = proto.reader_name(),
      .reader_fingerprint = proto.reader_fingerprint(),
      .gist_tokens = proto.gist_tokens(),
      .gists_per_block = proto.gists_per_block(),
      .segment_tokens = proto.segment_tokens(),
      .max_unary_bytes = proto.max_unary_bytes(),
      .max_document_bytes = proto.max_document_bytes(),
      .max_document_tokens = proto.max_document_tokens(),
      .max_contexts_per_ask = proto.max_contexts_per_ask(),
      .uptime_seconds = proto.uptime_seconds(),
      .max_store_bytes = proto.max_store_bytes(),
      .max_contexts = proto.max_contexts(),
      .store_bytes = proto.store_bytes(),
      .contexts = proto.contexts(),
  };
}

}  // namespace gist::client
