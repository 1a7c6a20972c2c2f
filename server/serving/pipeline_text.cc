// MODE_FULL: the stored texts, read whole.
#include <algorithm>
#include <utility>

#include "core/base/status.h"
#include "core/retrieval/passages.h"
#include "server/serving/ask_plan.h"
#include "server/serving/pipeline.h"
#include "server/support/errors.h"

namespace gist {
namespace {

// What was stored for `record` cannot be used: which, and what to do.
absl::Status Explained(const ContextRecord& record,
                       const absl::Status& status) {
  const char* const next_step =
      absl::IsDataLoss(status) ? "; compress the document again" : "";
  return WithMessage(status, fmt::format("{}: {}{}", record.context_id,
                                         Message(status), next_step));
}

// Leaves out of the middle what exceeds `room`.
void Truncate(int64_t room, std::vector<int32_t>& ids, AskResult& result) {
  if (int64_t(ids.size()) <= room) return;
  result.usage.truncated_tokens = int64_t(ids.size()) - room;
  const auto middle = ids.begin() + (room + 1) / 2;
  ids.erase(middle, middle + result.usage.truncated_tokens);
}

}  // namespace

// Without max_tokens the answer gets what it gets by default, or a quarter.
int64_t Pipeline::TextRoom(const AskInput& input,
                           const AskResult& result) const {
  const int context = engine_.model().max_context_tokens;
  const int answer = input.max_tokens > 0
                         ? input.max_tokens
                         : std::min(kDefaultAnswerTokens, context / 4);
  return std::max(0, context - result.usage.prefix_tokens -
                         result.usage.question_tokens - answer);
}

bool Pipeline::FitsText(const AskResult& result) const {
  return result.usage.document_tokens + result.usage.prefix_tokens +
             result.usage.question_tokens <
         engine_.model().max_context_tokens;
}

absl::Status Pipeline::CheckTextRoom(const AskInput& input,
                                     const AskResult& result) const {
  if (input.truncate || FitsText(result)) return absl::OkStatus();
  return Error(
      Reason::kContextWindowExceeded,
      fmt::format(
          "documents of {} tokens, the question of {} and the prefix of {} "
          "leave no room for an answer in the model's context of {}; ask "
          "with MODE_GIST or MODE_RAG, or with truncate from their beginning "
          "and end",
          result.usage.document_tokens, result.usage.question_tokens,
          result.usage.prefix_tokens, engine_.model().max_context_tokens));
}

absl::Status Pipeline::LoadText(const AskInput& input,
                                AskPlan& material) const {
  AskResult& result = material.result;
  const bool is_counted = std::ranges::all_of(
      material.records,
      [this](const ContextRecord& record) { return IsOfThisModel(record); });
  // What cannot fit is not even read: it may be large.
  if (is_counted) GIST_RETURN_IF_ERROR(CheckTextRoom(input, result));
  const Clock::time_point start = Clock::now();
  GIST_ASSIGN_OR_RETURN(const std::string joined, JoinedText(material));
  result.timings.load_seconds = SecondsSince(start);
  std::vector<int32_t>& ids = material.work.tokens;
  if (is_counted || input.truncate) {
    GIST_ASSIGN_OR_RETURN(ids, engine_.Tokenize(joined));
  } else {
    GIST_ASSIGN_OR_RETURN(
        LimitedTokens tokens,
        TokensUpTo(engine_.model().max_context_tokens, joined));
    ids = std::move(tokens.ids);
  }
  if (!is_counted) {
    result.usage.document_tokens = int64_t(ids.size());
    GIST_RETURN_IF_ERROR(CheckTextRoom(input, result));
  }
  if (!FitsText(result)) Truncate(TextRoom(input, result), ids, result);
  result.usage.prefilled_tokens = int(ids.size());
  material.work.context_tokens = result.usage.prefilled_tokens;
  return absl::OkStatus();
}

absl::StatusOr<std::string> Pipeline::JoinedText(AskPlan& material) const {
  int64_t bytes = 0;
  for (const ContextRecord& record : material.records) {
    bytes += record.document_bytes;
  }
  if (bytes > limits_.max_document_bytes) {
    return Error(Reason::kDocumentTooLarge,
                 fmt::format("the documents have {} bytes, the limit is {}; "
                             "ask about fewer at once",
                             bytes, limits_.max_document_bytes));
  }
  std::string joined;
  for (const ContextRecord& record : material.records) {
    const auto text = store_.GetText(record.document_id);
    if (absl::IsNotFound(text.status())) {
      return Error(Reason::kTextNotKept,
                   fmt::format("{}: the document's text is not kept here; "
                               "store it with `gist add FILE`, or ask with "
                               "MODE_GIST",
                               record.context_id));
    }
    if (!text.ok()) return Explained(record, text.status());
    material.work.document_ids.push_back(record.document_id);
    if (!joined.empty()) joined += kBetweenTexts;
    joined += *text;
  }
  return joined;
}

}  // namespace gist
