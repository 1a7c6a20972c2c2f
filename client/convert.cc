#include "client/convert.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"

namespace gist::client {
namespace {

// In the order of kModes.
constexpr v1::Mode kProtoModes[] = {v1::MODE_GIST, v1::MODE_FULL, v1::MODE_RAG,
                                    v1::MODE_HYBRID};
constexpr std::string_view kModeNames[] = {"gist", "full", "rag", "hybrid"};

v1::Mode ToProto(Mode mode) { return kProtoModes[size_t(mode)]; }

// In the order of kRankings.
constexpr v1::Ranking kProtoRankings[] = {v1::RANKING_FUSED, v1::RANKING_DENSE,
                                          v1::RANKING_LEXICAL};
constexpr std::string_view kRankingNames[] = {"fused", "dense", "lexical"};

void ToProto(const Retrieval& retrieval, v1::Retrieval* out) {
  out->set_top_k(retrieval.top_k);
  out->set_ef(retrieval.ef);
  out->set_chunk_tokens(retrieval.chunk_tokens);
  if (retrieval.overlap_tokens) {
    out->set_overlap_tokens(*retrieval.overlap_tokens);
  }
  out->set_ranking(kProtoRankings[size_t(retrieval.ranking)]);
}

v1::AnswerAdapter ToProto(AnswerAdapter adapter) {
  return adapter == AnswerAdapter::kOn ? v1::ANSWER_ADAPTER_ON
                                       : v1::ANSWER_ADAPTER_OFF;
}

}  // namespace

std::string_view RankingName(Ranking ranking) {
  return kRankingNames[size_t(ranking)];
}

std::string_view AnswerAdapterName(AnswerAdapter adapter) {
  return adapter == AnswerAdapter::kOn ? "on" : "off";
}

std::string_view ModeName(Mode mode) { return kModeNames[size_t(mode)]; }

Mode ModeOf(v1::Mode proto) {
  for (const Mode mode : kModes) {
    if (ToProto(mode) == proto) return mode;
  }
  return Mode::kGist;
}

const v1::Representation& GistsOf(const Context& context) {
  const auto& all = context.representations();
  const auto newest = std::find_if(all.rbegin(), all.rend(), [](const auto& r) {
    return r.rung() == v1::Representation::RUNG_GIST;
  });
  return newest == all.rend() ? v1::Representation::default_instance()
                              : *newest;
}

absl::Status StatusOf(const ModeAnswer& answer) {
  if (!answer.has_error()) return absl::OkStatus();
  const v1::ModeError& error = answer.error();
  absl::Status status(static_cast<absl::StatusCode>(error.code()),
                      error.message());
  if (error.reason().empty()) return status;
  google::rpc::ErrorInfo info;
  info.set_domain("gist.v1");
  info.set_reason(error.reason());
  google::protobuf::Any any;
  any.PackFrom(info);
  status.SetPayload(any.type_url(), absl::Cord(any.value()));
  return status;
}

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
  proto.set_answer_adapter(ToProto(question.answer_adapter));
  proto.set_gist_tokens(question.gist_tokens);
  return proto;
}

v1::RetentionPolicy ToProto(const RetentionPolicy& policy) {
  v1::RetentionPolicy proto;
  if (policy.ttl_seconds) proto.set_ttl_seconds(*policy.ttl_seconds);
  if (policy.expire_unix_ms) proto.set_expire_unix_ms(*policy.expire_unix_ms);
  if (policy.pinned) proto.set_pinned(*policy.pinned);
  return proto;
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
  proto.set_answer_adapter(ToProto(question.answer_adapter));
  proto.set_gist_tokens(question.gist_tokens);
  return proto;
}

}  // namespace gist::client
