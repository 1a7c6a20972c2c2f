"""Tiny random models, one for each architecture and kind of RoPE: made by
`transformers` and written as llama.cpp's converter would write them."""

import hashlib
import json
import math
from dataclasses import dataclass, field

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

from gguf_model import to_interleaved
from gists import PEFT_PREFIX
from tiny_model import write_tokenizer

VOCAB, HIDDEN, MLP, HEADS = 300, 64, 96, 4
QUANTIZED = gguf.GGMLQuantizationType.Q8_0
RANK, ALPHA = 2, 4

NAMES = {  # Hugging Face -> GGUF
    "model.embed_tokens": "token_embd", "model.norm": "output_norm",
    "lm_head": "output", "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "post_attention_layernorm": "ffn_norm",
}
GEMMA_NAMES = NAMES | {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


@dataclass(frozen=True)
class Fixture:
    name: str
    architecture: str  # in GGUF
    kind: str  # of transformers: "Llama" for LlamaConfig, LlamaForCausalLM
    layers: int = 2
    kv_heads: int = 2
    head_dim: int = HIDDEN // HEADS
    context: int = 512
    config: dict = field(default_factory=dict)  # of transformers, more of it
    keys: dict = field(default_factory=dict)  # of GGUF, more of them
    tensors: dict = field(default_factory=dict)  # of GGUF, more of them
    tied: bool = True

    @property
    def is_gemma(self):
        return self.architecture == "gemma3"

    @property
    def is_interleaved(self):
        return self.architecture in ("llama", "smollm3")


def rope(kind="default", theta=10000.0, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta} | more}


def llama3_factors(dims, theta, factor, low, high, context):
    """What frequencies are divided by: 1 for short waves, `factor` for long
    ones, a mean in between."""
    divisors = []
    for i in range(0, dims, 2):
        wave = 2 * math.pi * theta ** (i / dims)
        share = (context / wave - low) / (high - low)  # of the frequency kept
        share = min(1.0, max(0.0, share))
        divisors.append(1 / (share + (1 - share) / factor))
    return divisors


LONG = [1.0, 1.3, 2.5, 6.0]
SHORT = [1.0, 1.1, 1.2, 1.4]

FIXTURES = (
    Fixture("llama3", "llama", "Llama", tied=False,
            config=rope("llama3", factor=8.0, low_freq_factor=1.0,
                        high_freq_factor=4.0,
                        original_max_position_embeddings=64),
            tensors={"rope_freqs.weight":
                     llama3_factors(16, 10000.0, 8.0, 1.0, 4.0, 64)}),
    Fixture("llama_linear", "llama", "Llama",
            config=rope("linear", factor=4.0),
            keys={"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}),
    Fixture("mistral", "llama", "Mistral", config={"sliding_window": 12},
            keys={"attention.sliding_window": 12}),
    Fixture("qwen2", "qwen2", "Qwen2"),
    Fixture("qwen2_yarn", "qwen2", "Qwen2",
            config=rope("yarn", factor=4.0,
                        original_max_position_embeddings=128),
            keys={"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
                  "rope.scaling.original_context_length": 128}),
    Fixture("qwen3", "qwen3", "Qwen3", head_dim=32),
    Fixture("gemma3", "gemma3", "Gemma3", layers=6, kv_heads=1, head_dim=32,
            config={"sliding_window": 12, "query_pre_attn_scalar": 24,
                    "layer_types": ["sliding_attention"] * 5
                    + ["full_attention"],
                    "rope_parameters": {
                        "sliding_attention": {"rope_type": "default",
                                              "rope_theta": 10000.0},
                        "full_attention": {"rope_type": "linear",
                                           "rope_theta": 1000000.0,
                                           "factor": 8.0}}},
            keys={"attention.sliding_window": 12, "rope.freq_base": 1000000.0,
                  "rope.scaling.type": "linear", "rope.scaling.factor": 8.0,
                  "attention.scale": 24**-0.5}),
    Fixture("phi3", "phi3", "Phi3", tied=False,
            config={"sliding_window": 12},
            keys={"attention.sliding_window": 12,
                  "rope.scaling.original_context_length": 512}),
    Fixture("phi3_long", "phi3", "Phi3", tied=False,
            config=rope("longrope", partial_rotary_factor=0.5,
                        long_factor=LONG, short_factor=SHORT,
                        original_max_position_embeddings=8)
            | {"original_max_position_embeddings": 8},
            keys={"attention.sliding_window": 0, "rope.dimension_count": 8,
                  "rope.scaling.original_context_length": 8,
                  "rope.scaling.attn_factor":
                      math.sqrt(1 + math.log(512 / 8) / math.log(8))},
            tensors={"rope_factors_long.weight": LONG,
                     "rope_factors_short.weight": SHORT}),
    Fixture("smollm3", "smollm3", "SmolLM3", layers=4),
)


def make_net(fixture):
    """The model in `transformers`, eager and float32; not yet our weights."""
    config_class = getattr(transformers, fixture.kind + (
        "TextConfig" if fixture.is_gemma else "Config"))
    more = dict(fixture.config)
    if fixture.kind != "Phi3":
        more["head_dim"] = fixture.head_dim
    config = config_class(**(rope() | dict(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=MLP,
        num_hidden_layers=fixture.layers, num_attention_heads=HEADS,
        num_key_value_heads=fixture.kv_heads, rms_norm_eps=1e-5,
        max_position_embeddings=fixture.context, bos_token_id=None,
        eos_token_id=None, pad_token_id=None, attn_implementation="eager",
        tie_word_embeddings=fixture.tied) | more))
    net_class = getattr(transformers, fixture.kind + "ForCausalLM")
    return net_class(config).float().eval()


def random_tensors(fixture, net, seed):
    """Hugging Face name -> float32 array, matrices rounded to Q8_0. Attention
    is far from uniform, and the likeliest token stands clear of the next."""
    rng = np.random.default_rng(seed)
    embedding = 3.0 / (math.sqrt(HIDDEN) if fixture.is_gemma else 1.0)
    tensors = {}
    for name, value in sorted(net.state_dict().items()):
        shape = tuple(value.shape)
        if name == "lm_head.weight" and fixture.tied:
            continue
        if len(shape) == 2:
            gain = {"model.embed_tokens.weight": embedding,
                    "lm_head.weight": 3.0}.get(name, 1.6)
            w = rng.standard_normal(shape) * gain / math.sqrt(shape[1])
            w = gguf.dequantize(gguf.quantize(w.astype(np.float32), QUANTIZED),
                                QUANTIZED)
        elif name.endswith(".bias"):
            w = rng.standard_normal(shape) * 0.5
        else:
            w = rng.uniform(0.5, 1.5, shape) - (1 if fixture.is_gemma else 0)
        tensors[name] = w.astype(np.float32)
    return tensors


def load(net, tensors):
    left = net.load_state_dict(
        {n: torch.tensor(w) for n, w in tensors.items()}, strict=False)
    missing = [n for n in left.missing_keys if n != "lm_head.weight"]
    assert not missing and not left.unexpected_keys, left
    net.tie_weights()


def gguf_name(fixture, name):
    names = GEMMA_NAMES if fixture.is_gemma else NAMES
    stem, kind = name.rsplit(".", 1)
    if stem.startswith("model.layers."):
        _, _, layer, part = stem.split(".", 3)
        return f"blk.{layer}.{names[part]}.{kind}"
    return f"{names[stem]}.{kind}"


def write_gguf(path, fixture, tensors):
    writer = gguf.GGUFWriter(path, fixture.architecture)
    prefix = fixture.architecture + "."
    writer.add_name("Tiny " + fixture.name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(fixture.context)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(fixture.layers)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(fixture.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCAB)
    if fixture.architecture != "phi3":
        writer.add_key_length(fixture.head_dim)
        writer.add_value_length(fixture.head_dim)
    keys = {"rope.freq_base": 10000.0,
            "rope.dimension_count": fixture.head_dim} | fixture.keys
    for key, value in keys.items():
        add = {float: writer.add_float32, int: writer.add_uint32,
               str: writer.add_string}[type(value)]
        add(prefix + key, value)
    write_tokenizer(writer)
    for name, w in tensors.items():
        if fixture.is_interleaved and "q_proj" in name:
            w = to_interleaved(w, HEADS)
        if fixture.is_interleaved and "k_proj" in name:
            w = to_interleaved(w, fixture.kv_heads)
        if fixture.is_gemma and w.ndim == 1:
            w = w + 1
        kind = QUANTIZED if w.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(gguf_name(fixture, name),
                          gguf.quantize(np.ascontiguousarray(w), kind),
                          raw_dtype=kind)
    for name, values in fixture.tensors.items():
        writer.add_tensor(name, np.array(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path.chmod(0o644)


def write_adapter(folder, fixture, layout):
    """A random LoRA on all seven projections; no factor is zero."""
    query = HEADS * fixture.head_dim
    kv = fixture.kv_heads * fixture.head_dim
    modules = {  # inputs, outputs
        "self_attn.q_proj": (HIDDEN, query), "self_attn.k_proj": (HIDDEN, kv),
        "self_attn.v_proj": (HIDDEN, kv), "self_attn.o_proj": (query, HIDDEN),
        "mlp.gate_proj": (HIDDEN, MLP), "mlp.up_proj": (HIDDEN, MLP),
        "mlp.down_proj": (MLP, HIDDEN)}
    random = torch.Generator().manual_seed(7)

    def draw(rows, columns, scale):
        t = torch.randn(rows, columns, generator=random) * scale
        return t.to(torch.bfloat16).contiguous()

    tensors = {"gist_embeddings": draw(layout.slots_per_block, HIDDEN, 0.375)}
    for i in range(fixture.layers):
        for module, (inputs, outputs) in modules.items():
            name = f"{PEFT_PREFIX}{i}.{module}.lora_"
            tensors[name + "A.weight"] = draw(RANK, inputs, inputs**-0.5)
            tensors[name + "B.weight"] = draw(outputs, RANK, 0.3)
    save_file(tensors, folder / "adapter_model.safetensors",
              metadata={"format": "pt"})
    (folder / "adapter_model.safetensors").chmod(0o644)
    model = (folder / "model.gguf").read_bytes()
    (folder / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none",
        "target_modules": [m.split(".")[1] for m in modules],
        "gist": {
            "format_version": 1, "tokens": layout.gists,
            "slots_per_block": layout.slots_per_block,
            "blocks": layout.blocks, "block_overlap_tokens": layout.overlap,
            "lora_scope": "gist", "segment_tokens": layout.segment,
            "max_document_tokens": 256,
            "base_model_sha256": hashlib.sha256(model).hexdigest()}},
        indent=2) + "\n")
