"""Goldens of training on the tiny model: logits, gradients, ten losses.

Every question is one forward of [prefix, context, gists, question and answer]
under a 4D mask with PyTorch's autograd, and the optimizer is PyTorch's: nothing
is cached, packed or shared between questions, as it is in core/train.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import gguf_model
from gists import PEFT_PREFIX, Layout

STEPS = 10
RATE, EMBEDDING_RATE = 0.01, 0.03
WARMUP, LAST_RATIO = 3, 0.1
BETAS, EPSILON, DECAY, CLIP = (0.9, 0.98), 1e-8, 0.01, 0.5
SCALE = 8 / 4  # lora_alpha / r of the tiny adapters

FIRST = ("The harbour wakes before the town. Gulls quarrel over the first "
         "nets, and somebody has written KTR408 in chalk on the door.")
SECOND = "A second page: the bread was sold out by nine, and it rained."
DOCUMENTS = (FIRST, SECOND)
QUESTIONS = ((0, "What is on the door?", "KTR408"),
             (0, "Who quarrels?", "Gulls, over the first nets."),
             (1, "Did it rain?", "Yes"))


@dataclass(frozen=True)
class Case:
    name: str
    adapter: str  # folder that it starts from
    layouts: tuple  # of each document
    everywhere: bool = False  # LoRA on all rows but the prefix's
    rate: float = 1.0  # of the learning rates below: steep losses want less


CASES = (
    Case("blocks", "adapter_blocks", (Layout(2, 3, 4, 16), Layout(2, 2, 4, 16))),
    Case("mlp", "adapter_mlp", (Layout(4, 1, 0, 32), Layout(4, 1, 0, 32))),
    Case("everywhere", "adapter_blocks",
         (Layout(2, 3, 4, 16), Layout(2, 2, 4, 16)), everywhere=True, rate=0.2),
)


def place(layout, prefix, context, tail):
    """What each row is, and where it stands in each of three ways of counting:
    while segments are read, while gists are written, while they are read."""
    kinds, reading, writing, asking = [], [], [], []

    def add(kind, in_reading, in_writing, in_asking):
        kinds.append(kind)
        reading.append(in_reading)
        writing.append(in_writing)
        asking.append(in_asking)

    for i in range(prefix):
        add(("prefix", 0), i, i, i)
    for i in range(context):
        segment, into = divmod(i, layout.segment)
        add(("context", segment), prefix + into, prefix + i, 0)
    for i in range(layout.gists):
        end = layout.span(i, context)[1]
        add(("gist", i), 0, prefix + end + i % layout.slots_per_block,
            prefix + i)
    for i in range(tail):
        add(("tail", 0), 0, 0, prefix + layout.gists + i)
    return kinds, [torch.tensor(p) for p in (reading, writing, asking)]


def may_attend(layout, kinds, prefix, context, query, key):
    (kind, which), (other, other_which) = kinds[query], kinds[key]
    if key > query:
        return False
    if other == "prefix":
        return True
    if kind == "context":
        return other == "context" and which == other_which
    if kind == "gist":
        begin, end = layout.span(which, context)
        if other == "context":
            return begin <= key - prefix < end
        return layout.block(which) == layout.block(other_which)
    return other != "context"  # the tail


class Trained:
    """The adapter's tensors as leaves."""

    def __init__(self, folder):
        self.tensors = {
            name: t.float().requires_grad_() for name, t in
            sorted(load_file(folder / "adapter_model.safetensors").items())}

    def delta(self, layer, module, x):
        name = f"{PEFT_PREFIX}{layer}.{module}.lora_"
        if name + "A.weight" not in self.tensors:
            return 0.0
        down = self.tensors[name + "A.weight"]
        return x @ down.T @ self.tensors[name + "B.weight"].T * SCALE


def tail_logits(model, trained, layout, everywhere, prefix, context, tail):
    """One forward over everything. Returns the logits of the tail's rows."""
    p, t, n = len(prefix), len(context), layout.gists
    kinds, positions = place(layout, p, t, len(tail))
    slots = trained.tensors["gist_embeddings"].repeat(layout.blocks, 1)
    x = torch.cat([model.embed(prefix + context), slots, model.embed(tail)])
    rows = len(kinds)
    mask = torch.tensor([[0.0 if may_attend(layout, kinds, p, t, q, k)
                          else -math.inf for k in range(rows)]
                         for q in range(rows)])
    kind_of_row = [kind for kind, _ in kinds]
    is_gist = torch.tensor([k == "gist" for k in kind_of_row])[:, None]
    is_tail = torch.tensor([k == "tail" for k in kind_of_row])[:, None]

    def scores(q, k, where):
        k = model.rotate(k, where).repeat_interleave(q.shape[0] // k.shape[0], 0)
        return model.rotate(q, where) @ k.transpose(1, 2)

    def attention(q, k, v):
        reading, writing, asking = (scores(q, k, w) for w in positions)
        s = torch.where(is_tail, asking, torch.where(is_gist, writing, reading))
        weights = (s / math.sqrt(q.shape[-1]) + mask).softmax(-1)
        return weights @ v.repeat_interleave(q.shape[0] // v.shape[0], 0)

    adapted = torch.tensor([k == "gist" or everywhere and k != "prefix"
                            for k in kind_of_row])[:, None]

    def delta(layer, module, y):
        return adapted * trained.delta(layer, module, y)

    for i in range(model.config.layers):
        x, _ = model.layer(i, x, attention, delta)
    return model.logits(model.norm(x[p + t + n:], "model.norm"))


def answer_logits(model, vocabulary, trained, case):
    """Logits that predict the answers' tokens, and those tokens."""
    logits, targets = [], []
    for document, question, answer in QUESTIONS:
        asked = vocabulary.question(question)
        wanted = (vocabulary.encode(answer)
                  + [vocabulary.special["<|im_end|>"]])
        out = tail_logits(model, trained, case.layouts[document],
                          case.everywhere, vocabulary.prefix(),
                          vocabulary.encode(DOCUMENTS[document]),
                          asked + wanted[:-1])
        logits.append(out[len(asked) - 1:])
        targets += wanted
    return torch.cat(logits), torch.tensor(targets)


def factor(step):
    warmup = min(1.0, (step + 1) / WARMUP)
    cosine = 0.5 * (1 + math.cos(math.pi * step / STEPS))
    return warmup * (LAST_RATIO + (1 - LAST_RATIO) * cosine)


def train(model, vocabulary, folder, case):
    trained = Trained(folder / case.adapter)
    embeddings = trained.tensors["gist_embeddings"]
    lora = [t for n, t in trained.tensors.items() if n != "gist_embeddings"]
    optimizer = torch.optim.AdamW(
        [{"params": lora, "lr": RATE * case.rate},
         {"params": [embeddings], "lr": EMBEDDING_RATE * case.rate}],
        betas=BETAS, eps=EPSILON, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    golden, losses, norms = {}, [], []
    for step in range(STEPS):
        logits, targets = answer_logits(model, vocabulary, trained, case)
        loss = F.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            golden["logits"] = logits.detach()
            for name, tensor in trained.tensors.items():
                golden["gradient." + name] = tensor.grad.clone()
        norms.append(torch.nn.utils.clip_grad_norm_(
            list(trained.tensors.values()), CLIP))
        losses.append(loss.detach())
        optimizer.step()
        schedule.step()
    for name, tensor in trained.tensors.items():
        golden["after." + name] = tensor.detach().clone()
    return golden | {"losses": torch.stack(losses), "norms": torch.stack(norms)}


def inputs(vocabulary):
    tensors = {"prefix_ids": vocabulary.prefix()}
    for i, text in enumerate(DOCUMENTS):
        tensors[f"document{i}_ids"] = vocabulary.encode(text)
    for i, (_, question, answer) in enumerate(QUESTIONS):
        tensors[f"question{i}_ids"] = vocabulary.question(question)
        tensors[f"answer{i}_ids"] = (vocabulary.encode(answer)
                                     + [vocabulary.special["<|im_end|>"]])
    return {n: torch.tensor(ids, dtype=torch.float32)
            for n, ids in tensors.items()}


def write(folder):
    model, vocabulary = gguf_model.load(folder / "tiny.f32.gguf")
    for case in CASES:
        golden = train(model, vocabulary, folder, case)
        path = folder / f"train_{case.name}.safetensors"
        save_file({n: t.contiguous() for n, t in
                   (golden | inputs(vocabulary)).items()}, path,
                  metadata={"made_by": "tests/reference/make_golden.py"})
        path.chmod(0o644)
        print(f"{path.name}: losses "
              + " ".join(f"{x:.4f}" for x in golden["losses"].tolist()))
