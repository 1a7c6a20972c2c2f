#include "core/data/filler.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unordered_set>

#include "core/base/status.h"
#include "core/data/filler_sample.h"
#include "core/data/passages.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gist {
namespace {

namespace fs = std::filesystem;

// A passage ends with the paragraph that makes it this long: about 1,000 tokens
// that read on from one to the next. The sample's end with each paragraph.
constexpr size_t kPassageBytes = 4000;
constexpr std::string_view kDebian = "debian", kSample = "sample";

constexpr std::array<DebianFiller, 5> kDebianFillers = {{
    {"perl-doc", "/usr/share/perl"},
    {"libreoffice-help-en-us", "/usr/share/libreoffice/help/en-US/text"},
    {"libreoffice-help-ko", "/usr/share/libreoffice/help/ko/text"},
    {"fortunes-min", "/usr/share/games/fortunes"},
    {"fortunes", "/usr/share/games/fortunes"},
}};

bool IsInstalled(const DebianFiller& filler) {
  std::error_code ignored;
  return fs::exists(fmt::format("/usr/share/doc/{}", filler.package),
                    ignored) &&
         fs::exists(filler.folder, ignored);
}

bool IsText(const fs::path& path) {
  const std::string extension = path.extension();
  return extension == ".txt" || extension == ".pod" || extension == ".pm" ||
         extension == ".html" ||
         FormatOf(path.string()) == TextFormat::kFortune;
}

struct FillerFile {
  std::string path;
  std::string name;  // of its FillerText
  int64_t bytes = 0;
};

// Those below `folder` that hold text, by path.
absl::StatusOr<std::vector<FillerFile>> TextFiles(const std::string& folder,
                                                  const std::string& name) {
  std::vector<FillerFile> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end;
       !error && at != end; at.increment(error)) {
    if (!at->is_regular_file(error) || !IsText(at->path())) continue;
    files.push_back({at->path(), name, int64_t(at->file_size(error))});
  }
  if (error) {
    return absl::NotFoundError(
        fmt::format("filler {}: {}", folder, error.message()));
  }
  std::ranges::sort(files, {}, &FillerFile::path);
  return files;
}

absl::StatusOr<std::vector<FillerFile>> FilesOf(const std::string& path,
                                                const std::string& name) {
  if (fs::is_directory(path)) return TextFiles(path, name);
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return std::vector<FillerFile>{{path, name, error ? 0 : int64_t(bytes)}};
}

absl::StatusOr<std::vector<FillerFile>> DebianFiles() {
  std::vector<FillerFile> files;
  std::vector<std::string_view> listed;
  for (const DebianFiller& filler : kDebianFillers) {
    if (!IsInstalled(filler) || std::ranges::count(listed, filler.folder) > 0) {
      continue;
    }
    listed.push_back(filler.folder);
    GIST_ASSIGN_OR_RETURN(auto more, FilesOf(std::string(filler.folder),
                                             std::string(filler.package)));
    std::ranges::move(more, std::back_inserter(files));
  }
  if (!listed.empty()) return files;
  return absl::NotFoundError(
      fmt::format("filler \"debian\": none of its packages is installed; run "
                  "{}, or take the filler \"sample\"",
                  InstallDebianFillers()));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file)
    return absl::NotFoundError(fmt::format("filler {}: cannot be read", path));
  return bytes;
}

}  // namespace

class FillerBuilder {
 public:
  FillerBuilder() : filler_(new FillerPool) {}

  // A file's text, in passages of `passage_bytes`.
  void Add(const std::string& name, std::span<const std::string> paragraphs,
           size_t passage_bytes);
  void AddSample();
  std::shared_ptr<const FillerPool> Take() { return std::move(filler_); }
  size_t sentences() const { return seen_.size(); }

 private:
  struct Open {  // a passage being filled
    std::vector<std::string> sentences;
    size_t bytes = 0;
  };

  void Close(const std::string& name, std::string_view language, Open* open);

  std::shared_ptr<FillerPool> filler_;
  std::unordered_set<uint64_t> seen_;  // hashes of sentences
};

void FillerBuilder::Close(const std::string& name, std::string_view language,
                          Open* open) {
  Open passage = std::exchange(*open, {});
  if (passage.sentences.empty()) return;
  const Split split =
      SplitOf(fmt::format("{}", fmt::join(passage.sentences, " ")));
  filler_->passages_[{std::string(language), split}].push_back(
      {name, std::move(passage.sentences)});
}

void FillerBuilder::Add(const std::string& name,
                        std::span<const std::string> paragraphs,
                        size_t passage_bytes) {
  std::map<std::string_view, Open> open;
  for (const std::string& paragraph : paragraphs) {
    const std::string_view language = LanguageOf(paragraph);
    if (language.empty()) continue;
    Open& passage = open[language];
    for (std::string& sentence : Sentences(paragraph, language)) {
      if (!seen_.insert(HashText(sentence)).second) continue;
      passage.bytes += sentence.size();
      passage.sentences.push_back(std::move(sentence));
    }
    if (passage.bytes >= passage_bytes) Close(name, language, &passage);
  }
  for (auto& [language, passage] : open) Close(name, language, &passage);
}

void FillerBuilder::AddSample() {
  for (const std::string_view language : {"en", "ko"}) {
    Add("sample", Paragraphs(SampleFiller(language), TextFormat::kPlain), 0);
  }
}

namespace {

// What one of Load's paths stands for; no files: the sample.
struct FillerSource {
  std::string path;
  std::vector<FillerFile> files;
};

absl::StatusOr<FillerSource> SourceAt(const std::string& path) {
  FillerSource source{path, {}};
  if (path == kSample) return source;
  const std::string name = fs::path(path).filename();
  GIST_ASSIGN_OR_RETURN(source.files,
                        path == kDebian
                            ? DebianFiles()
                            : FilesOf(path, name.empty() ? path : name));
  return source;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const FillerPool>> FillerPool::Load(
    std::span<const std::string> paths, const Progress& progress) {
  std::vector<FillerSource> sources;
  int64_t done = 0, total = 0;
  for (const std::string& path : paths) {
    GIST_ASSIGN_OR_RETURN(FillerSource source, SourceAt(path));
    for (const FillerFile& file : source.files) total += file.bytes;
    sources.push_back(std::move(source));
  }
  FillerBuilder builder;
  for (const FillerSource& source : sources) {
    const size_t before = builder.sentences();
    if (source.path == kSample) builder.AddSample();
    for (const FillerFile& file : source.files) {
      if (progress && !progress(done, total)) {
        return absl::CancelledError("interrupted");
      }
      GIST_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(file.path));
      builder.Add(file.name, Paragraphs(bytes, FormatOf(file.path)),
                  kPassageBytes);
      done += file.bytes;
    }
    if (builder.sentences() > before) continue;
    return absl::InvalidArgumentError(
        fmt::format("filler {}: no new sentence of English or Korean prose in "
                    "it; wanted are .txt, .pod, "
                    ".pm or .html files, or fortunes",
                    source.path));
  }
  return builder.Take();
}

std::shared_ptr<const FillerPool> FillerPool::Sample() {
  FillerBuilder builder;
  builder.AddSample();
  return builder.Take();
}

std::span<const FillerText> FillerPool::Passages(std::string_view language,
                                                 Split split) const {
  const auto found = passages_.find(std::pair(std::string(language), split));
  if (found == passages_.end()) return {};
  return found->second;
}

bool FillerPool::Has(std::string_view language, Split split) const {
  return !Passages(language, split).empty();
}

FillerText FillerPool::Draw(std::string_view language, Split split,
                            size_t bytes, Rng& rng) const {
  const std::span<const FillerText> passages = Passages(language, split);
  size_t passage = rng.Below(passages.size());
  size_t sentence = rng.Below(passages[passage].sentences.size());
  FillerText drawn{passages[passage].name, {}};
  for (size_t held = 0; held < bytes;) {
    drawn.sentences.push_back(passages[passage].sentences[sentence]);
    held += drawn.sentences.back().size() + 1;
    if (++sentence < passages[passage].sentences.size()) continue;
    sentence = 0;
    passage = (passage + 1) % passages.size();
  }
  return drawn;
}

std::span<const DebianFiller> DebianFillers() { return kDebianFillers; }

std::vector<std::string> MissingDebianFillers() {
  std::vector<std::string> missing;
  for (const DebianFiller& filler : kDebianFillers) {
    if (!IsInstalled(filler)) missing.emplace_back(filler.package);
  }
  return missing;
}

std::string InstallDebianFillers() {
  return fmt::format("apt-get install {}",
                     fmt::join(MissingDebianFillers(), " "));
}

}  // namespace gist
