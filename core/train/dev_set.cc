#include "core/train/dev_set.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/base/status.h"
#include "core/model/ops.h"
#include "core/train/passes/answer_pass.h"
#include "core/train/passes/whole_pass.h"

namespace gist {
namespace {

constexpr uint64_t kDevStream = 3;
constexpr int kFreshSegments = 8;  // read in one go
constexpr int kFillers = 32;
constexpr int kExtraTokens =
    4;                     // an answer that goes on too long is wrong anyway
constexpr int kBatch = 8;  // documents that are scored in one call
constexpr int kBatchTokens =
    4096;  // of records, which may have to be read first
constexpr int kRecordSegments = 256;  // of records that are kept

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::string KindOf(const std::string& language, const std::string& family) {
  return family.empty() || family == "passkey" ? language
                                               : language + " " + family;
}

int32_t Likeliest(const std::vector<float>& logits) {
  return int32_t(std::max_element(logits.begin(), logits.end()) -
                 logits.begin());
}

}  // namespace

void DevScore::Add(const DevScore& other) {
  samples += other.samples;
  exact += other.exact;
  characters += other.characters;
}

DevScore ScoreAnswer(std::string_view answer, std::string_view wanted) {
  const std::string_view got = Trimmed(answer);
  size_t right = 0;
  for (size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
    right += got[i] == wanted[i];
  }
  return {1, got == wanted,
          double(right) / double(std::max<size_t>(1, wanted.size()))};
}

GistKv ToGistKv(const WrittenGists& gists, const ModelConfig& config,
                int64_t first_row, int count) {
  GistKv kv{.layers = config.layers,
            .kv_heads = config.kv_heads,
            .gist_tokens = count,
            .head_dim = config.head_dim,
            .keys = {},
            .values = {}};
  kv.keys.resize(kv.Elements());
  kv.values.resize(kv.Elements());
  const size_t layer_size = kv.Elements() / size_t(config.layers);
  for (size_t layer = 0; layer < gists.keys.size(); ++layer) {
    const auto copy = [&](const at::Tensor& rows, std::vector<float>& out) {
      CopyTo(SplitHeads(rows.detach().narrow(0, first_row, count),
                        config.kv_heads),
             out.data() + layer * layer_size);
    };
    copy(gists.keys[layer], kv.keys);
    copy(gists.values[layer], kv.values);
  }
  return kv;
}

absl::Status DevSet::UseTasks(std::shared_ptr<const TaskSource> tasks,
                              int samples) {
  tasks_ = std::move(tasks);
  writer_ = std::make_unique<LessonWriter>(*tasks_, *base_.tokenizer,
                                           layout_.segment_tokens);
  const SegmentPool::Options options{
      .seed = seed_,
      .segment_tokens = layout_.segment_tokens,
      .fresh_segments = kFreshSegments,
      .cached_segments = kFreshSegments * (samples + kFillers),
      .first_fillers = kFillers};
  pool_ = std::make_unique<SegmentPool>(model_, *writer_, options);
  int questions = 0;
  for (int step = 0; questions < samples; ++step) {
    GIST_RETURN_IF_ERROR(pool_->MoveTo(step));
    for (const TrainSample* lesson : pool_->FreshLessons()) {
      if (questions >= samples) break;
      questions += int(lesson->set.tasks.size());
      lessons_.push_back(lesson);
    }
  }
  return absl::OkStatus();
}

absl::Status DevSet::UseRecords(std::vector<Record> records) {
  auto set = RecordSet::Create(model_, *base_.tokenizer, layout_,
                               std::move(records), kRecordSegments);
  if (!set.ok()) return Within("dev records", set.status());
  records_ = *std::move(set);
  return absl::OkStatus();
}

int DevSet::BatchEnd(int begin) const {
  int end = begin, read = 0;
  while (end < documents() && end - begin < kBatch) {
    read += records_ ? records_->tokens(size_t(end)) : 0;
    if (end > begin && read > kBatchTokens) break;
    ++end;
  }
  return end;
}

DevSet::Sample DevSet::SampleAt(int index, int tokens) {
  if (records_) {
    const size_t at = size_t(index);
    records_->MakeRoomFor({&at, 1});
    return {records_->Document(at, layout_.gist_tokens), records_->Tasks(at)};
  }
  Rng rng = DerivedRng(seed_, kDevStream, uint64_t(index));
  const TrainSample& lesson = *lessons_[size_t(index)];
  return {pool_->Assemble(lesson, tokens, layout_.gist_tokens, rng).document,
          lesson.set};
}

absl::StatusOr<DevScores> DevSet::Score(int begin, int end, int tokens,
                                        const Adapter::Impl& adapter) {
  const at::NoGradGuard no_grad;
  std::vector<TrainDocument> documents;
  std::vector<TaskSet> sets;
  for (int i = begin; i < end; ++i) {
    Sample sample = SampleAt(i, tokens);
    documents.push_back(std::move(sample.document));
    sets.push_back(std::move(sample.set));
  }
  const WrittenGists written = WriteGists(model_, layout_, documents, adapter);
  std::vector<int64_t> first_rows;
  std::vector<Task> tasks;
  std::vector<std::string> kinds;
  for (size_t i = 0; i < sets.size(); ++i) {
    for (const Task& task : sets[i].tasks) {
      first_rows.push_back(int64_t(i) * layout_.gist_tokens);
      tasks.push_back(task);
      kinds.push_back(KindOf(sets[i].language, task.family));
    }
  }
  GIST_ASSIGN_OR_RETURN(
      const std::vector<std::string> answers,
      layout_.lora_everywhere
          ? AnswerEverywhere(written, first_rows, tasks, adapter)
          : Answer(written, first_rows, tasks));
  DevScores scores;
  for (size_t i = 0; i < tasks.size(); ++i) {
    scores[kinds[i]].Add(ScoreAnswer(answers[i], tasks[i].answer));
  }
  return scores;
}

// Each token reads question and answer again, from the start.
absl::StatusOr<std::vector<std::string>> DevSet::AnswerEverywhere(
    const WrittenGists& gists, std::span<const int64_t> first_rows,
    std::span<const Task> tasks, const Adapter::Impl& adapter) const {
  std::vector<TrainQuestion> questions;
  std::vector<size_t> limits;
  for (size_t i = 0; i < tasks.size(); ++i) {
    GIST_ASSIGN_OR_RETURN(auto question, base_.chat.Question(tasks[i].question,
                                                             *base_.tokenizer));
    GIST_ASSIGN_OR_RETURN(const auto answer,
                          base_.tokenizer->Encode(tasks[i].answer));
    limits.push_back(answer.size() + kExtraTokens);
    // The last token of an answer is what is asked for; it is not read.
    questions.push_back(
        {std::move(question), {0}, first_rows[i], layout_.gist_tokens});
  }
  std::vector<std::string> answers(tasks.size());
  std::vector<bool> ended(tasks.size(), false);
  while (std::ranges::count(ended, false) > 0) {
    const AnswerRows rows = ReadAnswers(model_, gists, questions, &adapter);
    const at::Tensor next = rows.logits.argmax(-1).cpu();
    int64_t row = -1;
    for (size_t i = 0; i < tasks.size(); ++i) {
      std::vector<int32_t>& answer = questions[i].answer;
      row += int64_t(answer.size());
      if (ended[i]) continue;
      const auto id = int32_t(next[row].item<int64_t>());
      ended[i] = base_.chat.IsEndOfTurn(id) || answer.size() > limits[i];
      if (ended[i]) continue;
      answers[i] += base_.tokenizer->AnswerBytes(id, answers[i].empty());
      answer.back() = id;
      answer.push_back(0);
    }
  }
  return answers;
}

absl::StatusOr<std::vector<std::string>> DevSet::Answer(
    const WrittenGists& gists, std::span<const int64_t> first_rows,
    std::span<const Task> tasks) const {
  std::vector<KvCache> caches;
  std::vector<std::vector<int32_t>> questions;
  std::vector<int> limits;
  for (size_t i = 0; i < tasks.size(); ++i) {
    caches.push_back(base_.transformer->NewCache());
    questions.push_back(base_.chat.prefix());
    GIST_ASSIGN_OR_RETURN(const auto answer,
                          base_.tokenizer->Encode(tasks[i].answer));
    limits.push_back(int(answer.size()) + kExtraTokens);
  }
  const auto forward = [&](LogitRows rows) {
    std::vector<ForwardItem> items;
    for (size_t i = 0; i < tasks.size(); ++i) {
      items.push_back(
          {.cache = &caches[i], .ids = questions[i], .logits = rows});
    }
    return base_.transformer->Forward(items);
  };
  if (!base_.chat.prefix().empty()) {
    GIST_RETURN_IF_ERROR(forward(LogitRows::kNone).status());
  }
  for (size_t i = 0; i < tasks.size(); ++i) {
    GIST_RETURN_IF_ERROR(base_.transformer->LoadGists(
        ToGistKv(gists, model_.config, first_rows[i], layout_.gist_tokens),
        &caches[i]));
    GIST_ASSIGN_OR_RETURN(
        questions[i], base_.chat.Question(tasks[i].question, *base_.tokenizer));
  }
  GIST_ASSIGN_OR_RETURN(auto logits, forward(LogitRows::kLast));
  std::vector<std::string> answers(tasks.size());
  GIST_RETURN_IF_ERROR(Decode(&caches, std::move(logits), limits, &answers));
  return answers;
}

absl::Status DevSet::Decode(std::vector<KvCache>* caches,
                            std::vector<std::vector<float>> logits,
                            std::span<const int> limits,
                            std::vector<std::string>* answers) const {
  std::vector<int> made(limits.size(), 0);
  while (true) {
    std::vector<int32_t> next(limits.size());
    std::vector<ForwardItem> items;
    std::vector<size_t> running;
    for (size_t i = 0; i < limits.size(); ++i) {
      if (logits[i].empty()) continue;
      next[i] = Likeliest(logits[i]);
      logits[i].clear();
      if (base_.chat.IsEndOfTurn(next[i]) || made[i]++ >= limits[i]) continue;
      (*answers)[i] +=
          base_.tokenizer->AnswerBytes(next[i], (*answers)[i].empty());
      items.push_back({.cache = &(*caches)[i],
                       .ids = {&next[i], 1},
                       .logits = LogitRows::kLast});
      running.push_back(i);
    }
    if (items.empty()) return absl::OkStatus();
    GIST_ASSIGN_OR_RETURN(auto rows, base_.transformer->Forward(items));
    for (size_t i = 0; i < running.size(); ++i)
      logits[running[i]] = std::move(rows[i]);
  }
}

}  // namespace gist
