"""Gists, twice: as they are served (segments, then one gist pass), and as one
forward under an explicit 4D mask. Neither borrows from the other."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from llama import joined

PEFT_PREFIX = "base_model.model.model.layers."


@dataclass(frozen=True)
class Layout:
    """Who owns which part of a document; sizes in tokens."""
    slots_per_block: int
    blocks: int
    overlap: int
    segment: int  # 0: the document is one causal segment
    fewer: int = 0  # gists that the last block lacks

    @property
    def gists(self):
        return self.slots_per_block * self.blocks - self.fewer

    def block(self, gist):
        return gist // self.slots_per_block

    def span(self, gist, tokens):
        """First and one-past-last document token that a gist sees."""
        first = self.block(gist) * self.slots_per_block
        end = min(first + self.slots_per_block, self.gists)
        begin = max(0, tokens * first // self.gists - self.overlap)
        return begin, tokens * end // self.gists

    def segments(self, tokens):
        """(begin, end) of the pieces that are read in isolation."""
        size = self.segment or tokens
        return [(b, min(b + size, tokens)) for b in range(0, tokens, size)]


class Adapter:
    """A PEFT folder with `gist_embeddings` [slots_per_block, hidden]."""

    def __init__(self, folder):
        config = json.loads((Path(folder) / "adapter_config.json").read_text())
        tensors = load_file(Path(folder) / "adapter_model.safetensors")
        self.tensors = {name: t.float() for name, t in tensors.items()}
        self.scale = config["lora_alpha"] / config["r"]
        gist = config["gist"]
        self.layout = Layout(gist["slots_per_block"], gist["blocks"],
                             gist["block_overlap_tokens"],
                             gist["segment_tokens"])

    def embeddings(self):
        """One row for each gist: every block uses the same slots."""
        rows = self.tensors["gist_embeddings"].repeat(self.layout.blocks, 1)
        return rows[:self.layout.gists]

    def delta(self, layer, module, x):
        """What LoRA adds to a module's output. x [rows, in] -> [rows, out]."""
        name = f"{PEFT_PREFIX}{layer}.{module}.lora_"
        if name + "A.weight" not in self.tensors:
            return 0.0
        down = self.tensors[name + "A.weight"]  # [r, in]
        up = self.tensors[name + "B.weight"]  # [out, r]
        return x @ down.T @ up.T * self.scale


@dataclass(frozen=True)
class Gists:
    """Keys (before RoPE) and values: [layers, kv_heads, gists, head_dim]."""
    keys: torch.Tensor
    values: torch.Tensor

    def per_layer(self):
        return list(zip(self.keys, self.values))

    def half(self):
        """As they come back from storage."""
        return Gists(self.keys.half().float(), self.values.half().float())


class Reader:
    """A model and the KV of the shared prefix in front of every prompt."""

    @torch.no_grad()
    def __init__(self, model, prefix_ids):
        self.model = model
        self.start = len(prefix_ids)
        positions = torch.arange(self.start)
        _, kv = model.forward(model.embed(prefix_ids), positions)
        self.prefix = model.place(kv, positions)

    @torch.no_grad()
    def read_segment(self, ids):
        """Keys before RoPE and values of text right after the prefix."""
        positions = torch.arange(self.start, self.start + len(ids))
        _, kv = self.model.forward(self.model.embed(ids), positions,
                                   self.prefix)
        return kv

    def read_document(self, ids, layout):
        """As read_segment, for a document in isolated segments."""
        return joined(*(self.read_segment(ids[begin:end])
                        for begin, end in layout.segments(len(ids))))

    @torch.no_grad()
    def write_gists(self, document_kv, adapter):
        """The gist pass over a document, its keys now at true positions."""
        layout, model = adapter.layout, self.model
        tokens = document_kv[0][0].shape[1]
        past = joined(self.prefix, model.place(
            document_kv, torch.arange(self.start, self.start + tokens)))
        positions = torch.tensor([
            self.start + layout.span(g, tokens)[1] + g % layout.slots_per_block
            for g in range(layout.gists)])
        _, kv = model.forward(adapter.embeddings(), positions, past,
                              self.gist_rows(layout, tokens), adapter.delta)
        return Gists(*(torch.stack(t) for t in zip(*kv)))

    def gist_rows(self, layout, tokens):
        """What each gist sees: [gists, prefix + document + gists] bool."""
        rows = torch.zeros(layout.gists, self.start + tokens + layout.gists)
        rows[:, :self.start] = 1
        for g in range(layout.gists):
            begin, end = layout.span(g, tokens)
            rows[g, self.start + begin:self.start + end] = 1
            for other in range(g + 1):
                if layout.block(other) == layout.block(g):
                    rows[g, self.start + tokens + other] = 1
        return rows.bool()

    def compress(self, ids, adapter):
        return self.write_gists(self.read_document(ids, adapter.layout),
                                adapter)

    def load(self, *gists):
        """Prefix and gists as a past, and the position after them."""
        parts, position = [self.prefix], self.start
        for g in gists:
            end = position + g.keys.shape[2]
            parts.append(self.model.place(g.per_layer(),
                                          torch.arange(position, end)))
            position = end
        return joined(*parts), position


def mask_4d(prefix, context, gists, tail):
    """Additive mask [1, 1, rows, rows] over the four spans, in this order, for
    one block of gists: 0 where a row may look, -inf where it may not."""
    kinds = ["p"] * prefix + ["c"] * context + ["g"] * gists + ["t"] * tail
    rows = len(kinds)
    mask = torch.full((1, 1, rows, rows), -math.inf)
    for query in range(rows):
        for key in range(query + 1):
            if (kinds[query], kinds[key]) != ("t", "c"):
                mask[0, 0, query, key] = 0.0
    return mask


@torch.no_grad()
def masked_forward(model, adapter, prefix, context, tail):
    """[prefix, context, gists, tail] in one forward under the 4D mask.

    LoRA acts in gist rows only. A gist is written at position P + T + i and
    read at P + i by the tail, which itself sits behind the gists. Returns the
    mask, Gists and the logits of the tail [tail, vocab].
    """
    p, t, n = len(prefix), len(context), adapter.layout.gists
    gist_begin, tail_begin = p + t, p + t + n
    x = torch.cat([model.embed(prefix + context), adapter.embeddings(),
                   model.embed(tail)])
    rows = torch.arange(x.shape[0])
    write, read = rows, torch.where(rows < gist_begin, rows, rows - t)
    in_tail = (rows >= tail_begin)[None, :, None]
    is_gist = ((rows >= gist_begin) & (rows < tail_begin))[:, None]
    mask = mask_4d(p, t, n, len(tail))

    def scores(q, k, positions):
        k = model.rotate(k, positions).repeat_interleave(
            q.shape[0] // k.shape[0], 0)
        return model.rotate(q, positions) @ k.transpose(1, 2)

    def attention(q, k, v):
        s = torch.where(in_tail, scores(q, k, read), scores(q, k, write))
        weights = (s / math.sqrt(q.shape[-1]) + mask[0]).softmax(-1)
        return weights @ v.repeat_interleave(q.shape[0] // v.shape[0], 0)

    def delta(layer, module, y):
        return is_gist * adapter.delta(layer, module, y)

    kv = []
    for i in range(model.config.layers):
        x, (k, v) = model.layer(i, x, attention, delta)
        kv.append((k[:, gist_begin:tail_begin], v[:, gist_begin:tail_begin]))
    hidden = model.norm(x[tail_begin:], "model.norm")
    return mask, Gists(*(torch.stack(t) for t in zip(*kv))), model.logits(hidden)
