"""Goldens of the architectures: logits and greedy tokens by `transformers`,
gists and gradients by one forward in plain PyTorch under a 4D mask."""

import math
from pathlib import Path

import torch
import torch.nn.functional as F

import fixtures
from decoder import Decoder
from gists import Layout
from golden_tiny import OTHER_TEXT, TEXT, check_close, floats, save
from golden_train import Trained, may_attend, place

LAYOUT = Layout(slots_per_block=2, blocks=3, overlap=4, segment=16)
GREEDY_TOKENS = 64
MIN_MARGIN = 0.002  # in logits: float32 rounding is 1e-4 here
SEEDS = 400
PROMPTS = (  # of the two texts' tokens: begin, end
    (0, 26), (5, 14), (20, 59), (40, 57), (70, 101))
PREFIX, DOCUMENT, QUESTION, ANSWER = (100, 109), (0, 41), (109, 117), (60, 64)


@torch.no_grad()
def greedy(net, ids):
    """The likeliest tokens and the smallest gap to the next best; none when
    the gap is too small."""
    past, step, out, smallest = None, ids, [], math.inf
    for _ in range(GREEDY_TOKENS):
        reply = net(torch.tensor([step]), past_key_values=past, use_cache=True)
        past = reply.past_key_values
        best = reply.logits[0, -1].topk(2)
        smallest = min(smallest, float(best.values[0] - best.values[1]))
        if smallest < MIN_MARGIN:
            return None, smallest
        step = [int(best.indices[0])]
        out += step
    return out, smallest


def choose(fixture, net, prompts):
    """Random weights whose greedy tokens stand clear, and these tokens."""
    for seed in range(1, SEEDS):
        tensors = fixtures.random_tensors(fixture, net, seed)
        fixtures.load(net, tensors)
        tokens, margins = [], []
        for ids in prompts:
            out, margin = greedy(net, ids)
            if out is None:
                break
            tokens.append(out)
            margins.append(margin)
        else:
            print(f"  seed {seed}, smallest margin {min(margins):.4f}, "
                  f"different tokens {len(set(sum(tokens, [])))}")
            return tensors, tokens
    raise ValueError("no seed")


def answer_through_gists(model, trained, prefix, context, tail):
    """One forward over prefix, context, gists and tail. Returns the logits of
    the tail's rows and the gists' keys before RoPE and values, [layers,
    kv_heads, gists, head_dim]."""
    p, t, n = len(prefix), len(context), LAYOUT.gists
    kinds, positions = place(LAYOUT, p, t, len(tail))
    slots = trained.tensors["gist_embeddings"].repeat(LAYOUT.blocks, 1)
    x = torch.cat([model.embed(prefix + context), slots, model.embed(tail)])
    rows = range(len(kinds))
    mask = torch.tensor([[0.0 if may_attend(LAYOUT, kinds, p, t, q, k)
                          else -math.inf for k in rows] for q in rows])
    is_gist = torch.tensor([k == "gist" for k, _ in kinds])[:, None]
    is_tail = torch.tensor([k == "tail" for k, _ in kinds])[:, None]
    keys, values = [], []
    for i in range(model.layers):

        def attention(q, k, v):
            reading, writing, asking = (
                model.scores(q, k, where, i) for where in positions)
            s = torch.where(is_tail, asking,
                            torch.where(is_gist, writing, reading))
            return model.mix(s + mask, v)

        def delta(layer, module, y):
            return is_gist * trained.delta(layer, module, y)

        x, (k, v) = model.layer(i, x, attention, delta)
        keys.append(k[:, p + t:p + t + n].detach())
        values.append(v[:, p + t:p + t + n].detach())
    return (model.logits(x[p + t + n:]), torch.stack(keys),
            torch.stack(values))


def gist_golden(model, folder, ids):
    prefix, context, question, answer = (
        ids[b:e] for b, e in (PREFIX, DOCUMENT, QUESTION, ANSWER))
    trained = Trained(folder)
    logits, keys, values = answer_through_gists(
        model, trained, prefix, context, question + answer[:-1])
    loss = F.cross_entropy(logits[len(question) - 1:], torch.tensor(answer))
    loss.backward()
    golden = {"prefix_ids": floats(prefix), "document_ids": floats(context),
              "question_ids": floats(question), "answer_ids": floats(answer),
              "keys": keys, "values": values, "tail_logits": logits.detach(),
              "loss": loss.detach()[None]}
    for name, tensor in trained.tensors.items():
        golden["gradient." + name] = tensor.grad
    return golden


def write_one(folder, fixture):
    print(fixture.name)
    folder.mkdir(parents=True, exist_ok=True)
    net = fixtures.make_net(fixture)
    # The tokenizer is the same in all files, so any GGUF tells the prompts.
    fixtures.write_gguf(folder / "model.gguf", fixture,
                        fixtures.random_tensors(fixture, net, 1))
    vocabulary = Decoder(folder / "model.gguf").vocabulary
    ids = vocabulary.encode(TEXT + " " + OTHER_TEXT)
    prompts = [ids[b:e] for b, e in PROMPTS]
    tensors, tokens = choose(fixture, net, prompts)
    fixtures.write_gguf(folder / "model.gguf", fixture, tensors)
    fixtures.write_adapter(folder, fixture, LAYOUT)
    model = Decoder(folder / "model.gguf")
    golden = {}
    with torch.no_grad():
        for i, prompt in enumerate(prompts):
            logits = net(torch.tensor([prompt])).logits[0]
            check_close(f"plain PyTorch and transformers, {len(prompt)} tokens",
                        model.forward(prompt), logits, 2e-4)
            golden[f"prompt{i}_ids"] = floats(prompt)
            golden[f"logits{i}"] = logits if i == 0 else logits[-1:]
            golden[f"greedy{i}_ids"] = floats(tokens[i])
    save(folder / "golden.safetensors", **golden,
         **gist_golden(model, folder, ids))


def write(folder):
    for fixture in fixtures.FIXTURES:
        write_one(Path(folder) / fixture.name, fixture)
