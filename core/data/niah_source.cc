#include "core/data/niah_source.h"

#include <algorithm>
#include <array>

#include "core/base/status.h"
#include "core/data/template.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

constexpr std::array<std::string_view, 2> kLanguages = {"en", "ko"};
constexpr std::array<std::string_view, 1> kFamilies = {"passkey"};

absl::Status CheckChoices(std::string_view what,
                          std::span<const Weighted> choices,
                          std::span<const std::string_view> known) {
  double sum = 0;
  for (const Weighted& choice : choices) {
    if (std::find(known.begin(), known.end(), choice.name) == known.end()) {
      return absl::InvalidArgumentError(
          fmt::format("{} \"{}\" is not known; there are {}", what, choice.name,
                      fmt::join(known, ", ")));
    }
    if (!(choice.weight >= 0)) {
      return absl::InvalidArgumentError(
          fmt::format("{} \"{}\": weight {}, wanted 0 or more", what,
                      choice.name, choice.weight));
    }
    sum += choice.weight;
  }
  if (sum > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("no {} has a positive weight; there are {}", what,
                  fmt::join(known, ", ")));
}

const std::string& Choose(std::span<const Weighted> choices, Rng& rng) {
  double sum = 0;
  for (const Weighted& choice : choices) sum += choice.weight;
  double left = rng.Uniform(0, sum);
  const Weighted* chosen = nullptr;
  for (const Weighted& choice : choices) {
    if (choice.weight <= 0) continue;
    chosen = &choice;
    if ((left -= choice.weight) < 0) break;
  }
  return chosen->name;
}

std::string_view Question(const Frame& frame, Rng& rng) {
  size_t count = 1;
  while (count < frame.questions.size() && !frame.questions[count].empty())
    ++count;
  return frame.questions[rng.Below(count)];
}

// "passkey-en-07", "passkey-en-held-out-07"
std::string FrameName(std::string_view family, std::string_view language,
                      FrameSet set, size_t index) {
  return fmt::format("{}-{}-{}{:02}", family, language,
                     set == FrameSet::kHeldOut ? "held-out-" : "", index + 1);
}

Task PasskeyTask(std::string_view language, const NiahOptions& options,
                 Rng& rng) {
  const auto frames = PasskeyFrames(language, options.frames);
  const bool mission = options.frames == FrameSet::kTrain &&
                       rng.Uniform() < options.mission_frame_share;
  const size_t index = mission ? 0 : rng.Below(frames.size());
  const Frame& frame = frames[index];
  Task task;
  task.family = "passkey";
  task.frame = FrameName(task.family, language, options.frames, index);
  task.answer = RandomValue(frame.kind, language, options.split, rng);
  task.needles = {Fill(frame.needle, {.value = task.answer})};
  task.question = Fill(Question(frame, rng), {});
  return task;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const NiahSource>> NiahSource::Create(
    NiahOptions options, std::shared_ptr<const FillerPool> filler) {
  GIST_RETURN_IF_ERROR(CheckChoices("language", options.languages, kLanguages));
  GIST_RETURN_IF_ERROR(CheckChoices("family", options.families, kFamilies));
  if (filler == nullptr) filler = FillerPool::Sample();
  for (const Weighted& language : options.languages) {
    if (language.weight == 0 || filler->Has(language.name, options.split))
      continue;
    return absl::InvalidArgumentError(fmt::format(
        "the filler has no text in language \"{}\" for {}; give more of it",
        language.name, Name(options.split)));
  }
  return std::shared_ptr<const NiahSource>(
      new NiahSource(std::move(options), std::move(filler)));
}

TaskSet NiahSource::NextTasks(Rng& rng) const {
  TaskSet set;
  set.language = Choose(options_.languages, rng);
  Choose(options_.families, rng);
  set.tasks.push_back(PasskeyTask(set.language, options_, rng));
  return set;
}

FillerText NiahSource::NamedFiller(const std::string& language, size_t bytes,
                                   Rng& rng) const {
  return filler_->Draw(language, options_.split, bytes, rng);
}

std::vector<std::string> NiahSource::Filler(const std::string& language,
                                            size_t bytes, Rng& rng) const {
  return NamedFiller(language, bytes, rng).sentences;
}

}  // namespace gist
