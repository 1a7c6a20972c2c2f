"""A tiny random Llama as GGUF files, and tiny random adapters for it."""

import hashlib
import json
import math
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import pre_tokenizers

from gguf_model import LAYER_NAMES, to_interleaved
from gists import PEFT_PREFIX
from llama import ATTENTION_MODULES, MLP_MODULES, Config

CONFIG = Config(layers=3, hidden=64, heads=4, kv_heads=2, head_dim=16, mlp=128,
                vocab=300, rope_theta=10000.0, rms_eps=1e-5, max_context=512)
TYPES = ("F32", "F16", "Q8_0", "Q4_0", "Q4_1")
ALL_MODULES = ATTENTION_MODULES + MLP_MODULES
UNTIED = "F16"  # the file with an output.weight of its own

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = """
Ġ t|Ġ a|h e|i n|r e|o n|Ġt he|e r|Ġ s|a t|Ġ w|Ġ o|e n|Ġ c|i t|i s|a n|o r|e s|
Ġ b|e d|Ġ f|in g|Ġ p|o u|Ġa n|a l|a r|Ġt o|Ġ m|Ġo f|Ġ in|Ġ d|Ġ h|Ġan d|i c|
l e|a s|o m|Ġt h|s t
""".replace("\n", "").split("|")
# The template of SmolLM2-Instruct, to the letter.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != "
    "'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named "
    "SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}")

MODULE_SIZES = {  # module -> (inputs, outputs)
    "self_attn.q_proj": (CONFIG.hidden, CONFIG.heads * CONFIG.head_dim),
    "self_attn.k_proj": (CONFIG.hidden, CONFIG.kv_heads * CONFIG.head_dim),
    "self_attn.v_proj": (CONFIG.hidden, CONFIG.kv_heads * CONFIG.head_dim),
    "self_attn.o_proj": (CONFIG.heads * CONFIG.head_dim, CONFIG.hidden),
    "mlp.gate_proj": (CONFIG.hidden, CONFIG.mlp),
    "mlp.up_proj": (CONFIG.hidden, CONFIG.mlp),
    "mlp.down_proj": (CONFIG.mlp, CONFIG.hidden),
}


SEED = 21  # greedy tokens stand clear of the next best


def random_weights():
    """GGUF name -> float32 array, q and k still in Hugging Face's order.

    Wide enough that attention is far from uniform and the likeliest token
    stands clear of the next.
    """
    rng = np.random.default_rng(SEED)

    def matrix(rows, columns, gain):
        w = rng.standard_normal((rows, columns)) * gain / math.sqrt(columns)
        return w.astype(np.float32)

    def norm():
        return rng.uniform(0.5, 1.5, CONFIG.hidden).astype(np.float32)

    weights = {"token_embd.weight": matrix(CONFIG.vocab, CONFIG.hidden, 3.0),
               "output_norm.weight": norm(),
               "output.weight": matrix(CONFIG.vocab, CONFIG.hidden, 3.0)}
    for i in range(CONFIG.layers):
        for part, module in LAYER_NAMES.items():
            name = f"blk.{i}.{part}.weight"
            if module.endswith("norm"):
                weights[name] = norm()
            else:
                inputs, outputs = MODULE_SIZES[module]
                weights[name] = matrix(outputs, inputs, 1.6)
    return weights


def write_tokenizer(writer):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = SPECIAL + alphabet + [m.replace(" ", "") for m in MERGES]
    assert len(tokens) == len(set(tokens)) == CONFIG.vocab, len(tokens)
    normal = len(tokens) - len(SPECIAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL)
                           + [gguf.TokenType.NORMAL] * normal)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_hyperparameters(writer, type_name):
    writer.add_name("Tiny Llama")
    writer.add_file_type(gguf.LlamaFileType[
        "ALL_F32" if type_name == "F32" else "MOSTLY_" + type_name])
    writer.add_context_length(CONFIG.max_context)
    writer.add_embedding_length(CONFIG.hidden)
    writer.add_block_count(CONFIG.layers)
    writer.add_feed_forward_length(CONFIG.mlp)
    writer.add_head_count(CONFIG.heads)
    writer.add_head_count_kv(CONFIG.kv_heads)
    writer.add_rope_freq_base(CONFIG.rope_theta)
    writer.add_rope_dimension_count(CONFIG.head_dim)
    writer.add_layer_norm_rms_eps(CONFIG.rms_eps)
    writer.add_vocab_size(CONFIG.vocab)


def write_model(path, type_name):
    """One GGUF file; norms are F32, every matrix is of the given type."""
    writer = gguf.GGUFWriter(path, "llama")
    write_hyperparameters(writer, type_name)
    write_tokenizer(writer)
    matrix_type = gguf.GGMLQuantizationType[type_name]
    for name, w in random_weights().items():
        if name == "output.weight" and type_name != UNTIED:
            continue
        if name.endswith("attn_q.weight"):
            w = to_interleaved(w, CONFIG.heads)
        if name.endswith("attn_k.weight"):
            w = to_interleaved(w, CONFIG.kv_heads)
        kind = matrix_type if w.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quantize(np.ascontiguousarray(w), kind),
                          raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def adapter_tensors(modules, slots, dtype, seed):
    """LoRA of rank 4 on `modules` of every layer; no factor is zero."""
    random = torch.Generator().manual_seed(seed)

    def draw(rows, columns, scale):
        t = torch.randn(rows, columns, generator=random) * scale
        return t.to(dtype).contiguous()

    tensors = {"gist_embeddings": draw(slots, CONFIG.hidden, 0.375)}
    for i in range(CONFIG.layers):
        for module in modules:
            inputs, outputs = MODULE_SIZES[module]
            name = f"{PEFT_PREFIX}{i}.{module}.lora_"
            tensors[name + "A.weight"] = draw(4, inputs, inputs**-0.5)
            tensors[name + "B.weight"] = draw(outputs, 4, 0.3)
    return tensors


def write_adapter(folder, model_path, modules, layout, dtype, seed):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(adapter_tensors(modules, layout.slots_per_block, dtype, seed),
              folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "Tiny Llama",
        "r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none",
        "target_modules": [m.split(".")[1] for m in modules],
        "gist": {
            "format_version": 1, "tokens": layout.gists,
            "slots_per_block": layout.slots_per_block,
            "blocks": layout.blocks,
            "block_overlap_tokens": layout.overlap, "lora_scope": "gist",
            "segment_tokens": layout.segment, "max_document_tokens": 256,
            "base_model_sha256":
                hashlib.sha256(Path(model_path).read_bytes()).hexdigest(),
            "trained": "not at all: random numbers for tests"}}
    (folder / "adapter_config.json").write_text(
        json.dumps(config, indent=2) + "\n")
