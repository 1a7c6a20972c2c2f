"""A Llama in plain PyTorch, small enough to check by eye.

Everything is float32 and without a batch: activations are [rows, hidden],
heads are [heads, rows, head_dim]. Weights carry their Hugging Face names and
RoPE is Hugging Face's (first half of a head against its second half).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

ATTENTION_MODULES = tuple(f"self_attn.{m}_proj" for m in "qkvo")
MLP_MODULES = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


@dataclass(frozen=True)
class Config:
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp: int
    vocab: int
    rope_theta: float
    rms_eps: float
    max_context: int


def no_delta(layer, module, x):
    """The adapter of a model without an adapter."""
    return 0.0


def attend(q, k, v, visible):
    """Softmax attention with grouped keys.

    q [heads, rows, dim]; k, v [kv_heads, keys, dim], both already rotated;
    visible [rows, keys] bool. Returns [heads, rows, dim].
    """
    group = q.shape[0] // k.shape[0]
    return F.scaled_dot_product_attention(
        q,
        k.repeat_interleave(group, 0),
        v.repeat_interleave(group, 0),
        attn_mask=visible,
    )


class Llama:
    """`weights`: float32 tensors under Hugging Face names."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = weights
        exponents = torch.arange(0, config.head_dim, 2).float()
        self.frequencies = config.rope_theta ** (-exponents / config.head_dim)

    def embed(self, ids):
        """ids [rows] -> [rows, hidden]."""
        return self.weights["model.embed_tokens.weight"][torch.tensor(ids)]

    def logits(self, hidden):
        """hidden [rows, hidden] after the last norm -> [rows, vocab]."""
        tied = self.weights["model.embed_tokens.weight"]
        return hidden @ self.weights.get("lm_head.weight", tied).T

    def norm(self, x, name):
        weight = self.weights[name + ".weight"]
        return F.rms_norm(x, weight.shape, weight, self.config.rms_eps)

    def rotate(self, x, positions):
        """RoPE. x [heads, rows, head_dim]; positions [rows]."""
        angles = positions[:, None].float() * self.frequencies
        cos, sin = angles.cos(), angles.sin()
        first, second = x.chunk(2, -1)
        return torch.cat(
            [first * cos - second * sin, second * cos + first * sin], -1)

    def layer(self, i, x, attention, delta=no_delta):
        """One decoder layer.

        attention(q, k, v) takes heads before RoPE and returns
        [heads, rows, head_dim]; delta(i, module, input) is added to the
        module's output. Returns x and (keys before RoPE, values).
        """

        def project(module, y):
            weight = self.weights[f"model.layers.{i}.{module}.weight"]
            return y @ weight.T + delta(i, module, y)

        def split(y):
            return y.unflatten(-1, (-1, self.config.head_dim)).transpose(0, 1)

        h = self.norm(x, f"model.layers.{i}.input_layernorm")
        q, k, v = (split(project(f"self_attn.{m}_proj", h)) for m in "qkv")
        mixed = attention(q, k, v).transpose(0, 1).flatten(1)
        x = x + project("self_attn.o_proj", mixed)
        h = self.norm(x, f"model.layers.{i}.post_attention_layernorm")
        gated = F.silu(project("mlp.gate_proj", h)) * project("mlp.up_proj", h)
        return x + project("mlp.down_proj", gated), (k, v)

    def forward(self, x, positions, past=None, visible=None, delta=no_delta):
        """Rows of one segment behind a KV prefix.

        x [rows, hidden]; positions [rows]; past: for each layer (rotated keys,
        values), [kv_heads, past, head_dim] each; visible [rows, past + rows]
        bool, by default all of the past and causal after it.
        Returns hidden after the last norm and, for each layer, (keys before
        RoPE, values).
        """
        rows = x.shape[0]
        held = past[0][0].shape[1] if past else 0
        if visible is None:
            visible = torch.ones(rows, held + rows).tril(held).bool()
        kv = []
        for i in range(self.config.layers):

            def attention(q, k, v):
                k = self.rotate(k, positions)
                if past:
                    k = torch.cat([past[i][0], k], 1)
                    v = torch.cat([past[i][1], v], 1)
                return attend(self.rotate(q, positions), k, v, visible)

            x, layer_kv = self.layer(i, x, attention, delta)
            kv.append(layer_kv)
        return self.norm(x, "model.norm"), kv

    def place(self, kv, positions):
        """Keys before RoPE, given their positions: fit to be a past."""
        return [(self.rotate(k, positions), v) for k, v in kv]


def joined(*pasts):
    """One KV prefix out of several, for each layer."""
    return [
        tuple(torch.cat(parts, 1) for parts in zip(*layers))
        for layers in zip(*pasts)
    ]


@dataclass(frozen=True)
class Decoded:
    ids: list  # without the stop token
    margin: float  # smallest gap between the best logit and the second best
    first_logits: torch.Tensor  # [vocab], those that chose the first token


@torch.no_grad()
def greedy(model, past, ids, position, limit, stop=None):
    """Reads `ids` from `position` on behind `past`, then the likeliest tokens:
    at most `limit`, or until `stop`."""
    out, gaps, first = [], [], None
    step = ids
    while len(out) < limit:
        positions = torch.arange(position, position + len(step))
        hidden, kv = model.forward(model.embed(step), positions, past)
        kv = model.place(kv, positions)
        past = joined(past, kv) if past else kv
        position += len(step)
        logits = model.logits(hidden[-1])
        first = logits if first is None else first
        best = logits.topk(2)
        gaps.append(float(best.values[0] - best.values[1]))
        token = int(best.indices[0])
        if token == stop:
            break
        out.append(token)
        step = [token]
    return Decoded(out, min(gaps), first)
