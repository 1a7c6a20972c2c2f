"""Goldens of the tiny model: logits, greedy tokens and gists."""

import dataclasses
from pathlib import Path

import torch
from safetensors.torch import save_file

import gguf_model
import tiny_model
from gists import Adapter, Layout, Reader, masked_forward
from llama import ATTENTION_MODULES, greedy

INPUT_TOKENS = 60
GREEDY_TOKENS = 32
MIN_MARGIN = 0.003  # in logits: float32 rounding is 1e-4 here
TEXT = ("The harbour wakes before the town. Gulls quarrel over the first nets, "
        "and somebody has written KTR408 in chalk on the door of the office.")
OTHER_TEXT = "A second page: the bread was sold out by nine, and it rained."
QUESTION = "What is on the door?"
ANSWER = "It is KTR408."


def floats(ids):
    """Ids as float32: exact, and every reader of goldens knows the type."""
    return torch.tensor(ids, dtype=torch.float32)


def save(path, **tensors):
    save_file({n: t.contiguous() for n, t in tensors.items()}, path,
              metadata={"made_by": "tests/reference/make_golden.py"})
    path.chmod(0o644)
    print(f"{path.name}: " + ", ".join(
        f"{n} {list(t.shape)}" for n, t in tensors.items()))


def check_close(what, a, b, tolerance):
    difference = float((a - b).abs().max())
    print(f"  {what}: {difference:.1e} apart")
    assert difference < tolerance, what


@torch.no_grad()
def transformers_golden(model, ids, tokens):
    """Logits [rows, vocab] and greedy tokens by transformers, with the
    smallest margin of a greedy token."""
    net = gguf_model.in_transformers(model)
    logits = net(torch.tensor([ids])).logits[0]
    out = net.generate(torch.tensor([ids]), max_new_tokens=tokens,
                       do_sample=False, output_logits=True,
                       attention_mask=torch.ones(1, len(ids)),
                       return_dict_in_generate=True)
    best = torch.cat(out.logits).topk(2).values
    margin = float((best[:, 0] - best[:, 1]).min())
    return logits, out.sequences[0, len(ids):].tolist(), margin


def write_logits(folder, type_name):
    name = type_name.lower()
    model, vocabulary = gguf_model.load(folder / f"tiny.{name}.gguf")
    ids = vocabulary.encode(TEXT + " " + OTHER_TEXT)[:INPUT_TOKENS]
    logits, tokens, margin = transformers_golden(model, ids, GREEDY_TOKENS)
    plain, _ = model.forward(model.embed(ids), torch.arange(len(ids)))
    check_close("plain PyTorch and transformers", model.logits(plain), logits,
                1e-4)
    print(f"  smallest margin {margin:.3f}, greedy {tokens}")
    assert margin > MIN_MARGIN, "choose another seed"
    save(folder / f"logits.{name}.safetensors", input_ids=floats(ids),
         logits=logits, greedy_ids=floats(tokens))


def write_masked(folder, name, reader, vocabulary):
    """The whole document as one segment: one forward under the 4D mask."""
    adapter = Adapter(folder / f"adapter_{name}")
    model = reader.model
    prefix, context = vocabulary.prefix(), vocabulary.encode(TEXT)
    question = vocabulary.question(QUESTION)
    tail = question + vocabulary.encode(ANSWER)
    mask, gists, logits = masked_forward(model, adapter, prefix, context, tail)
    served = reader.compress(context, adapter)
    check_close("keys, one forward and served", gists.keys, served.keys, 1e-4)
    check_close("values", gists.values, served.values, 1e-4)
    past, position = reader.load(served)
    hidden, _ = model.forward(
        model.embed(tail), torch.arange(position, position + len(tail)), past)
    check_close("logits", logits, model.logits(hidden), 1e-4)
    decoded = decode(model, past, question, position)
    save(folder / f"gists_{name}.safetensors", prefix_ids=floats(prefix),
         context_ids=floats(context), question_ids=floats(question),
         tail_ids=floats(tail), may_attend=(mask == 0).to(torch.uint8),
         keys=gists.keys, values=gists.values, tail_logits=logits,
         answer_ids=floats(decoded.ids))


def decode(model, past, question, position):
    decoded = greedy(model, past, question, position, GREEDY_TOKENS // 2)
    print(f"  smallest margin {decoded.margin:.3f}, answer {decoded.ids}")
    assert decoded.margin > MIN_MARGIN, "choose another seed"
    return decoded


def write_segments(folder, name, reader, vocabulary):
    """Isolated segments, gists that own blocks, and two documents joined."""
    adapter = Adapter(folder / f"adapter_{name}")
    question = vocabulary.question(QUESTION)
    first, second = vocabulary.encode(TEXT), vocabulary.encode(OTHER_TEXT)
    a, b = reader.compress(first, adapter), reader.compress(second, adapter)
    alone = decode(reader.model, *answer_after(reader, question, a))
    both = decode(reader.model, *answer_after(reader, question, a, b))
    save(folder / f"gists_{name}.safetensors",
         prefix_ids=floats(vocabulary.prefix()), question_ids=floats(question),
         context_ids=floats(first), keys=a.keys, values=a.values,
         question_logits=alone.first_logits, answer_ids=floats(alone.ids),
         other_context_ids=floats(second), other_keys=b.keys,
         other_values=b.values, joined_question_logits=both.first_logits,
         joined_answer_ids=floats(both.ids))


def write_left_over(folder, reader, vocabulary):
    """Five gists in blocks of two: the last block has one."""
    adapter = Adapter(folder / "adapter_blocks")
    adapter.layout = dataclasses.replace(adapter.layout, fewer=1)
    document = vocabulary.encode(TEXT)
    gists = reader.compress(document, adapter)
    save(folder / "gists_left_over.safetensors",
         prefix_ids=floats(vocabulary.prefix()), context_ids=floats(document),
         keys=gists.keys, values=gists.values)


def answer_after(reader, question, *gists):
    past, position = reader.load(*gists)
    return past, question, position


def write_adapters(folder, model_path):
    whole = Layout(slots_per_block=4, blocks=1, overlap=0, segment=0)
    blocks = Layout(slots_per_block=2, blocks=3, overlap=4, segment=16)
    for name, modules, layout, dtype in (
            ("whole", ATTENTION_MODULES, whole, torch.float32),
            ("mlp", tiny_model.ALL_MODULES, whole, torch.float32),
            ("blocks", ATTENTION_MODULES, blocks, torch.bfloat16)):
        tiny_model.write_adapter(folder / f"adapter_{name}", model_path,
                                 modules, layout, dtype, seed=7)


def write(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for type_name in tiny_model.TYPES:
        path = folder / f"tiny.{type_name.lower()}.gguf"
        tiny_model.write_model(path, type_name)
        write_logits(folder, type_name)
    model_path = folder / "tiny.f32.gguf"
    write_adapters(folder, model_path)
    model, vocabulary = gguf_model.load(model_path)
    reader = Reader(model, vocabulary.prefix())
    for name in ("whole", "mlp"):
        write_masked(folder, name, reader, vocabulary)
    write_segments(folder, "blocks", reader, vocabulary)
    write_left_over(folder, reader, vocabulary)
