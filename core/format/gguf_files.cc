#include "core/format/gguf_files.h"

#include <utility>

#include "core/base/identity.h"
#include "core/base/status.h"

namespace gist {
namespace {

using Tensors = std::map<std::string, GgufTensor>;

constexpr int64_t kMostShards = 99'999;  // five digits

// What a file's keys say of the split that it is a part of.
struct Split {
  int64_t number = 0;  // from 0
  int64_t count = 1;
  int64_t tensors = 0;  // of all shards
  bool operator==(const Split&) const = default;
};

std::string Describe(const Split& split) {
  return fmt::format("shard {} of {} with {} tensors in all", split.number + 1,
                     split.count, split.tensors);
}

std::string Ending(int64_t number, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

absl::StatusOr<Split> SplitOf(const Gguf& file) {
  Split split;
  if (!file.Has("split.count")) return split;
  GIST_ASSIGN_OR_RETURN(split.count, file.Int("split.count"));
  if (split.count == 0 || split.count == 1) return Split{};
  GIST_ASSIGN_OR_RETURN(split.number, file.Int("split.no"));
  GIST_ASSIGN_OR_RETURN(split.tensors, file.Int("split.tensors.count"));
  if (split.count < 0 || split.count > kMostShards || split.number < 0 ||
      split.number >= split.count) {
    return absl::DataLossError(
        fmt::format("gguf: split.no is {} and split.count {}, want 0 to {} and "
                    "a number below it",
                    split.number, split.count, kMostShards));
  }
  return split;
}

absl::StatusOr<Gguf> Open(const std::string& path,
                          std::vector<MappedFile>& files) {
  GIST_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  auto file = Gguf::Parse(mapped.bytes());
  if (!file.ok()) return Within(path, file.status());
  files.push_back(std::move(mapped));
  return file;
}

// `path` without the ending that the first shard has.
absl::StatusOr<std::string> StemOf(const std::string& path,
                                   const Split& split) {
  const std::string ending = Ending(split.number, split.count);
  if (!path.ends_with(ending)) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: the file is shard {} of {}, want a name that ends in {:?}, so "
        "that the others are found: give the shards their own names back",
        path, split.number + 1, split.count, ending));
  }
  const std::string stem = path.substr(0, path.size() - ending.size());
  if (split.number == 0) return stem;
  return absl::InvalidArgumentError(fmt::format(
      "{}: the file is shard {} of {}: name the first one, {}{}", path,
      split.number + 1, split.count, stem, Ending(0, split.count)));
}

absl::Status Merge(const std::string& path, const Gguf& file,
                   Tensors& tensors) {
  for (const auto& [name, tensor] : file.tensors()) {
    if (tensors.emplace(name, tensor).second) continue;
    return absl::DataLossError(
        fmt::format("{}: tensor {:?} is in an earlier shard too", path, name));
  }
  return absl::OkStatus();
}

absl::StatusOr<Gguf> OpenShard(const std::string& path, const Split& wanted,
                               std::vector<MappedFile>& files) {
  auto shard = Open(path, files);
  if (!shard.ok()) {
    return Within(
        fmt::format("shard {} of {}", wanted.number + 1, wanted.count),
        shard.status());
  }
  const auto split = SplitOf(*shard);
  if (!split.ok()) return Within(path, split.status());
  if (*split == wanted) return shard;
  return absl::DataLossError(fmt::format(
      "{}: by its keys this is {}, want {}: it belongs to another split", path,
      Describe(*split), Describe(wanted)));
}

absl::StatusOr<GgufFiles> OpenShards(const std::string& path, const Split& of,
                                     const Gguf& first,
                                     std::vector<MappedFile> files) {
  GIST_ASSIGN_OR_RETURN(const std::string stem, StemOf(path, of));
  Tensors tensors = first.tensors();
  for (Split wanted = of; ++wanted.number < of.count;) {
    const std::string next = stem + Ending(wanted.number, of.count);
    GIST_ASSIGN_OR_RETURN(const Gguf shard, OpenShard(next, wanted, files));
    GIST_RETURN_IF_ERROR(Merge(next, shard, tensors));
  }
  if (int64_t(tensors.size()) != of.tensors) {
    return absl::DataLossError(
        fmt::format("{}: the shards hold {} tensors, want {}, as "
                    "split.tensors.count says",
                    path, tensors.size(), of.tensors));
  }
  return GgufFiles{std::move(files),
                   Gguf::FromParts(first.values(), std::move(tensors))};
}

}  // namespace

int64_t GgufFiles::Bytes() const {
  int64_t bytes = 0;
  for (const MappedFile& file : files) bytes += int64_t(file.bytes().size());
  return bytes;
}

std::string GgufFiles::Fingerprint() const {
  std::string sums;
  for (const MappedFile& file : files) sums += Sha256Hex(file.bytes());
  return files.size() == 1 ? sums : Sha256Hex(sums);
}

absl::StatusOr<GgufFiles> OpenGguf(const std::string& path) {
  std::vector<MappedFile> files;
  GIST_ASSIGN_OR_RETURN(Gguf first, Open(path, files));
  const auto split = SplitOf(first);
  if (!split.ok()) return Within(path, split.status());
  if (split->count > 1)
    return OpenShards(path, *split, first, std::move(files));
  return GgufFiles{std::move(files), std::move(first)};
}

}  // namespace gist
