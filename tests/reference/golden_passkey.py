"""Goldens of the default adapter on the 40 passkey contexts."""

import json
import time

import torch

import gguf_model
from gists import Adapter, Reader
from golden_tiny import save
from llama import greedy

STOP = 2  # <|im_end|>
GIST_ANSWER_TOKENS = 10
FULL_ANSWER_TOKENS = 32
KEPT_GISTS = (0, 30)  # contexts whose gists are kept: one English, one Korean


def half(kv):
    return [(k.half().float(), v.half().float()) for k, v in kv]


def answer_from_gists(reader, gists, question):
    past, position = reader.load(gists)
    return greedy(reader.model, past, question, position, GIST_ANSWER_TOKENS,
                  STOP)


@torch.no_grad()
def answer_from_text(reader, context, question):
    """prefix + text + question, causal: the full-context baseline."""
    ids = context + question
    return greedy(reader.model, reader.prefix, ids, reader.start,
                  FULL_ANSWER_TOKENS, STOP)


def characters(answer, passkey):
    """Share of the passkey's characters at their places in the answer; 1 where
    the passkey stands anywhere in it."""
    if passkey in answer:
        return 1.0
    return sum(a == b for a, b in zip(answer.strip(), passkey)) / len(passkey)


def score(records, name):
    """Accuracies of answers[name] over records."""
    answers = [(r[name]["text"].strip(), r["answer"]) for r in records]
    count = len(answers)
    return {"exact": sum(a == k for a, k in answers) / count,
            "contains": sum(k in a for a, k in answers) / count,
            "characters": round(
                sum(characters(a, k) for a, k in answers) / count, 3)}


def run(reader, vocabulary, adapter, record, full=None):
    """Answers of one context by every path, and its gists. `full`: the answer from
    the whole text, if it is known."""
    context = vocabulary.encode(record["context"])
    question = vocabulary.question(record["question"])
    document = reader.read_document(context, adapter.layout)
    gists = reader.write_gists(document, adapter)
    rounded = reader.write_gists(half(document), adapter)

    def kept(decoded):
        return {"ids": decoded.ids, "text": vocabulary.decode(decoded.ids),
                "margin": round(decoded.margin, 4)}

    return gists, {
        "answer": record["answer"], "language": record["language"],
        "context_tokens": len(context),
        "gist": kept(answer_from_gists(reader, gists.half(), question)),
        "gist_float32": kept(answer_from_gists(reader, gists, question)),
        "gist_half_context": kept(
            answer_from_gists(reader, rounded, question)),
        "full": full or kept(answer_from_text(reader, context, question))}


def groups(results):
    """The cells that are reported: language and length."""
    yield "all", results
    for name, language, longer in (("en_1024", "en", False),
                                   ("en_2048", "en", True),
                                   ("ko_1024", "ko", False)):
        yield name, [r for r in results if r["language"] == language
                     and (r["context_tokens"] > 1024) == longer]


def summary(results):
    def differing(name):
        return sum(r[name]["ids"] != r["gist_float32"]["ids"] for r in results)

    return {
        "contexts": len(results),
        "answers_changed_by_half_context_kv": differing("gist_half_context"),
        "answers_changed_by_half_gist_kv": differing("gist"),
        "smallest_gist_margin": min(r["gist"]["margin"] for r in results),
        "accuracy": {cell: {"contexts": len(rows), "gist": score(rows, "gist"),
                            "full": score(rows, "full")}
                     for cell, rows in groups(results)}}


def write(folder, model_path, adapter_folder, keep_full):
    model, vocabulary = gguf_model.load(model_path)
    reader = Reader(model, vocabulary.prefix())
    adapter = Adapter(adapter_folder)
    lines = (folder / "contexts.jsonl").read_text(encoding="utf-8").split("\n")
    full = {}
    if keep_full:
        text = (folder / "answers.jsonl").read_text(encoding="utf-8")
        full = dict(enumerate(json.loads(line)["full"]
                              for line in text.split("\n") if line))
    results, kept, started = [], {}, time.monotonic()
    for i, line in enumerate(filter(None, lines)):
        gists, result = run(reader, vocabulary, adapter, json.loads(line),
                            full.get(i))
        results.append(result)
        if i in KEPT_GISTS:
            kept[f"{i}.keys"], kept[f"{i}.values"] = gists.keys, gists.values
        print(f"{i} {time.monotonic() - started:.0f} s {result['answer']}: "
              f"gist {result['gist']['text']!r} full "
              f"{result['full']['text']!r}", flush=True)
    save(folder / "gists.safetensors", **kept)
    with open(folder / "answers.jsonl", "w", encoding="utf-8") as file:
        for result in results:
            file.write(json.dumps(result, ensure_ascii=False) + "\n")
    text = json.dumps(summary(results), indent=2)
    (folder / "summary.json").write_text(text + "\n")
    print(text)
