#include "core/data/niah_source.h"

#include <algorithm>
#include <array>

#include "core/base/status.h"
#include "core/data/niah_tasks.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

constexpr std::array<std::string_view, 2> kLanguages = {"en", "ko"};
constexpr std::array<std::string_view, 4> kFamilies = {"passkey", "keyed",
                                                       "absent", "overview"};
constexpr int kMostFacts = 64;
// Facts of a document beside the one that is not mentioned.
constexpr int kMostFactsBesideAbsent = 4;

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

size_t Between(int least, int most, Rng& rng) {
  return size_t(least) + rng.Below(size_t(most - least + 1));
}

absl::Status CheckFacts(const NiahOptions& options) {
  if (options.min_facts >= 1 && options.max_facts >= options.min_facts &&
      options.max_facts <= kMostFacts) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("facts {} to {} a document; wanted is a range within 1 to {}",
                  options.min_facts, options.max_facts, kMostFacts));
}

absl::Status CheckCodeParts(const NiahOptions& options) {
  for (const std::string& part : options.code_parts) {
    if (part.empty() || part.size() > kCodeLetterCount ||
        part.find_first_not_of(kCodeLetters) != part.npos) {
      return absl::InvalidArgumentError(
          fmt::format("code part \"{}\": want one to {} of {}", part,
                      kCodeLetterCount, kCodeLetters));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const NiahSource>> NiahSource::Create(
    NiahOptions options, std::shared_ptr<const FillerPool> filler) {
  GIST_RETURN_IF_ERROR(CheckChoices("language", options.languages, kLanguages));
  GIST_RETURN_IF_ERROR(CheckChoices("family", options.families, kFamilies));
  GIST_RETURN_IF_ERROR(CheckFacts(options));
  GIST_RETURN_IF_ERROR(CheckCodeParts(options));
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
  const TaskOptions options{Choose(options_.languages, rng), options_.split,
                            options_.frames, options_.code_parts};
  TaskSet set{options.language, {}};
  const std::string& family = Choose(options_.families, rng);
  if (family == "keyed") {
    set.tasks = KeyedTasks(
        options, Between(options_.min_facts, options_.max_facts, rng), rng);
  } else if (family == "absent") {
    const int most = std::min(options_.max_facts, kMostFactsBesideAbsent);
    set.tasks = AbsentTasks(options, Between(0, most, rng), rng);
  } else if (family == "overview") {
    set.tasks = {OverviewTask(options, rng)};
  } else {
    set.tasks = {PasskeyTask(options, options_.mission_frame_share, rng)};
  }
  return set;
}

bool NiahSource::Asks(std::string_view family) const {
  return std::any_of(options_.families.begin(), options_.families.end(),
                     [&](const Weighted& asked) {
                       return asked.name == family && asked.weight > 0;
                     });
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
