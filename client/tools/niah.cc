#include "client/tools/niah.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "client/terminal/files.h"
#include "client/terminal/terminal.h"
#include "client/terminal/units.h"
#include "client/tools/bring_model.h"
#include "core/base/status.h"
#include "core/data/record_file.h"
#include "core/model/model_file.h"
#include "fmt/format.h"

namespace gist::client {
namespace {

std::string FileName(std::string_view language) {
  return language == "ko" ? "korean_niah.jsonl" : "global_niah.jsonl";
}

NiahOptions SourceOptions(const NiahArguments& arguments,
                          const std::string& language) {
  NiahOptions options;
  options.split = arguments.split == "train" ? Split::kTrain
                  : arguments.split == "dev" ? Split::kDev
                                             : Split::kTest;
  options.frames =
      arguments.frames == "held-out" ? FrameSet::kHeldOut : FrameSet::kTrain;
  options.mission_frame_share = arguments.frames == "mission" ? 1 : 0;
  options.languages = {{language, 1}};
  options.families.clear();
  for (const std::string& family : arguments.families) {
    options.families.push_back({family, 1});
  }
  if (arguments.facts > 0) {
    options.min_facts = options.max_facts = arguments.facts;
  }
  return options;
}

struct Written {
  int64_t tokens = 0;
  int most_tokens = 0;
};

absl::StatusOr<Written> WriteSamples(NiahGenerator generator, int count,
                                     const std::string& path, bool overwrite,
                                     std::stop_token stop) {
  GIST_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path, overwrite));
  ProgressBar bar(fmt::format("writing {}", path), Unit::kSamples);
  Written written;
  for (int i = 0; i < count; ++i) {
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    GIST_ASSIGN_OR_RETURN(const Record record, generator.Next());
    GIST_RETURN_IF_ERROR(file.Write(ToJsonLine(record)));
    written.tokens += record.tokens;
    written.most_tokens = std::max(written.most_tokens, record.tokens);
    bar.Update(i + 1, count);
  }
  GIST_RETURN_IF_ERROR(file.Commit());
  return written;
}

bool WantsMoreDebian(const NiahArguments& arguments) {
  const auto& filler = arguments.filler;
  return std::ranges::count(filler, "debian") > 0 &&
         !MissingDebianFillers().empty();
}

absl::StatusOr<std::shared_ptr<const FillerPool>> LoadFiller(
    const NiahArguments& arguments, std::stop_token stop) {
  if (arguments.filler.empty()) return FillerPool::Sample();
  ProgressBar bar("reading filler text", Unit::kBytes);
  return FillerPool::Load(arguments.filler, [&](int64_t done, int64_t total) {
    bar.Update(done, total);
    return !stop.stop_requested();
  });
}

using Sources = std::vector<std::shared_ptr<const NiahSource>>;

// One for each language, before any file is begun.
absl::StatusOr<Sources> MakeSources(
    const NiahArguments& arguments,
    const std::shared_ptr<const FillerPool>& filler) {
  Sources sources;
  for (const std::string& language : arguments.languages) {
    auto source =
        NiahSource::Create(SourceOptions(arguments, language), filler);
    if (!source.ok() && WantsMoreDebian(arguments)) {
      return absl::NotFoundError(fmt::format("{}: {}", Message(source.status()),
                                             InstallDebianFillers()));
    }
    GIST_RETURN_IF_ERROR(source.status());
    sources.push_back(*std::move(source));
  }
  return sources;
}

absl::Status MakeFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return Local(absl::FailedPreconditionError(
      fmt::format("cannot make the folder {}: {}", folder, error.message())));
}

// A percentage as a share.
absl::StatusOr<double> ParsePercent(std::string_view text) {
  double percent = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error == std::errc() && end == text.data() + text.size()) {
    return percent / 100;
  }
  return absl::InvalidArgumentError(fmt::format(
      "depth \"{}\"; wanted is a percentage, a range such as 20-80, or fifths",
      text));
}

}  // namespace

absl::StatusOr<std::vector<DepthRange>> ParseDepths(
    const std::vector<std::string>& texts) {
  std::vector<DepthRange> depths;
  for (const std::string& text : texts) {
    if (text == "fifths") {
      for (int i = 0; i < 5; ++i) depths.push_back({i * 0.2, (i + 1) * 0.2});
      continue;
    }
    const std::string_view low =
        std::string_view(text).substr(0, text.find('-'));
    const bool range = low.size() < text.size();
    GIST_ASSIGN_OR_RETURN(const double from, ParsePercent(low));
    GIST_ASSIGN_OR_RETURN(
        const double to,
        ParsePercent(range ? std::string_view(text).substr(low.size() + 1)
                           : low));
    depths.push_back({from, to});
  }
  return depths;
}

absl::Status RunNiah(const NiahArguments& arguments, std::stop_token stop) {
  GIST_ASSIGN_OR_RETURN(const std::string model, BringModel(arguments.model));
  GIST_ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(model));
  const CountTokens count_tokens =
      [&](std::string_view text) -> absl::StatusOr<int> {
    GIST_ASSIGN_OR_RETURN(const auto ids, tokenizer->Encode(text));
    return int(ids.size());
  };
  GIST_ASSIGN_OR_RETURN(const auto filler, LoadFiller(arguments, stop));
  GIST_ASSIGN_OR_RETURN(const Sources sources, MakeSources(arguments, filler));
  if (WantsMoreDebian(arguments)) {
    PrintNote("more text: " + InstallDebianFillers());
  }
  GIST_RETURN_IF_ERROR(MakeFolder(arguments.out));
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string& language = arguments.languages[i];
    NiahFileOptions file = arguments.file;
    file.series = language;
    GIST_ASSIGN_OR_RETURN(
        NiahGenerator generator,
        NiahGenerator::Create(sources[i], file, count_tokens));
    const std::string path =
        fmt::format("{}/{}", arguments.out, FileName(language));
    GIST_ASSIGN_OR_RETURN(const Written written,
                          WriteSamples(std::move(generator), arguments.count,
                                       path, arguments.overwrite, stop));
    PrintNote(fmt::format("{}: {} samples of {} tokens on average, {} at most",
                          path, FormatCount(arguments.count),
                          FormatCount(written.tokens / arguments.count),
                          FormatCount(written.most_tokens)));
  }
  return absl::OkStatus();
}

}  // namespace gist::client
