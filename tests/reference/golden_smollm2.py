"""Goldens of the default model: last logits and greedy tokens of 5 prompts."""

from pathlib import Path

import gguf_model
from golden_tiny import MIN_MARGIN, floats, save, transformers_golden

GREEDY_TOKENS = 64
FILLER = Path(__file__).resolve().parents[2] / "deploy/sample/filler_en.txt"
CODE = '''def median(values):
    """The middle of the sorted values; the mean of the two for even counts."""
    ordered = sorted(values)
    middle = len(ordered) // 2
'''
KOREAN = "대한민국의 수도는 서울이다. 서울에는 한강이 흐르고"


def prompts(vocabulary):
    """Name -> ids. No prefix but in the ChatML ones."""
    paragraphs = FILLER.read_text(encoding="utf-8").split("\n\n")
    return {
        "chatml": vocabulary.prefix() + vocabulary.encode(
            "A train leaves at noon and arrives at three.")
        + vocabulary.question("How long does the journey take?"),
        "plain": vocabulary.encode(
            "The lighthouse stood at the end of the long stone pier, and"),
        "korean": vocabulary.encode(KOREAN),
        "code": vocabulary.encode(CODE),
        "long": vocabulary.prefix() + vocabulary.encode(
            "\n\n".join(paragraphs[:2]))
        + vocabulary.question("Write a summary in three sentences."),
    }


def write(folder, model_path):
    folder.mkdir(parents=True, exist_ok=True)
    model, vocabulary = gguf_model.load(model_path)
    tensors = {}
    for name, ids in prompts(vocabulary).items():
        logits, tokens, margin = transformers_golden(model, ids, GREEDY_TOKENS)
        print(f"{name}: {len(ids)} ids, margin {margin:.4f}, "
              f"{vocabulary.decode(tokens)!r}")
        assert margin > MIN_MARGIN, "choose another prompt"
        tensors[name + ".input_ids"] = floats(ids)
        tensors[name + ".logits"] = logits[-1]
        tensors[name + ".greedy_ids"] = floats(tokens)
    save(folder / "logits.safetensors", **tensors)
