"""A decoder of any supported architecture in plain PyTorch, from a GGUF file.

One sequence at a time, float32. Heads stand in front: query, key and value are
[heads, rows, head_dim], in Hugging Face's order of a head's dimensions.
"""

import math
from dataclasses import dataclass

import gguf
import numpy as np
import torch
import torch.nn.functional as F

from gguf_model import from_interleaved, read_vocabulary


@dataclass(frozen=True)
class Kind:
    """What differs from layer to layer."""
    frequencies: torch.Tensor  # of the turned pairs
    scale: float  # of turned queries and keys
    window: int  # tokens seen, itself included; 0: all


class File:
    def __init__(self, path):
        self.reader = gguf.GGUFReader(path)
        self.architecture = self.reader.fields[
            "general.architecture"].contents()
        self.tensors = {
            t.name: torch.tensor(gguf.dequantize(
                t.data, t.tensor_type).astype(np.float32))
            for t in self.reader.tensors}

    def value(self, key, default=None):
        field = self.reader.fields.get(f"{self.architecture}.{key}")
        return default if field is None else field.contents()


def plain(base, dims):
    return base ** (-torch.arange(0, dims, 2).float() / dims)


def yarn(frequencies, base, factor, context, fast=32, slow=1):
    """arXiv:2309.00071: pairs of more than `fast` turns over the context keep
    their frequency, those of less than `slow` are interpolated."""
    dims = 2 * len(frequencies)

    def pair(turns):
        return (dims * math.log(context / (turns * 2 * math.pi))
                / (2 * math.log(base)))

    low = max(math.floor(pair(fast)), 0)
    high = min(math.ceil(pair(slow)), dims - 1)
    ramp = ((torch.arange(dims // 2) - low) / max(high - low, 0.001)).clamp(0, 1)
    return frequencies * (1 - ramp) + frequencies / factor * ramp


class Decoder:
    def __init__(self, path):
        file = File(path)
        value = file.value
        self.name = file.architecture
        self.layers = value("block_count")
        self.hidden = value("embedding_length")
        self.heads = value("attention.head_count")
        self.kv_heads = value("attention.head_count_kv")
        self.head_dim = value("attention.key_length",
                              self.hidden // self.heads)
        self.mlp = value("feed_forward_length")
        self.epsilon = value("attention.layer_norm_rms_epsilon")
        self.score_scale = value("attention.scale", self.head_dim**-0.5)
        self.is_gemma = self.name == "gemma3"
        self.weights = self.read_weights(file)
        self.kinds = [self.kind(file, i) for i in range(self.layers)]
        self.vocabulary = read_vocabulary(file.reader)

    def read_weights(self, file):
        """Fused tensors apart, q and k in Hugging Face's row order."""
        weights = {}
        query = self.heads * self.head_dim
        kv = self.kv_heads * self.head_dim
        for name, w in file.tensors.items():
            if name.endswith("attn_qkv.weight"):
                for part, rows in zip("qkv", w.split([query, kv, kv])):
                    weights[name.replace("qkv", part)] = rows
                continue
            if self.name == "phi3" and name.endswith("ffn_up.weight"):
                weights[name.replace("_up", "_gate")], w = w.chunk(2)
            if self.name in ("llama", "smollm3"):
                if name.endswith("attn_q.weight"):
                    w = torch.tensor(from_interleaved(w.numpy(), self.heads))
                if name.endswith("attn_k.weight"):
                    w = torch.tensor(from_interleaved(w.numpy(), self.kv_heads))
            weights[name] = w
        return weights

    def kind(self, file, layer):
        value = file.value
        dims = value("rope.dimension_count", self.head_dim)
        base = value("rope.freq_base")
        window = value("attention.sliding_window", 0)
        if self.is_gemma and layer % 6 == 5:
            window = 0
        if self.is_gemma and window:
            return Kind(plain(10000.0, dims), 1.0, window)
        frequencies = plain(base, dims)
        if self.name == "smollm3" and layer % 4 == 3:
            return Kind(0 * frequencies, 1.0, window)
        scale = value("rope.scaling.attn_factor", 1.0)
        for name in ("rope_freqs.weight", "rope_factors_long.weight"):
            if name in file.tensors:
                frequencies = frequencies / file.tensors[name]
        factor = value("rope.scaling.factor", 1.0)
        if value("rope.scaling.type") == "yarn":
            frequencies = yarn(frequencies, base, factor, value(
                "rope.scaling.original_context_length"))
            scale *= 1 + 0.1 * math.log(factor)
        else:
            frequencies = frequencies / factor
        return Kind(frequencies, scale, window)

    def embed(self, ids):
        x = self.weights["token_embd.weight"][torch.tensor(ids)]
        return x * math.sqrt(self.hidden) if self.is_gemma else x

    def norm(self, x, name):
        weight = self.weights[name + ".weight"]
        return F.rms_norm(x, weight.shape, weight, self.epsilon)

    def logits(self, x):
        output = self.weights.get("output.weight",
                                  self.weights["token_embd.weight"])
        return self.norm(x, "output_norm") @ output.T

    def rotate(self, x, positions, layer):
        """RoPE. x [heads, rows, head_dim]; positions [rows]."""
        kind = self.kinds[layer]
        angles = positions[:, None].float() * kind.frequencies
        cos, sin = angles.cos() * kind.scale, angles.sin() * kind.scale
        n = len(kind.frequencies)
        a, b, rest = x.split([n, n, x.shape[-1] - 2 * n], -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)

    def scores(self, q, k, positions, layer):
        """[heads, rows, rows] before softmax, -inf outside of the window."""
        q = self.rotate(q, positions, layer)
        k = self.rotate(k, positions, layer).repeat_interleave(
            self.heads // self.kv_heads, 0)
        scores = q @ k.transpose(1, 2) * self.score_scale
        window = self.kinds[layer].window
        if window == 0:
            return scores
        distance = positions[:, None] - positions[None, :]
        return scores.masked_fill(distance >= window, -math.inf)

    def layer(self, i, x, attention, delta):
        """One layer. attention(q, k, v), before RoPE, returns [heads, rows,
        head_dim]; delta(i, module, input) is added to a module's output.
        Returns x, and keys before RoPE and values."""
        blk = f"blk.{i}."

        def project(part, module, y):
            out = y @ self.weights[blk + part + ".weight"].T
            bias = self.weights.get(blk + part + ".bias")
            out = out if bias is None else out + bias
            return out + delta(i, module, y)

        def heads(part, module, y):
            out = project(part, module, y).unflatten(-1, (-1, self.head_dim))
            if blk + part + "_norm.weight" in self.weights:
                out = self.norm(out, blk + part + "_norm")
            return out.transpose(0, 1)

        def post(y, name):
            return self.norm(y, blk + name) if self.is_gemma else y

        h = self.norm(x, blk + "attn_norm")
        q = heads("attn_q", "self_attn.q_proj", h)
        k = heads("attn_k", "self_attn.k_proj", h)
        v = heads("attn_v", "self_attn.v_proj", h)
        mixed = attention(q, k, v).transpose(0, 1).flatten(1)
        x = x + post(project("attn_output", "self_attn.o_proj", mixed),
                     "post_attention_norm")
        h = self.norm(x, blk + "ffn_norm")
        gate = project("ffn_gate", "mlp.gate_proj", h)
        gate = F.gelu(gate, approximate="tanh") if self.is_gemma else F.silu(gate)
        mlp = project("ffn_down", "mlp.down_proj",
                      gate * project("ffn_up", "mlp.up_proj", h))
        return x + post(mlp, "post_ffw_norm"), (k, v)

    def mix(self, scores, v):
        group = self.heads // self.kv_heads
        return scores.softmax(-1) @ v.repeat_interleave(group, 0)

    @torch.no_grad()
    def forward(self, ids):
        """Logits [rows, vocab] of a text from position 0."""
        positions = torch.arange(len(ids))
        causal = torch.full((len(ids), len(ids)), -math.inf).triu(1)
        x = self.embed(ids)
        for i in range(self.layers):

            def attention(q, k, v):
                return self.mix(self.scores(q, k, positions, i) + causal, v)

            x, _ = self.layer(i, x, attention, lambda *_: 0.0)
        return self.logits(x)
