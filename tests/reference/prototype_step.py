"""One step of gist training as the first experiments made it, for comparison.

Context KV is kept in half before RoPE; each step puts a document's segments one
after another, turns them to float32, rotates all keys again and repeats the
prefix for each document; questions are padded to one length.
"""

import math
import time

import torch
import torch.nn.functional as F

PROJECTIONS = {"q": "self_attn.q_proj", "k": "self_attn.k_proj",
               "v": "self_attn.v_proj", "o": "self_attn.o_proj"}
RANK, SCALE = 16, 2.0


class Prototype:
    """`model`: llama.Llama. All sizes in tokens."""

    def __init__(self, model, prefix, segment, gists, blocks, overlap, seed=1):
        torch.manual_seed(seed)
        self.model, self.prefix_tokens = model, len(prefix)
        self.segment, self.gists = segment, gists
        self.blocks, self.overlap = blocks, overlap
        self.layers = [self.layer_weights(i)
                       for i in range(model.config.layers)]
        self.lora = [{name: self.lora_pair(layer[name])
                      for name in PROJECTIONS} for layer in self.layers]
        vectors = torch.randint(model.config.vocab, (gists // blocks,))
        self.embeddings = model.embed(vectors.tolist()).clone()
        self.embeddings.requires_grad_()
        self.parameters = [t for layer in self.lora
                           for pair in layer.values() for t in pair]
        self.optimizer = torch.optim.AdamW(
            [{"params": self.parameters, "lr": 1e-3},
             {"params": [self.embeddings], "lr": 3e-3}],
            betas=(0.9, 0.98), weight_decay=0.0)
        with torch.no_grad():
            positions = torch.arange(self.prefix_tokens)
            kv = self.read(model.embed(prefix)[None], positions, None)
            self.prefix = [(model.rotate(k, positions), v) for k, v in kv]

    def layer_weights(self, i):
        def weight(name):
            return self.model.weights[f"model.layers.{i}.{name}.weight"]

        names = PROJECTIONS | {"attention_norm": "input_layernorm",
                               "mlp_norm": "post_attention_layernorm",
                               "down": "mlp.down_proj"}
        layer = {short: weight(name) for short, name in names.items()}
        layer["gate_up"] = torch.cat([weight("mlp.gate_proj"),
                                      weight("mlp.up_proj")])
        return layer

    def lora_pair(self, weight):
        outputs, inputs = weight.shape
        down = torch.randn(inputs, RANK) / math.sqrt(inputs)
        return down.requires_grad_(), torch.zeros(RANK, outputs).requires_grad_()

    def delta(self, layer, name, x):
        down, up = self.lora[layer][name]
        return (x @ down) @ up * SCALE

    def norm(self, x, weight):
        return F.rms_norm(x, (x.shape[-1],), weight, self.model.config.rms_eps)

    def heads(self, x, count):
        """[batch, rows, heads * dim] -> [batch, heads, rows, dim]"""
        return x.unflatten(-1, (count, -1)).transpose(1, 2)

    def mlp(self, x, layer):
        gate, up = (self.norm(x, layer["mlp_norm"]) @ layer["gate_up"].T
                    ).chunk(2, -1)
        return x + (F.silu(gate) * up) @ layer["down"].T

    def read(self, x, positions, past, kv_only=True):
        """Frozen layers over [batch, rows, hidden]; past: rotated, for each
        layer. Returns keys before RoPE and values, or the hidden rows."""
        config, kept = self.model.config, []
        group = config.heads // config.kv_heads
        for i, layer in enumerate(self.layers):
            h = self.norm(x, layer["attention_norm"])
            q = self.heads(h @ layer["q"].T, config.heads)
            k = self.heads(h @ layer["k"].T, config.kv_heads)
            v = self.heads(h @ layer["v"].T, config.kv_heads)
            kept.append((k, v))
            if kv_only and i + 1 == len(self.layers):
                return kept
            q, k = (self.model.rotate(t, positions) for t in (q, k))
            if past is not None:
                k, v = (torch.cat([p.expand(len(x), -1, -1, -1), t], 2)
                        for p, t in zip(past[i], (k, v)))
            rows, keys = q.shape[2], k.shape[2]
            mask = torch.ones(rows, keys, dtype=torch.bool).tril(keys - rows)
            mixed = F.scaled_dot_product_attention(
                q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1),
                attn_mask=mask).transpose(1, 2).flatten(2)
            x = self.mlp(x + mixed @ layer["o"].T, layer)
        return x

    @torch.no_grad()
    def read_segments(self, ids):
        """ids [n, segment] -> n of [layers, 2, kv_heads, segment, dim], half."""
        positions = torch.arange(self.prefix_tokens,
                                 self.prefix_tokens + ids.shape[1])
        embedded = self.model.weights["model.embed_tokens.weight"][ids]
        kv = self.read(embedded, positions, self.prefix)
        return list(torch.stack([torch.stack(p, 1) for p in kv], 1).half())

    def gist_mask(self, tokens):
        per_block = self.gists // self.blocks
        mask = torch.zeros(self.gists, self.prefix_tokens + tokens + self.gists,
                           dtype=torch.bool)
        mask[:, :self.prefix_tokens] = True
        ends = []
        for g in range(self.gists):
            block = g // per_block
            begin = max(0, tokens * block // self.blocks - self.overlap)
            ends.append(tokens * (block + 1) // self.blocks)
            mask[g, self.prefix_tokens + begin:self.prefix_tokens + ends[-1]] = 1
            own = self.prefix_tokens + tokens
            mask[g, own + block * per_block:own + g + 1] = True
        positions = torch.tensor([self.prefix_tokens + e + g % per_block
                                  for g, e in enumerate(ends)])
        return mask, positions

    def write(self, documents):
        """documents: of [layers, 2, kv_heads, tokens, dim] half, equally long."""
        config, batch = self.model.config, len(documents)
        tokens, group = documents[0].shape[3], config.heads // config.kv_heads
        mask, positions = self.gist_mask(tokens)
        mask = mask.repeat(group, 1)
        text = torch.arange(self.prefix_tokens, self.prefix_tokens + tokens)
        x = self.embeddings.repeat(self.blocks, 1).expand(batch, -1, -1)
        gists = []
        for i, layer in enumerate(self.layers):
            h = self.norm(x, layer["attention_norm"])
            q, k, v = (self.heads(h @ layer[n].T + self.delta(i, n, h), c)
                       for n, c in (("q", config.heads), ("k", config.kv_heads),
                                    ("v", config.kv_heads)))
            gists.append((k, v))
            if i + 1 == len(self.layers):
                return gists
            with torch.no_grad():
                keys = torch.stack([d[i, 0] for d in documents]).float()
                values = torch.stack([d[i, 1] for d in documents]).float()
                keys = self.model.rotate(keys, text)
                keys, values = (
                    torch.cat([p.expand(batch, -1, -1, -1), t], 2)
                    for p, t in zip(self.prefix[i], (keys, values)))
            q = self.model.rotate(q, positions)
            keys = torch.cat([keys, self.model.rotate(k, positions)], 2)
            q = q.reshape(batch, config.kv_heads, group * self.gists, -1)
            mixed = F.scaled_dot_product_attention(
                q, keys, torch.cat([values, v], 2), attn_mask=mask)
            mixed = mixed.reshape(batch, config.heads, self.gists, -1)
            mixed = mixed.transpose(1, 2).flatten(2)
            x = x + mixed @ layer["o"].T + self.delta(i, "o", mixed)
            x = self.mlp(x, layer)

    def loss(self, gists, questions, answers):
        """questions, answers: lists of ids, one pair for each document."""
        pasts = []
        at = torch.arange(self.prefix_tokens, self.prefix_tokens + self.gists)
        for (pk, pv), (k, v) in zip(self.prefix, gists):
            pasts.append((torch.cat([pk.expand(len(k), -1, -1, -1),
                                     self.model.rotate(k, at)], 2),
                          torch.cat([pv.expand(len(v), -1, -1, -1), v], 2)))
        length = max(len(q) + len(a) for q, a in zip(questions, answers))
        ids = torch.full((len(questions), length), 2)
        targets = torch.full((len(questions), length), -100)
        for row, (q, a) in enumerate(zip(questions, answers)):
            ids[row, :len(q) + len(a)] = torch.tensor(q + a)
            targets[row, len(q) - 1:len(q) - 1 + len(a)] = torch.tensor(a)
        begin = self.prefix_tokens + self.gists
        hidden = self.read(self.model.weights["model.embed_tokens.weight"][ids],
                           torch.arange(begin, begin + length), pasts,
                           kv_only=False)
        wanted = targets != -100
        hidden = self.model.norm(hidden[wanted], "model.norm")
        return F.cross_entropy(self.model.logits(hidden), targets[wanted])

    def step(self, pool, fresh_ids, documents, questions, answers):
        """documents: lists of indices into pool, where what is read from
        fresh_ids goes first. Returns processor seconds by phase."""
        marks = [time.process_time()]
        pool[:len(fresh_ids)] = self.read_segments(fresh_ids)
        marks.append(time.process_time())
        gists = self.write([torch.cat([pool[s] for s in d], 3)
                            for d in documents])
        marks.append(time.process_time())
        loss = self.loss(gists, questions, answers)
        marks.append(time.process_time())
        self.optimizer.zero_grad()
        loss.backward()
        marks.append(time.process_time())
        torch.nn.utils.clip_grad_norm_(self.parameters + [self.embeddings], 1.0)
        self.optimizer.step()
        marks.append(time.process_time())
        names = ("prefill", "write", "read", "backward", "optimizer")
        return dict(zip(names, (b - a for a, b in zip(marks, marks[1:]))))
