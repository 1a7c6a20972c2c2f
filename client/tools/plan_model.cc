#include "client/tools/plan_model.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <vector>

#include "core/base/status.h"
#include "core/hf/hf_folder.h"
#include "core/model/architectures/expected_tensors.h"

namespace gist {
namespace {

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kQ4Bytes = 18, kBlockElements = 32;
constexpr int64_t kStripRows = 16;  // of core/kernels/kernels.h

int64_t ElementsOf(const std::vector<int64_t>& dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1},
                         std::multiplies<>());
}

int64_t UpTo(int64_t count, int64_t unit) {
  return (count + unit - 1) / unit * unit;
}

int64_t PackedBlockBytes(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return 18;
    case GgmlType::kQ4_1:
    case GgmlType::kQ4_K:
      return 20;
    default:
      return 34;
  }
}

// The tensors of a model that has been read by its sizes alone.
template <typename Visit>
void EachTensor(const PlanModel& model, Visit visit) {
  for (const ExpectedTensor& tensor : ExpectedTensors(model.config)) {
    if (tensor.is_optional && (model.tied_output || tensor.dims.empty()))
      continue;
    visit(tensor);
  }
}

}  // namespace

int64_t PackedBytes(GgmlType type, const std::vector<int64_t>& dims) {
  if (dims.size() != 2) return ElementsOf(dims) * kFloatBytes;
  return UpTo(dims[1], kStripRows) * UpTo(dims[0], kBlockElements) /
         kBlockElements * PackedBlockBytes(type);
}

int64_t PlanModel::Parameters() const {
  int64_t parameters = 0;
  EachTensor(*this, [&](const ExpectedTensor& tensor) {
    parameters += ElementsOf(tensor.dims);
  });
  return parameters;
}

absl::StatusOr<PlanModel> PlanModel::FromGguf(const Gguf& file,
                                              int64_t file_bytes) {
  PlanModel model;
  GIST_ASSIGN_OR_RETURN(model.config, ModelConfig::FromGguf(file));
  model.tied_output = !file.tensors().contains("output.weight");
  model.mapped_bytes = file_bytes;
  std::map<GgmlType, int64_t> by_type;
  for (const auto& [name, tensor] : file.tensors()) {
    by_type[tensor.type] += int64_t(tensor.data.size());
    model.stored_bytes += int64_t(tensor.data.size());
    model.packed_bytes += PackedBytes(tensor.type, tensor.dims);
  }
  const auto most = std::ranges::max_element(
      by_type, {}, [](const auto& entry) { return entry.second; });
  if (most != by_type.end())
    model.stored_type = GgmlTypeName(uint32_t(most->first));
  return model;
}

absl::StatusOr<PlanModel> PlanModel::FromHuggingFace(std::string_view json) {
  GIST_ASSIGN_OR_RETURN(const HfFolder sizes, SizesOfHfConfig(json));
  PlanModel model;
  GIST_ASSIGN_OR_RETURN(model.config, ModelConfig::FromGguf(sizes.gguf));
  model.tied_output = !sizes.gguf.tensors().contains("output.weight");
  model.stored_type = "Q4_0";
  model.stored_bytes = model.Parameters() * kQ4Bytes / kBlockElements;
  model.mapped_bytes = model.stored_bytes;
  EachTensor(model, [&](const ExpectedTensor& tensor) {
    model.packed_bytes += PackedBytes(GgmlType::kQ4_0, tensor.dims);
  });
  return model;
}

}  // namespace gist
