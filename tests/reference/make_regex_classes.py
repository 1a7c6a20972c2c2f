"""Writes core/text/words/generated/regex_classes.h, with `tokenizers` as the reference.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_regex_classes.py      # needs libpcre2-8.so.0: a minute

Asks Oniguruma, which `tokenizers` uses, and PCRE2 for every code point of each
class. What PCRE2's older Unicode tables lack is written beside PCRE2's own name.
"""

import ctypes
import pathlib
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = """// Classes of characters as tokenizer files name them, in PCRE2's words, with the
// code points that PCRE2 10.42 (Unicode 14) lacks and Oniguruma (Unicode 16) has.
// Made by tests/reference/make_regex_classes.py, not by hand.
#pragma once

#include <string_view>

namespace gist {

struct RegexClass {
  std::string_view name;    // within \\p{}
  std::string_view inside;  // of [] in PCRE2
};

inline constexpr RegexClass kRegexClasses[] = {
"""
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, CODE_POINTS))
RAW = TEXT.encode()
# Name in tokenizer files: what PCRE2 has for it.
CATEGORIES = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp Cc Cf Co"
SCRIPTS = "Arabic Bopomofo Cyrillic Devanagari Greek Hangul Han Hebrew Hiragana Katakana Latin Thai"


def reference(inside):
    pieces = pre_tokenizers.Split(Regex(f"[{inside}]+"), "removed", invert=True).pre_tokenize_str(TEXT)
    return {c for _, (first, last) in pieces for c in CODE_POINTS[first:last]}


def left_out(step):
    """What a pre-tokenizer that drops its matches drops."""
    kept = {c for _, (first, last) in step.pre_tokenize_str(TEXT) for c in CODE_POINTS[first:last]}
    return set(CODE_POINTS) - kept


def pcre2(inside):
    library = ctypes.CDLL("libpcre2-8.so.0")
    library.pcre2_compile_8.restype = library.pcre2_match_data_create_8.restype = ctypes.c_void_p
    library.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)
    utf, ucp, no_check = 0x00080000, 0x00020000, 0x40000000
    pattern = f"[{inside}]+".encode()
    error, offset = ctypes.c_int(), ctypes.c_size_t()
    code = ctypes.c_void_p(library.pcre2_compile_8(
        pattern, ctypes.c_size_t(len(pattern)), utf | ucp, ctypes.byref(error), ctypes.byref(offset), None))
    assert code, inside
    match = ctypes.c_void_p(library.pcre2_match_data_create_8(1, None))
    range_ = library.pcre2_get_ovector_pointer_8(match)
    at, found = 0, set()
    while library.pcre2_match_8(code, RAW, ctypes.c_size_t(len(RAW)), ctypes.c_size_t(at), no_check, match, None) > 0:
        found.update(map(ord, RAW[range_[0]:range_[1]].decode()))
        at = range_[1]
    return found


def runs(code_points):
    made = []
    for c in sorted(code_points):
        if made and made[-1][1] == c - 1:
            made[-1][1] = c
        else:
            made.append([c, c])
    return "".join(rf"\x{{{a:X}}}" if a == b else rf"\x{{{a:X}}}-\x{{{b:X}}}" for a, b in made)


def row(name, base, wanted):
    known = pcre2(base) if base else set()
    if extra := known - wanted:
        print(f"{name}: PCRE2 alone has {runs(extra)}")
    lines, whole = [""], base + runs(wanted - known)
    for part in whole.replace(r"\x", r" \x").replace(r"- \x", r"-\x").split(" "):
        if len(lines[-1]) + len(part) > 60:
            lines.append("")
        lines[-1] += part
    return f'    {{"{name}",' + "".join(f'\n     R"({line})"' for line in lines) + "},\n"


def young_marks():
    """Marks that NFC leaves where they are, as its tables are of Unicode 9."""
    nfc = normalizers.NFC().normalize_str

    def moves(normalize, mark):  # behind an overlay, whose class is the lowest
        return normalize("a" + mark + "\u0334") == "a\u0334" + mark

    young = lambda c: (moves(lambda text: unicodedata.normalize("NFC", text), c) or unicodedata.category(c) == "Cn")
    return {c for c in reference(r"\p{M}") if young(chr(c)) and not moves(nfc, chr(c))}


def main():
    rows = [row(name, rf"\p{{{name}}}", reference(rf"\p{{{name}}}")) for name in CATEGORIES.split()]
    rows += [row(name, rf"\p{{sc:{name}}}", reference(rf"\p{{{name}}}")) for name in SCRIPTS.split()]
    rows += [row("w", r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}", reference(r"\w")),
             row("s", "", reference(r"\s")),
             row("NotSpace", "", set(CODE_POINTS) - reference(r"\s")),
             # Rust's own tables, behind Digits and Punctuation.
             row("Numeric", r"\p{N}", numeric()),
             row("YoungMark", "", young_marks()),
             row("Punctuation", "", left_out(pre_tokenizers.Punctuation("removed")))]
    path = ROOT / "core/text/words/generated/regex_classes.h"
    path.write_text(HEAD + "".join(rows) + "};\n\n}  // namespace gist\n", encoding="ascii")
    print(f"{path}: {path.stat().st_size:,} bytes")


def numeric():
    """What Digits cuts out: a code point that is a word of its own between letters."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    pieces = digits.pre_tokenize_str("".join("x" + chr(c) for c in CODE_POINTS))
    return {ord(text) for text, _ in pieces if len(text) == 1 and text != "x"}


if __name__ == "__main__":
    main()
