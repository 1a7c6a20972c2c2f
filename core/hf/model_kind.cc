#include "core/hf/model_kind.h"

#include <algorithm>
#include <array>

#include "core/base/quoted.h"
#include "core/base/status.h"

namespace gist {
namespace {

// To add a type: a row here, its keys below if they differ, its tensors if
// their names do, and a folder in tests/reference/make_hf_golden.py.
// Source: src/transformers/models/*/configuration_*.py of
// github.com/huggingface/transformers.
constexpr HfKind kKinds[] = {
    {.model_type = "llama",
     .architecture = "llama",
     .rope_types = "linear llama3 yarn"},
    {.model_type = "mistral",
     .architecture = "llama",
     .needs_kv_heads = true,
     .rope_types = "linear llama3 yarn"},
    {.model_type = "qwen2",
     .architecture = "qwen2",
     .needs_kv_heads = true,
     .rope_types = "linear yarn"},
    {.model_type = "qwen3",
     .architecture = "qwen3",
     .needs_head_dim = true,
     .needs_kv_heads = true,
     .rope_types = "linear yarn"},
    {.model_type = "gemma3_text",
     .architecture = "gemma3",
     .rope_base = 1'000'000,
     .tied = true,
     .needs_head_dim = true,
     .needs_kv_heads = true,
     .rope_types = "linear",
     .norms_less_one = true,
     .has_post_norms = true},
    {.model_type = "phi3",
     .architecture = "phi3",
     .rope_types = "longrope su yarn",  // the last two are former names
     .has_partial_rope = true},
    {.model_type = "smollm3",
     .architecture = "smollm3",
     .rope_base = 2'000'000,
     .tied = true,
     .needs_kv_heads = true,
     .rope_types = "linear yarn"},
};

constexpr std::string_view kGemma = "gemma3_text";
constexpr std::string_view kWindowed = "qwen2 qwen3 smollm3 gemma3_text";

constexpr HfKey kKeys[] = {
    // Sizes and numbers.
    {"hidden_size", HfUse::kSize, "embedding_length", "", "", true},
    {"num_hidden_layers", HfUse::kSize, "block_count", "", "", true},
    {"num_attention_heads", HfUse::kSize, "attention.head_count", "", "", true},
    {"num_key_value_heads", HfUse::kSize, "attention.head_count_kv"},
    {"head_dim", HfUse::kSize, "attention.key_length"},
    {"intermediate_size", HfUse::kSize, "feed_forward_length", "", "", true},
    {"max_position_embeddings", HfUse::kSize, "context_length", "", "", true},
    {"vocab_size", HfUse::kSize, "vocab_size", "", "", true},
    {"rms_norm_eps", HfUse::kNumber, "attention.layer_norm_rms_epsilon", "", "",
     true},
    // Read by code.
    {"model_type", HfUse::kElsewhere},
    {"architectures", HfUse::kElsewhere},
    {"eos_token_id", HfUse::kElsewhere},
    {"tie_word_embeddings", HfUse::kElsewhere},
    {"rope_theta", HfUse::kElsewhere},
    {"rope_scaling", HfUse::kElsewhere},
    {"rope_parameters", HfUse::kElsewhere},
    {"partial_rotary_factor", HfUse::kElsewhere},
    {"original_max_position_embeddings", HfUse::kElsewhere, "", "", "phi3"},
    {"rope_local_base_freq", HfUse::kElsewhere, "", "", kGemma},
    {"query_pre_attn_scalar", HfUse::kElsewhere, "", "", kGemma},
    {"sliding_window_pattern", HfUse::kElsewhere, "", "", kGemma},
    {"_sliding_window_pattern", HfUse::kElsewhere, "", "", kGemma},
    {"sliding_window", HfUse::kElsewhere, "", "", "mistral phi3"},
    {"sliding_window", HfUse::kElsewhere, "", "", kWindowed},
    {"layer_types", HfUse::kElsewhere, "", "", kWindowed},
    {"use_sliding_window", HfUse::kElsewhere, "", "", "qwen2 qwen3 smollm3"},
    {"max_window_layers", HfUse::kElsewhere, "", "", "qwen2 qwen3 smollm3"},
    {"no_rope_layers", HfUse::kElsewhere, "", "", "smollm3"},
    {"no_rope_layer_interval", HfUse::kFixed, "", "4", "smollm3"},
    // Features, and the value that is computed.
    {"hidden_act", HfUse::kFixed, "", "\"gelu_pytorch_tanh\"", kGemma},
    {"hidden_act", HfUse::kFixed, "", "\"silu\""},
    {"hidden_activation", HfUse::kFixed, "", "\"gelu_pytorch_tanh\"", kGemma},
    {"attention_bias", HfUse::kIgnored, "", "", "qwen2"},  // it has biases
    {"attention_bias", HfUse::kFixed, "", "false"},
    {"mlp_bias", HfUse::kFixed, "", "false"},
    {"rope_interleaved", HfUse::kFixed, "", "false"},
    {"use_mrope", HfUse::kFixed, "", "false"},
    {"use_bidirectional_attention", HfUse::kFixed, "", "false"},
    {"attn_logit_softcapping", HfUse::kFixed, "", "null"},
    {"final_logit_softcapping", HfUse::kFixed, "", "null"},
    {"quantization_config", HfUse::kFixed, "", "null"},
    {"is_encoder_decoder", HfUse::kFixed, "", "false"},
    {"add_cross_attention", HfUse::kFixed, "", "false"},
    {"pruned_heads", HfUse::kFixed, "", "{}"},
    // Of training, sampling, saving and other programs.
    {"attention_dropout"},
    {"auto_map"},
    {"bad_words_ids"},
    {"begin_suppress_tokens"},
    {"bos_token_id"},
    {"cache_implementation"},
    {"chunk_size_feed_forward"},
    {"cross_attention_hidden_size"},
    {"decoder_start_token_id"},
    {"diversity_penalty"},
    {"do_sample"},
    {"dtype"},
    {"early_stopping"},
    {"embd_pdrop"},
    {"encoder_no_repeat_ngram_size"},
    {"exponential_decay_length_penalty"},
    {"finetuning_task"},
    {"forced_bos_token_id"},
    {"forced_eos_token_id"},
    {"id2label"},
    {"initializer_range"},
    {"is_decoder"},
    {"is_llama_config"},
    {"label2id"},
    {"length_penalty"},
    {"max_length"},
    {"min_length"},
    {"name_or_path"},
    {"no_repeat_ngram_size"},
    {"num_beam_groups"},
    {"num_beams"},
    {"num_return_sequences"},
    {"output_attentions"},
    {"output_hidden_states"},
    {"output_scores"},
    {"pad_token_id"},
    {"prefix"},
    {"pretraining_tp"},
    {"problem_type"},
    {"remove_invalid_values"},
    {"repetition_penalty"},
    {"resid_pdrop"},
    {"return_dict"},
    {"return_dict_in_generate"},
    {"sep_token_id"},
    {"suppress_tokens"},
    {"task_specific_params"},
    {"temperature"},
    {"tf_legacy_loss"},
    {"tie_encoder_decoder"},
    {"tokenizer_class"},
    {"top_k"},
    {"top_p"},
    {"torch_dtype"},
    {"torchscript"},
    {"transformers.js_config"},
    {"transformers_js_config"},
    {"transformers_version"},
    {"trust_remote_code"},
    {"typical_p"},
    {"unsloth_fixed"},
    {"unsloth_version"},
    {"use_bfloat16"},
    {"use_cache"},
};

struct Part {
  std::string_view name, gguf;
  bool is_norm = false;
};
// Behind "model.layers.N." and "blk.N."; weights and biases alike.
constexpr Part kParts[] = {
    {"input_layernorm", "attn_norm", true},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm", true},
    {"self_attn.k_norm", "attn_k_norm", true},
    {"post_attention_layernorm", "ffn_norm", true},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};
constexpr Part kPostNormParts[] = {
    {"post_attention_layernorm", "post_attention_norm", true},
    {"pre_feedforward_layernorm", "ffn_norm", true},
    {"post_feedforward_layernorm", "post_ffw_norm", true},
};
constexpr Part kTopParts[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm", true},
    {"lm_head", "output"},
};

const Part* FindPart(std::span<const Part> parts, std::string_view name) {
  const auto found = std::ranges::find(parts, name, &Part::name);
  return found == parts.end() ? nullptr : &*found;
}

const Part* FindLayerPart(std::string_view name, const HfKind& kind) {
  if (kind.has_post_norms) {
    if (const Part* part = FindPart(kPostNormParts, name)) return part;
  }
  return FindPart(kParts, name);
}

absl::Status UnknownTensor(std::string_view name, const HfKind& kind) {
  return absl::UnimplementedError(fmt::format(
      "tensor {} is not known for {} and may change what the model computes: "
      "use a model without it",
      Quoted(name), kind.model_type));
}

}  // namespace

bool HasWord(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t space = std::min(words.find(' '), words.size());
    if (words.substr(0, space) == word) return true;
    words.remove_prefix(std::min(space + 1, words.size()));
  }
  return false;
}

absl::StatusOr<HfKind> FindHfKind(std::string_view model_type) {
  const auto row = std::ranges::find(kKinds, model_type, &HfKind::model_type);
  if (row != std::end(kKinds)) return *row;
  std::string names;
  for (const HfKind& kind : kKinds)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", kind.model_type);
  return absl::UnimplementedError(
      fmt::format("model_type is {}, supported: {}; other models may be there "
                  "as GGUF files",
                  Quoted(model_type), names));
}

std::span<const HfKey> HfKeys() { return kKeys; }

const HfKey* FindHfKey(std::string_view name, const HfKind& kind) {
  const auto row = std::ranges::find_if(kKeys, [&](const HfKey& key) {
    return key.name == name &&
           (key.types.empty() || HasWord(key.types, kind.model_type));
  });
  return row == std::end(kKeys) ? nullptr : &*row;
}

absl::StatusOr<HfTensorName> GgufNameOf(std::string_view name,
                                        const HfKind& kind) {
  constexpr std::string_view kLayers = "model.layers.";
  if (name.ends_with(".rotary_emb.inv_freq")) return HfTensorName{};
  const size_t dot = name.rfind('.');
  const std::string_view kept = dot == name.npos ? "" : name.substr(dot);
  if (kept != ".weight" && kept != ".bias") return UnknownTensor(name, kind);
  std::string_view stem = name.substr(0, dot);
  if (const Part* top = FindPart(kTopParts, stem))
    return HfTensorName{fmt::format("{}{}", top->gguf, kept), top->is_norm};
  if (!stem.starts_with(kLayers)) return UnknownTensor(name, kind);
  stem.remove_prefix(kLayers.size());
  const size_t digits = std::min(stem.find('.'), stem.size());
  const std::string_view layer = stem.substr(0, digits);
  const bool is_number = !layer.empty() && layer.size() < 6 &&
                         layer.find_first_not_of("0123456789") == layer.npos;
  const Part* const part = digits == stem.size()
                               ? nullptr
                               : FindLayerPart(stem.substr(digits + 1), kind);
  if (!is_number || part == nullptr) return UnknownTensor(name, kind);
  return HfTensorName{fmt::format("blk.{}.{}{}", layer, part->gguf, kept),
                      part->is_norm};
}

}  // namespace gist
