#include "core/data/niah_tasks.h"

#include <algorithm>

#include "core/data/template.h"
#include "fmt/format.h"

namespace gist {
namespace {

constexpr double kSameKeyShare = 0.25;  // of facts: about a key told of before

// "passkey-en-07", "passkey-en-held-out-07"
std::string FrameName(std::string_view family, const TaskOptions& options,
                      size_t index) {
  return fmt::format("{}-{}-{}{:02}", family, options.language,
                     options.frames == FrameSet::kHeldOut ? "held-out-" : "",
                     index + 1);
}

template <size_t n>
std::string_view PickQuestion(const std::array<std::string_view, n>& questions,
                              Rng& rng) {
  size_t count = 1;
  while (count < n && !questions[count].empty()) ++count;
  return questions[rng.Below(count)];
}

// A frame about a key.
struct Fact {
  size_t frame = 0;
  std::string key;
};

class FactDrawer {
 public:
  FactDrawer(const TaskOptions& options, Rng& rng)
      : options_(options),
        frames_(KeyedFrames(options.language, options.frames)),
        rng_(rng) {}

  // One that no earlier fact has told about.
  Fact Next() {
    while (true) {
      const bool again = !told_.empty() && rng_.Uniform() < kSameKeyShare;
      Fact fact{rng_.Below(frames_.size()),
                again ? told_[rng_.Below(told_.size())].key : FreshKey()};
      if (IsTold(fact)) continue;
      told_.push_back(fact);
      return fact;
    }
  }

  // The same thing as an earlier fact told, of a key that none told about.
  Fact OfAnotherKey() {
    return {told_[rng_.Below(told_.size())].frame, FreshKey()};
  }

 private:
  std::string FreshKey() {
    while (true) {
      std::string key = RandomKey(options_.language, options_.split, rng_);
      const auto has_key = [&](const Fact& fact) { return fact.key == key; };
      if (std::none_of(told_.begin(), told_.end(), has_key)) return key;
    }
  }

  bool IsTold(const Fact& fact) const {
    return std::any_of(told_.begin(), told_.end(), [&](const Fact& told) {
      return told.key == fact.key &&
             frames_[told.frame].attribute == frames_[fact.frame].attribute;
    });
  }

  const TaskOptions& options_;
  std::span<const Frame> frames_;
  Rng& rng_;
  std::vector<Fact> told_;
};

Task FactTask(const TaskOptions& options, const Fact& fact, Rng& rng) {
  const Frame& frame =
      KeyedFrames(options.language, options.frames)[fact.frame];
  Task task;
  task.family = "keyed";
  task.frame = FrameName(task.family, options, fact.frame);
  task.answer = RandomValue(frame.kind, options.language, options.split, rng,
                            options.code_parts);
  task.needles = {Fill(frame.needle, {.value = task.answer, .key = fact.key})};
  task.question = Fill(PickQuestion(frame.questions, rng), {.key = fact.key});
  return task;
}

Task AbsentTask(const TaskOptions& options, std::string frame,
                std::string question) {
  return {.family = "absent",
          .frame = std::move(frame),
          .needles = {},
          .question = std::move(question),
          .answer = std::string(NotMentioned(options.language))};
}

Task AbsentPasskey(const TaskOptions& options, Rng& rng) {
  const auto frames = PasskeyFrames(options.language, options.frames);
  const size_t index = rng.Below(frames.size());
  return AbsentTask(options, FrameName("absent-passkey", options, index),
                    std::string(PickQuestion(frames[index].questions, rng)));
}

Task AbsentFact(const TaskOptions& options, const Fact& fact, Rng& rng) {
  const Frame& frame =
      KeyedFrames(options.language, options.frames)[fact.frame];
  return AbsentTask(
      options, FrameName("absent-keyed", options, fact.frame),
      Fill(PickQuestion(frame.questions, rng), {.key = fact.key}));
}

// Three different names of what a kind of overview question is about.
std::array<std::string, 3> DrawOptions(OverviewKind kind,
                                       const TaskOptions& options, Rng& rng) {
  std::array<std::string, 3> drawn;
  for (size_t i = 0; i < drawn.size();) {
    drawn[i] = kind == OverviewKind::kTopic
                   ? RandomTopic(options.language, options.split, rng)
               : kind == OverviewKind::kOrder
                   ? RandomEvent(options.language, options.split, rng)
                   : RandomValue(ValueKind::kName, options.language,
                                 options.split, rng);
    if (std::find(drawn.begin(), drawn.begin() + i, drawn[i]) ==
        drawn.begin() + i) {
      ++i;
    }
  }
  return drawn;
}

// Indices of the frames of `kind`: `first`, then the others shuffled.
std::vector<size_t> FramesOfKind(std::span<const OverviewFrame> frames,
                                 size_t first, Rng& rng) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i != first && frames[i].kind == frames[first].kind)
      indices.push_back(i);
  }
  rng.Shuffle(std::span(indices));
  indices.insert(indices.begin(), first);
  return indices;
}

// In the order of the events, which is that of the text.
std::vector<std::string> OrderNeedles(std::span<const OverviewFrame> frames,
                                      const std::vector<size_t>& indices,
                                      const std::array<std::string, 3>& names) {
  return {Fill(frames[indices[0]].sentences[0], {.key = names[0]}),
          Fill(frames[indices[0]].sentences[1], {.key = names[1]}),
          Fill(frames[indices[1]].sentences[1], {.key = names[2]})};
}

// Three to five sentences about the first name and one about each other.
std::vector<std::string> ThemeNeedles(std::span<const OverviewFrame> frames,
                                      const std::vector<size_t>& indices,
                                      const std::array<std::string, 3>& names,
                                      Rng& rng) {
  std::vector<std::string_view> sentences;
  for (const size_t index : indices) {
    sentences.insert(sentences.end(), frames[index].sentences.begin(),
                     frames[index].sentences.end());
  }
  rng.Shuffle(std::span(sentences).subspan(2));
  const size_t about_first = 3 + rng.Below(3);
  std::vector<std::string> needles;
  for (size_t i = 0; i < about_first + 2; ++i) {
    const size_t name = i < about_first ? 0 : i - about_first + 1;
    needles.push_back(Fill(sentences[i], {.key = names[name]}));
  }
  rng.Shuffle(std::span(needles));
  return needles;
}

}  // namespace

std::string_view NotMentioned(std::string_view language) {
  return language == "ko" ? "언급되지 않았습니다." : "Not mentioned.";
}

Task PasskeyTask(const TaskOptions& options, double mission_share, Rng& rng) {
  const auto frames = PasskeyFrames(options.language, options.frames);
  const bool mission =
      options.frames == FrameSet::kTrain && rng.Uniform() < mission_share;
  const size_t index = mission ? 0 : rng.Below(frames.size());
  const Frame& frame = frames[index];
  Task task;
  task.family = "passkey";
  task.frame = FrameName(task.family, options, index);
  task.answer = RandomValue(frame.kind, options.language, options.split, rng,
                            options.code_parts);
  task.needles = {Fill(frame.needle, {.value = task.answer})};
  task.question = PickQuestion(frame.questions, rng);
  return task;
}

std::vector<Task> KeyedTasks(const TaskOptions& options, size_t facts,
                             Rng& rng) {
  FactDrawer drawer(options, rng);
  std::vector<Task> tasks;
  for (size_t i = 0; i < facts; ++i) {
    tasks.push_back(FactTask(options, drawer.Next(), rng));
  }
  return tasks;
}

std::vector<Task> AbsentTasks(const TaskOptions& options, size_t facts,
                              Rng& rng) {
  FactDrawer drawer(options, rng);
  std::vector<Task> told;
  for (size_t i = 0; i < facts; ++i) {
    told.push_back(FactTask(options, drawer.Next(), rng));
  }
  std::vector<Task> tasks;
  if (facts == 0 && rng.Uniform() < 0.5) {
    tasks.push_back(AbsentPasskey(options, rng));
  } else {
    const bool another_key = facts > 0 && rng.Uniform() < 0.5;
    tasks.push_back(AbsentFact(
        options, another_key ? drawer.OfAnotherKey() : drawer.Next(), rng));
  }
  std::move(told.begin(), told.end(), std::back_inserter(tasks));
  return tasks;
}

Task OverviewTask(const TaskOptions& options, Rng& rng) {
  const auto frames = OverviewFrames(options.language, options.frames);
  const size_t index = rng.Below(frames.size());
  const OverviewKind kind = frames[index].kind;
  std::array<std::string, 3> names = DrawOptions(kind, options, rng);
  const std::vector<size_t> indices = FramesOfKind(frames, index, rng);
  Task task;
  task.family = "overview";
  task.frame = FrameName(task.family, options, index);
  task.needles = kind == OverviewKind::kOrder
                     ? OrderNeedles(frames, indices, names)
                     : ThemeNeedles(frames, indices, names, rng);
  task.answer = names[0];
  rng.Shuffle(std::span<std::string>(names));
  task.question = Fill(PickQuestion(frames[index].questions, rng),
                       {.key = names[0], .other = names[1], .third = names[2]});
  return task;
}

}  // namespace gist
