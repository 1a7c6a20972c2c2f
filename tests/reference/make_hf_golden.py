"""Tiny random models as Hugging Face folders, and their logits by transformers.

Writes tests/data/hf: a folder for each case below; golden/CASE.safetensors with
`input_ids` [24] and `logits` [24, 300] (eager, float32, of the weights as they
are stored); llama.f32.gguf, the model of llama_f32 as GGUF.

usage, from the root of the repository:
  python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -r tests/reference/requirements.txt
  /tmp/venv/bin/python tests/reference/make_hf_golden.py
"""

import json
import math
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import tiny_model
from gguf_model import LAYER_NAMES, to_interleaved

FOLDER = Path("tests/data/hf")
TOKENS, VOCAB = 24, 300
IDS = [(7 * i * i + 11 * i + 40) % VOCAB for i in range(TOKENS)]
SIZES = dict(vocab_size=VOCAB, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
             bos_token_id=1, eos_token_id=2, pad_token_id=0)


def rope(kind, base=10000.0, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": base, **more}}


LLAMA = dict(rms_norm_eps=1e-5, tie_word_embeddings=True)
LONG = [1.0, 2.5, 6.0]  # of three turned pairs
# name: (class, dtype, seed, settings beside SIZES, shard size)
CASES = {
    "llama_f32": ("Llama", torch.float32, 1, LLAMA | rope("default"), None),
    "llama_bf16": ("Llama", torch.bfloat16, 1, LLAMA | rope("default"), "12KB"),
    "llama3": ("Llama", torch.bfloat16, 2, LLAMA | rope(
        "llama3", 500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=64) | dict(head_dim=8), None),
    "mistral": ("Mistral", torch.bfloat16, 3, dict(sliding_window=7) | rope("default"), None),
    "qwen2": ("Qwen2", torch.bfloat16, 4, rope(
        "yarn", factor=4.0, original_max_position_embeddings=64)
        | dict(tie_word_embeddings=True, use_sliding_window=True, sliding_window=6,
               max_window_layers=1), None),
    "qwen3": ("Qwen3", torch.float16, 5, dict(head_dim=8, tie_word_embeddings=True)
              | rope("linear", factor=4.0), None),
    "gemma3": ("Gemma3", torch.bfloat16, 6, dict(
        head_dim=8, num_hidden_layers=3, query_pre_attn_scalar=20, sliding_window=9,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}), None),
    # Longer than the original context: the long factors hold throughout.
    "phi3": ("Phi3", torch.bfloat16, 7, dict(
        num_attention_heads=2, num_key_value_heads=1, original_max_position_embeddings=16)
        | rope("longrope", partial_rotary_factor=0.75, long_factor=LONG,
               short_factor=[1.0, 1.1, 1.2], original_max_position_embeddings=16), None),
    "smollm3": ("SmolLM3", torch.bfloat16, 8, dict(num_hidden_layers=4) | rope("default", 5000.0),
                None),
}


def classes(name):
    text = "Text" if name == "Gemma3" else ""
    return (getattr(transformers, f"{name}{text}Config"),
            getattr(transformers, f"{name}ForCausalLM"))


@torch.no_grad()
def randomize(net, seed, norms_less_one):
    """Wide enough that attention is far from uniform."""
    random = torch.Generator().manual_seed(seed)
    for name, weight in sorted(net.named_parameters()):
        if "norm" in name:
            values = torch.rand(weight.shape, generator=random) + 0.5 - norms_less_one
        elif weight.dim() == 1:
            values = torch.randn(weight.shape, generator=random) * 0.3
        else:
            gain = 3.0 if "embed" in name or "lm_head" in name else 1.6
            values = torch.randn(weight.shape, generator=random) * gain / math.sqrt(weight.shape[1])
        weight.copy_(values)


def write_tokenizer(folder):
    """The vocabulary of tests/data/tiny as tokenizer.json."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = (tiny_model.SPECIAL + alphabet
              + [m.replace(" ", "") for m in tiny_model.MERGES])
    bpe = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)},
                               merges=[tuple(m.split(" ")) for m in tiny_model.MERGES]))
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(tiny_model.SPECIAL)
    bpe.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "bos_token": "<|im_start|>", "eos_token": "<|im_end|>",
        "unk_token": "<|endoftext|>", "pad_token": "<|im_end|>", "add_bos_token": False,
        "chat_template": tiny_model.CHAT_TEMPLATE,
        "tokenizer_class": "PreTrainedTokenizerFast"}, indent=2) + "\n")


def link_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).symlink_to(f"../llama_f32/{name}")


@torch.no_grad()
def logits_of(net_class, folder):
    net = net_class.from_pretrained(folder, dtype=torch.float32,
                                    attn_implementation="eager").eval()
    return net(torch.tensor([IDS])).logits[0].contiguous()


def write_case(name):
    kind, dtype, seed, settings, shard = CASES[name]
    config_class, net_class = classes(kind)
    folder = FOLDER / name
    net = net_class(config_class(**(SIZES | settings)))
    randomize(net, seed, 1 if kind == "Gemma3" else 0)
    net.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    write_tokenizer(folder) if name == "llama_f32" else link_tokenizer(folder)
    save_file({"input_ids": torch.tensor(IDS, dtype=torch.float32),
               "logits": logits_of(net_class, folder)},
              FOLDER / "golden" / f"{name}.safetensors",
              metadata={"made_by": "tests/reference/make_hf_golden.py"})
    print(name, sorted(p.name for p in folder.iterdir()))
    return net


def gguf_name(name):
    top = {"model.embed_tokens.weight": "token_embd.weight",
           "model.norm.weight": "output_norm.weight"}
    if name in top:
        return top[name]
    _, _, layer, module = name.removesuffix(".weight").split(".", 3)
    part = next(g for g, hf in LAYER_NAMES.items() if hf == module)
    return f"blk.{layer}.{part}.weight"


def write_gguf(net, path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("llama_f32")
    writer.add_context_length(512)
    writer.add_embedding_length(16)
    writer.add_block_count(2)
    writer.add_feed_forward_length(32)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCAB)
    tiny_model.write_tokenizer(writer)
    for name, weight in net.state_dict().items():
        if name == "lm_head.weight":  # tied
            continue
        values = weight.float().numpy()
        if name.endswith("q_proj.weight"):
            values = to_interleaved(values, 4)
        if name.endswith("k_proj.weight"):
            values = to_interleaved(values, 2)
        writer.add_tensor(gguf_name(name), np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "golden").mkdir(parents=True)
    for name in CASES:
        net = write_case(name)
        if name == "llama_f32":
            write_gguf(net, FOLDER / "llama.f32.gguf")
    for path in FOLDER.rglob("*"):
        if not path.is_dir() and not path.is_symlink():
            path.chmod(0o644)


if __name__ == "__main__":
    main()
