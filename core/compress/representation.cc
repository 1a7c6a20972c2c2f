#include "core/compress/representation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"

namespace gist {
namespace {

constexpr std::array<std::string_view, 4> kRungNames = {"gist", "restored",
                                                        "selected", "full"};
// In the order of the names.
constexpr std::array<int, 4> kMethodVersions = {1, 1, 1, 1};

}  // namespace

std::string_view RungName(Rung rung) { return kRungNames[size_t(rung)]; }

std::optional<Rung> ParseRung(std::string_view name) {
  const auto found = std::ranges::find(kRungNames, name);
  if (found == kRungNames.end()) return std::nullopt;
  return static_cast<Rung>(found - kRungNames.begin());
}

int MethodVersion(Rung rung) { return kMethodVersions[size_t(rung)]; }

absl::Status CheckMethodVersion(const Representation& representation) {
  const int here = MethodVersion(representation.rung);
  if (representation.method_version == here) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "representation {} was made by version {} of its method, this gistd has "
      "version {}: {}",
      RepresentationKey(representation), representation.method_version, here,
      representation.method_version > here ? "update gistd"
                                           : "compress the document again"));
}

std::string RepresentationKey(const Representation& representation) {
  const Representation& it = representation;
  return fmt::format("{}/{}/{}/{}", RungName(it.rung),
                     it.rung == Rung::kGist ? it.gist_tokens : it.ratio,
                     KvStorageName(it.storage), it.adapter_fingerprint);
}

void SetSizes(const CompressedKv& kv, Representation& representation) {
  representation.kv_slots = kv.MeanSlots();
  representation.kv_bytes = kv.Bytes();
}

std::string RepresentationProblem(const Representation& representation,
                                  const CompressedKv& kv) {
  std::string problem = CompressedKvProblem(kv);
  if (!problem.empty()) return problem;
  const Representation& it = representation;
  if (kv.Bytes() != it.kv_bytes || kv.MeanSlots() != it.kv_slots) {
    return fmt::format(
        "keys and values of {} B in {} slots, want {} B in {} slots as the "
        "record says",
        kv.Bytes(), kv.MeanSlots(), it.kv_bytes, it.kv_slots);
  }
  if (it.rung == Rung::kGist &&
      !(kv.IsUniform() && std::cmp_equal(kv.MostSlots(), it.gist_tokens))) {
    return fmt::format("up to {} slots a head, want {} gists for every head",
                       kv.MostSlots(), it.gist_tokens);
  }
  if (it.rung == Rung::kFull && kv.positions.empty())
    return "no positions, want those of a full representation";
  const bool is_float = kv.storage == KvStorage::kF16 ||
                        kv.storage == KvStorage::kBf16 ||
                        kv.storage == KvStorage::kF32;
  if (kv.storage == it.storage || (is_float && it.storage == KvStorage::kF16))
    return "";
  return fmt::format("numbers in {}, want {} as the record says",
                     KvStorageName(kv.storage), KvStorageName(it.storage));
}

}  // namespace gist
