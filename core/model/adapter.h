// Gist embeddings and the LoRA that acts at gist positions only.
// Source: conditional LoRA, CCM (arXiv:2312.03414); LoRA (arXiv:2106.09685).
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/model/architectures/model_config.h"

namespace gist {

// The "gist" object of adapter_config.json.
struct AdapterConfig {
  int gist_tokens = 0;      // for a document, unless asked otherwise
  int gists_per_block = 0;  // rows of gist_embeddings
  int blocks = 1;           // 1: every gist sees the whole document
  int block_overlap_tokens = 0;
  int segment_tokens = 0;         // 0: whole document
  int max_document_tokens = 0;    // trained length
  std::string model_fingerprint;  // SHA-256 of the model file it was trained on
};

// A PEFT-style folder: adapter_config.json (r, lora_alpha, target_modules out
// of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, and "gist")
// and adapter_model.safetensors
// (base_model.model.model.layers.N....lora_A.weight [r, in], lora_B.weight
// [out, r], gist_embeddings [gists_per_block, hidden]).
class Adapter {
 public:
  // kNotFound, kInvalidArgument (config), kDataLoss (tensors, which are
  // finite), each with the file, what was found and what was wanted;
  // kFailedPrecondition: made for another model than `model_fingerprint`.
  static absl::StatusOr<std::unique_ptr<Adapter>> Load(
      const std::string& folder, const ModelConfig& model,
      const std::string& model_fingerprint, const std::string& device);
  ~Adapter();

  const AdapterConfig& config() const { return config_; }
  // Keeps the LoRA as float16, half of the memory, for a packed model alone
  // (core/model/cpu_pass.h).
  void Pack();
  // SHA-256 over what shapes the gists: layout, scale and tensors.
  const std::string& fingerprint() const { return fingerprint_; }

  struct Impl;  // tensors: core/model/tensors.h
  const Impl& impl() const { return *impl_; }

 private:
  Adapter(AdapterConfig config, std::string fingerprint,
          std::unique_ptr<const Impl> impl);
  AdapterConfig config_;
  std::string fingerprint_;
  std::unique_ptr<const Impl> impl_;
};

// LoRA on question and answer alone, in all modes. Stored keys and values stay
// those of the base model. The folder is like Adapter's, without embeddings and
// with "answer" in place of "gist" (in earlier versions "reader").
class AnswerAdapter {
 public:
  // Errors: Adapter::Load's.
  static absl::StatusOr<std::unique_ptr<AnswerAdapter>> Load(
      const std::string& folder, const ModelConfig& model,
      const std::string& model_fingerprint, const std::string& device);
  ~AnswerAdapter();

  void Pack();  // Adapter::Pack
  // SHA-256 over what shapes the answers: scale and tensors.
  const std::string& fingerprint() const { return fingerprint_; }
  const Adapter::Impl& impl() const { return *impl_; }

 private:
  AnswerAdapter(std::string fingerprint,
                std::unique_ptr<const Adapter::Impl> impl);
  std::string fingerprint_;
  std::unique_ptr<const Adapter::Impl> impl_;
};

}  // namespace gist
