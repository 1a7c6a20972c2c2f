#include "tests/bench/table_asker.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>

#include "core/base/identity.h"
#include "core/base/random.h"
#include "core/base/status.h"
#include "storage/kv_codec.h"

namespace gist::bench {
namespace {

// Never fewer: a reader that answers in a sentence may get to the key.
constexpr size_t kMinAnswerTokens = 32;

// One in the question's language, so that the language does not give it away.
std::string_view EmptyText(const Record& record) {
  return record.language == "ko" ? "이 글에는 아무 내용도 없습니다."
                                 : "There is nothing written in this text.";
}

std::string WithoutNeedle(const Record& record) {
  std::string text = record.context;
  const size_t at =
      record.needle.empty() ? text.npos : text.find(record.needle);
  if (at != text.npos) text.erase(at, record.needle.size());
  return text;
}

// Moves a place between bytes back to the start of its character.
size_t CharacterAt(std::string_view text, size_t at) {
  while (at > 0 && at < text.size() && (uint8_t(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// Box-Muller.
double Gaussian(Rng& rng) {
  const double radius = std::sqrt(-2 * std::log(1 - rng.Uniform()));
  return radius * std::cos(2 * std::numbers::pi * rng.Uniform());
}

void ReplaceByNoise(std::span<float> values, Rng& rng) {
  double sum = 0, squares = 0;
  for (const float value : values) {
    sum += value;
    squares += double(value) * value;
  }
  const double mean = sum / double(values.size());
  const double variance =
      std::max(0.0, squares / double(values.size()) - mean * mean);
  for (float& value : values) {
    value = float(mean + std::sqrt(variance) * Gaussian(rng));
  }
}

// Keys and values become noise with the mean and deviation of their layer and
// head, under an adapter's name of their own.
void MakeRandom(KvBlob* blob, Rng& rng) {
  GistKv gists = ToDense(blob->kv.front());
  const size_t head = size_t(gists.gist_tokens) * size_t(gists.head_dim);
  for (std::vector<float>* values : {&gists.keys, &gists.values}) {
    for (size_t at = 0; at < values->size(); at += head) {
      ReplaceByNoise(std::span(*values).subspan(at, head), rng);
    }
  }
  ContextRecord& record = blob->record;
  Representation noise = record.representations.front();
  noise.adapter_fingerprint = Sha256Hex("random blob");
  record.representations = {noise};
  blob->kv = {FromDense(gists)};
  // A context of its own: the document keeps its gists.
  record.document_id = Sha256Hex("random blob" + record.document_id);
  record.context_id = ContextId(record.document_id, record.model_fingerprint);
}

}  // namespace

absl::StatusOr<std::string> Asker::Compress(const std::string& text,
                                            int gists) {
  GIST_ASSIGN_OR_RETURN(const auto result,
                        client_.Compress(text, {.gist_tokens = gists}));
  contexts_[text].insert(result.context().context_id());
  return result.context().context_id();
}

absl::StatusOr<int64_t> Asker::CountTokens(const std::string& text, int gists) {
  GIST_ASSIGN_OR_RETURN(const std::string id, Compress(text, gists));
  GIST_ASSIGN_OR_RETURN(const auto context, client_.GetContext(id));
  return context.document_tokens();
}

absl::Status Asker::Forget(const std::string& context) {
  const auto node = contexts_.extract(context);
  if (node.empty()) return absl::OkStatus();
  for (const std::string& id : node.mapped()) {
    GIST_RETURN_IF_ERROR(client_.DeleteContext(id));
  }
  return absl::OkStatus();
}

// The longest part of `text` with at most `tokens` tokens, or nearly: the
// server counts them, and each count says how many bytes to try next.
absl::StatusOr<std::string> Asker::CutContext(std::string_view text, int tokens,
                                              bool from_end) {
  constexpr int kTries = 6;
  size_t fits = 0, exceeds = text.size() + 1,
         next = std::min(text.size(), 4 * size_t(tokens));
  std::string best;
  for (int i = 0; i < kTries && exceeds - fits > 1; ++i) {
    const size_t at = CharacterAt(text, from_end ? text.size() - next : next);
    const auto part = from_end ? text.substr(at) : text.substr(0, at);
    if (part.empty()) break;
    GIST_ASSIGN_OR_RETURN(const auto tried, client_.Compress(part, {}));
    const int64_t found = tried.context().document_tokens();
    std::string id = tried.context().context_id();
    if (id == best) break;  // the same characters as before
    (found <= tokens ? fits : exceeds) = next;
    if (found <= tokens) std::swap(best, id);
    if (!id.empty()) GIST_RETURN_IF_ERROR(client_.DeleteContext(id));
    if (found == tokens) break;
    next = std::clamp(next * size_t(tokens) / size_t(found), fits + 1,
                      exceeds - 1);
  }
  if (!best.empty()) return best;
  return absl::InternalError(fmt::format("no part of {} tokens found", tokens));
}

absl::StatusOr<std::string> Asker::RandomContext(const Record& record,
                                                 int gists) {
  GIST_ASSIGN_OR_RETURN(const std::string own, Compress(record.context, gists));
  std::string bytes;
  GIST_RETURN_IF_ERROR(client_.ExportContext(own, /*without_text=*/true,
                                             [&](std::string_view piece) {
                                               bytes += piece;
                                               return absl::OkStatus();
                                             }));
  GIST_ASSIGN_OR_RETURN(KvBlob blob, DecodeKvBlob(bytes));
  // Of the sample's own, so that a run that goes on draws the same.
  Rng rng(std::stoull(blob.record.document_id.substr(0, 16), nullptr, 16));
  MakeRandom(&blob, rng);
  GIST_ASSIGN_OR_RETURN(bytes, EncodeKvBlob(blob));
  GIST_ASSIGN_OR_RETURN(const auto imported, client_.ImportContext([&] {
    return absl::StatusOr<std::string>(std::exchange(bytes, ""));
  }));
  return imported.context_id();
}

// The document that holds the key stands at a place that changes with the
// sample.
absl::StatusOr<std::vector<std::string>> Asker::JoinedContexts(
    const Ask& ask, size_t documents) {
  std::vector<std::string> ids;
  for (const Record* other : ask.others) {
    if (ids.size() + 1 == documents) break;
    GIST_ASSIGN_OR_RETURN(
        const auto made,
        client_.Compress(WithoutNeedle(*other), {.gist_tokens = ask.gists}));
    ids.push_back(made.context().context_id());
  }
  GIST_ASSIGN_OR_RETURN(std::string own,
                        Compress(ask.record->context, ask.gists));
  const size_t place = ask.record->answer.front() % (ids.size() + 1);
  ids.insert(ids.begin() + std::ptrdiff_t(place), std::move(own));
  return ids;
}

absl::StatusOr<std::vector<std::string>> Asker::ContextsFor(const Ask& ask) {
  const std::string& text = ask.record->context;
  if (ask.source == Source::kJoined2) return JoinedContexts(ask, 2);
  if (ask.source == Source::kJoined4) return JoinedContexts(ask, 4);
  absl::StatusOr<std::string> id = absl::InvalidArgumentError("no such source");
  switch (ask.source) {
    case Source::kNone:
      id = Compress(std::string(EmptyText(*ask.record)), ask.gists);
      break;
    case Source::kOther:
      if (ask.others.empty())
        return absl::InvalidArgumentError("no other sample");
      id = Compress(ask.others.front()->context, ask.gists);
      break;
    case Source::kFirst:
    case Source::kLast:
      id = CutContext(text, ask.gists, ask.source == Source::kLast);
      break;
    case Source::kRandom:
      id = RandomContext(*ask.record, ask.gists);
      break;
    default:
      id = Compress(text, ask.gists);
  }
  if (!id.ok()) return id.status();
  return std::vector<std::string>{*id};
}

absl::StatusOr<Reply> Asker::Answer(const Ask& ask) {
  GIST_ASSIGN_OR_RETURN(const auto ids, ContextsFor(ask));
  const bool cut = ask.source == Source::kFirst || ask.source == Source::kLast;
  const bool full = cut || ask.source == Source::kFull;
  const client::Question question{
      .context_ids = ids,
      .text = ask.record->question,
      .mode = full ? client::Mode::kFull : client::Mode::kGist,
      // A token has a byte or more: the key always fits.
      .max_tokens =
          int(std::max(kMinAnswerTokens, ask.record->answer.size() + 8))};
  Reply reply;
  GIST_ASSIGN_OR_RETURN(const auto result,
                        client_.Ask(question, [&](std::string_view piece) {
                          reply.text += piece;
                          return absl::OkStatus();
                        }));
  if (cut || ask.source == Source::kRandom) {
    GIST_RETURN_IF_ERROR(client_.DeleteContext(ids.front()));
  }
  reply.document_tokens = result.usage().document_tokens();
  reply.ratio = result.usage().compression_ratio();
  reply.first_token_seconds = result.timings().first_token_seconds();
  return reply;
}

}  // namespace gist::bench
