#include "core/retrieval/vector_index.h"

// Where it uses vector instructions, hnswlib also prefetches the link behind
// the last one of a list, which is not the list's to read. Without them its
// distances are plain loops; ours is below.
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/base/checksum.h"
#include "core/base/status.h"

namespace gist {
namespace {

constexpr std::string_view kVectorSeal = "vector index";
constexpr size_t kFirstCapacity = 64;
constexpr size_t kSeed = 100;  // of the nodes' levels
constexpr float kLengthTolerance = 1e-3f;

// 1 - the inner product; `size` points to a size_t. Sums side by side, which
// every processor's vector instructions can add: the same sums on all of them.
float Distance(const void* a, const void* b, const void* size) {
  constexpr size_t kLanes = 16;
  const auto* const x = static_cast<const float*>(a);
  const auto* const y = static_cast<const float*>(b);
  const size_t count = *static_cast<const size_t*>(size);
  typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));
  Lanes sums = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes xs, ys;
    std::memcpy(&xs, x + i, sizeof(xs));
    std::memcpy(&ys, y + i, sizeof(ys));
    sums += xs * ys;
  }
  float sum = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  for (; i < count; ++i) sum += x[i] * y[i];
  return 1 - sum;
}

class Space final : public hnswlib::SpaceInterface<float> {
 public:
  explicit Space(size_t dimensions) : dimensions_(dimensions) {}
  size_t get_data_size() override { return dimensions_ * sizeof(float); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return Distance; }
  void* get_dist_func_param() override { return &dimensions_; }

 private:
  size_t dimensions_;
};

// The room to have when all of `places` are taken.
size_t Grown(size_t places) {
  return places + std::max(kFirstCapacity, places / 4);
}

// A file without a name, since hnswlib reads and writes files alone.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("vector index", MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const {
    return fmt::format("/proc/self/fd/{}", descriptor_);
  }
  absl::Status Write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
      if (written <= 0) {
        return absl::ResourceExhaustedError(fmt::format(
            "vector index: no memory for {} bytes of a file", bytes.size()));
      }
      bytes.remove_prefix(size_t(written));
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Read() const {
    std::string bytes(size_t(lseek(descriptor_, 0, SEEK_END)), '\0');
    const ssize_t read = pread(descriptor_, bytes.data(), bytes.size(), 0);
    if (read == ssize_t(bytes.size())) return bytes;
    return absl::InternalError("vector index: its bytes cannot be read back");
  }

 private:
  const int descriptor_;
};

}  // namespace

struct VectorIndex::Impl {
  explicit Impl(int its_dimensions)
      : dimensions(its_dimensions), space(size_t(its_dimensions)) {}

  const int dimensions;
  Space space;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
  int64_t removed = 0;  // nodes whose vector is zeros

  absl::Status CheckSize(std::span<const float> vector) const {
    if (int(vector.size()) == dimensions) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("vector index: a vector of {} numbers, want {}",
                    vector.size(), dimensions));
  }
  std::span<const float> Data(unsigned node) const {
    return {reinterpret_cast<const float*>(graph->getDataByInternalId(node)),
            size_t(dimensions)};
  }
  // Zeros are no vector of length 1. The library's own marks are not used: they
  // leave the vector where it is, and where all that is near is marked, adding
  // to the graph reads past an empty list (0.6).
  bool IsRemoved(unsigned node) const {
    return std::ranges::all_of(Data(node), [](float x) { return x == 0; });
  }
  absl::StatusOr<unsigned> NodeOf(uint64_t label) const {
    const auto found = graph->label_lookup_.find(label);
    if (found != graph->label_lookup_.end() && !IsRemoved(found->second)) {
      return found->second;
    }
    return absl::NotFoundError(fmt::format("vector index: no label {}", label));
  }
  std::vector<Neighbour> LookAtAll(std::span<const float> vector) const {
    std::vector<Neighbour> all;
    for (const auto& [label, node] : graph->label_lookup_) {
      if (IsRemoved(node)) continue;
      const float distance = graph->fstdistfunc_(
          vector.data(), Data(node).data(), graph->dist_func_param_);
      all.push_back({label, 1 - distance});
    }
    return all;
  }
};

VectorIndex::VectorIndex(int dimensions, VectorIndexOptions options)
    : impl_(std::make_unique<Impl>(dimensions)) {
  impl_->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(
      &impl_->space, kFirstCapacity, size_t(options.links),
      size_t(options.construction_ef), kSeed);
}

VectorIndex::VectorIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VectorIndex::~VectorIndex() = default;
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex& VectorIndex::operator=(VectorIndex&&) noexcept = default;

int VectorIndex::dimensions() const { return impl_->dimensions; }

int64_t VectorIndex::size() const {
  return int64_t(impl_->graph->cur_element_count) - impl_->removed;
}

int64_t VectorIndex::removed() const { return impl_->removed; }

int64_t VectorIndex::memory_bytes(int64_t more) const {
  // Beside the vectors and the lowest layer's links: a lock, a level, a pointer
  // and a mark for each place; for each vector its label and the upper layers'
  // links.
  constexpr size_t kPlaceBytes = 54, kVectorBytes = 56;
  const auto& graph = *impl_->graph;
  const size_t count = graph.cur_element_count + size_t(more);
  size_t places = graph.max_elements_;
  while (places < count) places = Grown(places);
  return int64_t(places * (graph.size_data_per_element_ + kPlaceBytes) +
                 count * kVectorBytes);
}

absl::Status VectorIndex::Add(uint64_t label, std::span<const float> vector) {
  GIST_RETURN_IF_ERROR(impl_->CheckSize(vector));
  double squares = 0;
  for (const float value : vector) squares += double(value) * value;
  // Written so that NaN fails too.
  if (!(std::abs(std::sqrt(squares) - 1) < kLengthTolerance)) {
    return absl::InvalidArgumentError(fmt::format(
        "vector index: a vector of length {}, want 1", std::sqrt(squares)));
  }
  auto& graph = *impl_->graph;
  if (graph.label_lookup_.contains(label)) {
    return absl::InvalidArgumentError(
        fmt::format("vector index: label {} is there already", label));
  }
  return Fence("vector index", [&] {
    if (graph.cur_element_count == graph.max_elements_) {
      graph.resizeIndex(Grown(graph.max_elements_));
    }
    graph.addPoint(vector.data(), label);
    return absl::OkStatus();
  });
}

absl::Status VectorIndex::Remove(uint64_t label) {
  GIST_ASSIGN_OR_RETURN(const unsigned node, impl_->NodeOf(label));
  std::memset(impl_->graph->getDataByInternalId(node), 0,
              size_t(impl_->dimensions) * sizeof(float));
  ++impl_->removed;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> VectorIndex::Vector(uint64_t label) const {
  GIST_ASSIGN_OR_RETURN(const unsigned node, impl_->NodeOf(label));
  const std::span<const float> data = impl_->Data(node);
  return std::vector<float>(data.begin(), data.end());
}

absl::StatusOr<float> VectorIndex::Similarity(
    uint64_t label, std::span<const float> vector) const {
  GIST_RETURN_IF_ERROR(impl_->CheckSize(vector));
  GIST_ASSIGN_OR_RETURN(const unsigned node, impl_->NodeOf(label));
  return std::inner_product(vector.begin(), vector.end(),
                            impl_->Data(node).begin(), 0.0f);
}

absl::StatusOr<std::vector<Neighbour>> VectorIndex::Search(
    std::span<const float> vector, int count, int ef) const {
  GIST_RETURN_IF_ERROR(impl_->CheckSize(vector));
  if (count < 1 || ef < 1) {
    return absl::InvalidArgumentError(fmt::format(
        "vector index: the {} most similar with ef {}, want 1 or more", count,
        ef));
  }
  if (size() == 0) return std::vector<Neighbour>();
  return Fence("vector index", [&]() -> absl::StatusOr<std::vector<Neighbour>> {
    // hnswlib has one ef for all; with as many candidates as results wanted it
    // is max(ef, count) of this search alone.
    const auto wanted =
        std::min(size_t(std::max(count, ef)), impl_->graph->cur_element_count);
    auto found = impl_->graph->searchKnn(vector.data(), wanted);
    std::vector<Neighbour> neighbours;
    for (; !found.empty(); found.pop()) {
      const uint64_t label = found.top().second;
      if (!impl_->NodeOf(label).ok()) continue;  // removed
      neighbours.push_back({label, 1 - found.top().first});
    }
    if (std::ssize(neighbours) < std::min<int64_t>(count, size())) {
      neighbours = impl_->LookAtAll(vector);
    }
    std::ranges::sort(neighbours, [](const Neighbour& a, const Neighbour& b) {
      return std::pair(-a.similarity, a.label) <
             std::pair(-b.similarity, b.label);
    });
    neighbours.resize(std::min(neighbours.size(), size_t(count)));
    return neighbours;
  });
}

absl::StatusOr<std::string> VectorIndex::Serialize() const {
  const MemoryFile file;
  GIST_RETURN_IF_ERROR(Fence("vector index", [&] {
    impl_->graph->saveIndex(file.path());
    return absl::OkStatus();
  }));
  GIST_ASSIGN_OR_RETURN(std::string graph, file.Read());
  const auto dimensions = uint32_t(impl_->dimensions);
  std::string payload(sizeof(dimensions), '\0');
  std::memcpy(payload.data(), &dimensions, sizeof(dimensions));
  return Seal(kVectorSeal, payload + graph);
}

absl::StatusOr<VectorIndex> VectorIndex::Parse(std::string_view bytes) {
  GIST_ASSIGN_OR_RETURN(std::string_view payload, Unseal(kVectorSeal, bytes));
  uint32_t dimensions = 0;
  if (payload.size() < sizeof(dimensions)) {
    return absl::DataLossError("vector index: too short");
  }
  std::memcpy(&dimensions, payload.data(), sizeof(dimensions));
  payload.remove_prefix(sizeof(dimensions));
  const MemoryFile file;
  GIST_RETURN_IF_ERROR(file.Write(payload));
  return Fence("vector index", [&]() -> absl::StatusOr<VectorIndex> {
    auto impl = std::make_unique<Impl>(int(dimensions));
    impl->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(
        &impl->space, file.path());
    auto& graph = *impl->graph;
    // The library's own marks, which are not used here, it adds up without a
    // start value.
    graph.num_deleted_ = 0;
    for (unsigned node = 0; node < graph.cur_element_count; ++node) {
      impl->removed += impl->IsRemoved(node) ? 1 : 0;
    }
    return VectorIndex(std::move(impl));
  });
}

}  // namespace gist
