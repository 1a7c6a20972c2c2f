#include "core/kernels/instruction_set.h"

namespace gist {
namespace {

std::vector<InstructionSet> Found() {
  std::vector<InstructionSet> sets = {InstructionSet::kScalar};
#ifdef __x86_64__
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("f16c")) {
    return sets;
  }
  sets.push_back(InstructionSet::kAvx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    sets.push_back(InstructionSet::kAvx512);
  }
#endif
  return sets;
}

}  // namespace

std::string_view InstructionSetName(InstructionSet set) {
  switch (set) {
    case InstructionSet::kScalar:
      return "scalar";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
  }
  __builtin_unreachable();
}

std::optional<InstructionSet> ParseInstructionSet(std::string_view name) {
  for (const InstructionSet set :
       {InstructionSet::kScalar, InstructionSet::kAvx2,
        InstructionSet::kAvx512}) {
    if (name == InstructionSetName(set)) return set;
  }
  return std::nullopt;
}

const std::vector<InstructionSet>& InstructionSets() {
  static const std::vector<InstructionSet> sets = Found();
  return sets;
}

}  // namespace gist
