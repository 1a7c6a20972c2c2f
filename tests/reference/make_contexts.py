"""Builds the 40 fixed passkey contexts: tests/data/passkey/contexts.jsonl.

Filler is deploy/sample/filler_{en,ko}.txt from a random sentence on, joined by
single spaces, with one needle on a sentence border at 20-80 % of the length.
The same program and model file give the same bytes.
"""

import argparse
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

import gguf

import gguf_model

ROOT = Path(__file__).resolve().parents[2]
SEED = 1
LETTERS, DIGITS = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"


@dataclass(frozen=True)
class Language:
    code: str
    needles: tuple
    questions: tuple


ENGLISH = Language("en", (
    "The secret passkey is {}.",
    "Remember this: the secret passkey is {}.",
    "The secret passkey is {}. Do not forget it.",
    "{} is the secret passkey.",
    "Please note that the secret passkey is {}.",
    "One more thing: the secret passkey is {}."), (
        "What is the secret passkey?",
        "What is the secret passkey mentioned in the text?",
        "Tell me the secret passkey."))
KOREAN = Language("ko", (
    "비밀 패스키는 {}입니다.",
    "기억하세요. 비밀 패스키는 {}입니다.",
    "비밀 패스키는 {}이며 잊지 마십시오."), (
        "텍스트에서 언급된 비밀 패스키는 무엇인가요?",))
# (language, tokens at most, how many)
PLAN = ((ENGLISH, 1024, 24), (ENGLISH, 2048, 6), (KOREAN, 1024, 10))


def sentences(path):
    text = " ".join(path.read_text(encoding="utf-8").split())
    return re.split(r"(?<=[.!?]) ", text)


def passkey(rng):
    return ("".join(rng.choice(LETTERS) for _ in range(3))
            + "".join(rng.choice(DIGITS) for _ in range(3)))


def place(filler, needle, depth):
    """Puts the needle on the sentence border nearest to `depth` of the text's
    characters. Returns text and the needle's true depth."""
    total = sum(len(s) + 1 for s in filler)
    borders, at = [], 0
    for s in filler:
        borders.append(at / total)
        at += len(s) + 1
    i = min(range(len(borders)), key=lambda b: abs(borders[b] - depth))
    text = " ".join(filler[:i] + [needle] + filler[i:])
    return text, text.index(needle) / len(text)


def context(rng, language, filler, limit, vocabulary):
    """One record whose context is as long as fits in `limit` tokens."""
    answer = passkey(rng)
    needle = rng.choice(language.needles).format(answer)
    depth, start = rng.uniform(0.25, 0.75), rng.randrange(len(filler))
    count, best = 1, None
    while True:
        chosen = [filler[(start + i) % len(filler)] for i in range(count)]
        text, position = place(chosen, needle, depth)
        if len(vocabulary.encode(text)) > limit:
            break
        best, count = (text, position), count + 1
    text, position = best
    assert 0.2 <= position <= 0.8, position
    return {"context": text, "question": rng.choice(language.questions),
            "answer": answer, "needle": needle,
            "needle_position": round(position, 4),
            "context_length_chars": len(text), "language": language.code}


def records(vocabulary):
    rng = random.Random(SEED)
    for language, limit, count in PLAN:
        filler = sentences(ROOT / f"deploy/sample/filler_{language.code}.txt")
        for _ in range(count):
            yield context(rng, language, filler, limit, vocabulary)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="the SmolLM2 GGUF file",
                        default=ROOT / "third_party/models"
                        / "SmolLM2-135M-Instruct.Q4_1.gguf")
    args = parser.parse_args()
    vocabulary = gguf_model.read_vocabulary(gguf.GGUFReader(args.model))
    out = ROOT / "tests/data/passkey/contexts.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "w", encoding="utf-8") as file:
        for record in records(vocabulary):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            print(f"{record['language']} {record['answer']} "
                  f"{len(vocabulary.encode(record['context']))} tokens, needle "
                  f"at {record['needle_position']:.2f}")


if __name__ == "__main__":
    main()
