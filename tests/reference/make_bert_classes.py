"""Writes core/text/generated/bert_class_table.h, with `tokenizers` as the reference.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_bert_classes.py
    clang-format -i core/text/generated/bert_class_table.h

Looks at BertNormalizer and BertPreTokenizer from outside, one code point at a
time. Their tables are older than those of any Unicode library in use.
"""

import pathlib

from tokenizers import normalizers, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = """// How BERT's normalizer and pre-tokenizer treat a code point; all others are
// kWord. Made by tests/reference/make_bert_classes.py, not by hand.
#pragma once

#include "core/text/bert_classes.h"

namespace gist {

struct BertClassRun {
  char32_t first, last;
  BertClass kind;
};

inline constexpr BertClassRun kBertClassRuns[] = {
"""


def only(**wanted):
    off = dict(clean_text=False, handle_chinese_chars=False,
               strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **wanted})


CLEAN = only(clean_text=True)
CHINESE = only(handle_chinese_chars=True)
ACCENTS = only(strip_accents=True)
ORDER = normalizers.NFD()
WORDS = pre_tokenizers.BertPreTokenizer()


def class_of(character):
    between = f"x{character}x"
    cleaned = CLEAN.normalize_str(between)
    if cleaned == "xx":
        return "kDropped"
    if cleaned == "x x":
        return "kSpace"
    if CHINESE.normalize_str(between) == f"x {character} x":
        return "kIdeograph"
    if ACCENTS.normalize_str(between) == "xx":
        return "kMark"
    if len(WORDS.pre_tokenize_str(between)) == 3:
        return "kPunctuation"
    # Before a mark of the lowest class, or after one of the highest.
    placed = (f"x{character}\u0334", f"x\u0345{character}")
    moves = ORDER.normalize_str(character) == character and any(
        ORDER.normalize_str(text) != text for text in placed)
    return "kOrdered" if moves else None


def main():
    runs = []
    for code_point in [*range(0xD800), *range(0xE000, 0x110000)]:
        kind = class_of(chr(code_point))
        if runs and runs[-1][1:] == [code_point - 1, kind]:
            runs[-1][1] = code_point
        else:
            runs.append([code_point, code_point, kind])
    text = HEAD + "".join(f"{{0x{first:X}, 0x{last:X}, BertClass::{kind}}},\n"
                          for first, last, kind in runs if kind)
    path = ROOT / "core/text/generated/bert_class_table.h"
    path.write_text(text + "};\n\n}  // namespace gist\n", encoding="utf-8")
    print(f"{path.name}: {text.count('BertClass::')} runs")


if __name__ == "__main__":
    main()
