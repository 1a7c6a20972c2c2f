#include "server/scheduling/ask_job.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/base/status.h"
#include "core/base/utf8.h"

namespace gist {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// A tenant's, and no adapter's.
std::string OwnerOf(const AskWork& work) { return work.tenant + "/"; }

// Every byte that starts no valid sequence becomes U+FFFD.
std::string Repaired(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t valid = FirstInvalidUtf8(bytes);
    text += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    text += kReplacement;
    bytes.remove_prefix(1);
  }
  return text;
}

}  // namespace

std::string Utf8Stream::Add(std::string_view bytes) {
  rest_ += bytes;
  const size_t whole = CompleteUtf8Prefix(rest_);
  std::string text = Repaired(std::string_view(rest_).substr(0, whole));
  rest_.erase(0, whole);
  return text;
}

std::string Utf8Stream::Finish() {
  return Repaired(std::exchange(rest_, std::string()));
}

AskJob::AskJob(AskWork work, std::shared_ptr<AskOutcome> outcome,
               KvCachePool& cache)
    : work_(std::move(work)), outcome_(std::move(outcome)), cache_(cache) {}

int64_t AskJob::kv_tokens() const {
  int64_t tokens = int64_t(work_.tokens.size()) + work_.max_tokens;
  for (const CompressedKv& kv : work_.kv) tokens += int64_t(kv.MostSlots());
  return tokens;
}

absl::StatusOr<Job::Next> AskJob::Step(Engine& engine, int max_tokens) {
  if (prompt_ == nullptr) {
    outcome_->queue_seconds = SecondsSince(submitted_);
  }
  const Clock::time_point start = Clock::now();
  GIST_RETURN_IF_ERROR(Feed(engine, max_tokens));
  outcome_->prefill_seconds += SecondsSince(start);
  stepped_ = Clock::now();
  return loaded_tokens_ < work_.tokens.size() ? Next::kStep : Next::kDecode;
}

absl::Status AskJob::Start(Engine& engine) {
  if (!Context().empty())
    prompt_ = cache_.TakePrompt(OwnerOf(work_), Context());
  if (prompt_ == nullptr) {
    GIST_ASSIGN_OR_RETURN(prompt_, engine.StartPrompt(work_.sampling));
    return absl::OkStatus();
  }
  loaded_tokens_ = Context().size();
  outcome_->cached_tokens = work_.context_tokens;
  return engine.Rewind(*prompt_,
                       engine.model().prefix_tokens + work_.context_tokens,
                       work_.sampling);
}

absl::Status AskJob::Feed(Engine& engine, int max_tokens) {
  if (prompt_ == nullptr) GIST_RETURN_IF_ERROR(Start(engine));
  for (; loaded_kv_ < work_.kv.size(); ++loaded_kv_) {
    GIST_RETURN_IF_ERROR(engine.LoadKv(*prompt_, work_.kv[loaded_kv_]));
  }
  const size_t adapter_from = AdapterFrom();
  if (loaded_tokens_ == adapter_from) {
    GIST_RETURN_IF_ERROR(engine.UseAnswerAdapter(*prompt_));
  }
  const size_t end =
      loaded_tokens_ < adapter_from ? adapter_from : work_.tokens.size();
  const size_t size = std::min(size_t(max_tokens), end - loaded_tokens_);
  GIST_RETURN_IF_ERROR(engine.Prefill(
      *prompt_, std::span(work_.tokens).subspan(loaded_tokens_, size)));
  loaded_tokens_ += size;
  tokens_read_ += int64_t(size);
  return absl::OkStatus();
}

absl::StatusOr<Job::Next> AskJob::Take(const DecodedToken& token) {
  const Clock::time_point now = Clock::now();
  if (!has_token_) {
    has_token_ = true;
    first_token_ = now;
    // The engine may have left the question's end to the first Decode.
    outcome_->prefill_seconds += SecondsSince(stepped_);
    outcome_->first_token_seconds = SecondsSince(work_.arrival);
  } else if (!token.end_of_turn) {
    outcome_->itl_seconds.push_back(
        std::chrono::duration<float>(now - last_token_).count());
  }
  last_token_ = now;
  if (!token.end_of_turn) {
    ++outcome_->answer_tokens;
    PostText(utf8_.Add(token.bytes));
    if (outcome_->answer_tokens < work_.max_tokens) return Next::kDecode;
  }
  PostText(utf8_.Finish());
  outcome_->stopped = token.end_of_turn;
  outcome_->decode_seconds = SecondsSince(first_token_);
  return Next::kDone;
}

void AskJob::PostText(std::string text) {
  if (!text.empty()) outcome_->text.Post(std::move(text));
}

void AskJob::End(const absl::Status& status) {
  // Kept or freed before the caller hears of the end.
  const bool has_context =
      !Context().empty() && loaded_tokens_ >= Context().size();
  if (has_context && status.ok()) {
    const auto tokens = Context();
    cache_.Put({OwnerOf(work_),
                {tokens.begin(), tokens.end()},
                work_.document_ids,
                work_.begun},
               std::move(prompt_));
  }
  prompt_.reset();
  outcome_->text.Close(status);
}

}  // namespace gist
