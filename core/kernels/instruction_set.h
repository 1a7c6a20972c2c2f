// The processor's instructions that the kernels of this folder take.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace gist {

// Ordered: a processor that has one has those before it.
enum class InstructionSet {
  kScalar,  // plain C++; the reference
  kAvx2,    // AVX2, FMA and F16C
  kAvx512,  // AVX-512 F, BW, DQ, VL and VNNI
};

// "scalar", "avx2", "avx512".
std::string_view InstructionSetName(InstructionSet set);
std::optional<InstructionSet> ParseInstructionSet(std::string_view name);

// Those that this processor and build have, kScalar first.
const std::vector<InstructionSet>& InstructionSets();

}  // namespace gist
