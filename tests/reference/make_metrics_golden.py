"""Scores pairs of texts as LongBench does: tests/data/longbench/metrics.json.

A second implementation of the metrics of LongBench/metrics.py; ROUGE-L is the
PyPI package's own (pip install rouge==1.0.1). The same seed gives the same file.
"""

import json
import random
import re
import string
from collections import Counter
from pathlib import Path

from rouge import Rouge

OUT = Path(__file__).resolve().parents[2] / "tests/data/longbench/metrics.json"
CLASSES = ["Food", "Sport", "Other sport", "City", "Other", "Sport player"]
WORDS = ("the a an cat Cat cat. sat, on mat mat. The. red-haired dog 12 12 7 "
         "Paragraph 3. 'quoted' café É naïve an. theatre Ann . .. e.g. 한국어 "
         "“the” U.S. it's \u00a0 city\nriver").split(" ")
PAIRS = [
    ("The cat sat on the mat.", "A cat sat on a mat"),
    ("", "something"), ("something", ""), (".", "a."), (" . ", "x. y."),
    ("the", "a"), ("Yes", "yes."), ("It is ABC123.", "ABC123"),
    ("There are 12 or 7 of them, 12 I think", "12"), ("none at all", "4"),
    ("Paragraph 12", "Paragraph 12"), ("It is 3 or 12", "Paragraph 3"),
    ("Sport player", "Sport"), ("Other sport", "Sport"), ("Other", "Other"),
    ("Sport and City", "City"), ("Other sport player", "Other sport"),
    ("It rained. It poured. The old man was snoring.",
     "The old man is snoring. It is raining. It is pouring."),
    ("a b c a b c. d e f", "a b d. e f c b a"),
]


def normalize(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(prediction, truth):
    predicted, wanted = normalize(prediction).split(), normalize(truth).split()
    same = sum((Counter(predicted) & Counter(wanted)).values())
    if not same:
        return 0.0
    precision, recall = same / len(predicted), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def rouge_l(prediction, truth):
    try:
        scores = Rouge().get_scores([prediction], [truth], avg=True)
    except ValueError:  # one of them holds no sentence
        return 0.0
    return scores["rouge-l"]["f"]


def classification(prediction, truth):
    named = [name for name in CLASSES if name in prediction]
    for name in named:  # walks over the list that it shortens, as the original
        if name in truth and name != truth:
            named.remove(name)
    return 1 / len(named) if truth in named else 0.0


def count(prediction, truth):
    numbers = re.findall(r"[0-9]+", prediction)
    return numbers.count(truth) / len(numbers) if numbers else 0.0


def retrieval(prediction, truth):
    found = re.findall(r"Paragraph ([0-9]+)", truth)
    return count(prediction, found[0]) if found else 0.0


def wilson(successes, total):
    z = 1.959963984540054
    share = successes / total
    scale = 1 + z * z / total
    half = z * (share * (1 - share) / total + z * z / (4 * total**2)) ** 0.5
    centre = share + z * z / (2 * total)
    return [max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)]


def scored(prediction, truth):
    exact = normalize(prediction) == normalize(truth)
    contained = normalize(truth) in normalize(prediction)
    return {"prediction": prediction, "truth": truth,
            "normalized": normalize(prediction), "exact": float(exact),
            "containment": float(contained), "f1": f1(prediction, truth),
            "rouge_l": rouge_l(prediction, truth),
            "classification": classification(prediction, truth),
            "count": count(prediction, truth),
            "retrieval": retrieval(prediction, truth)}


def main():
    rng = random.Random(1)

    def soup():
        return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(14)))

    def names():
        return " ".join(rng.choice(CLASSES) for _ in range(rng.randrange(1, 4)))

    pairs = PAIRS + [(soup(), soup()) for _ in range(150)]
    pairs += [(names(), rng.choice(CLASSES)) for _ in range(30)]
    golden = {"classes": CLASSES, "pairs": [scored(*pair) for pair in pairs],
              "wilson": [[k, n, *wilson(k, n)] for k, n in
                         ((0, 10), (10, 10), (1, 3), (90, 100), (37, 50))]}
    OUT.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n",
                   encoding="utf-8")


if __name__ == "__main__":
    main()
