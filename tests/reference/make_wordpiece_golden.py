"""Makes tests/data/wordpiece/ with the `tokenizers` package as the reference.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_wordpiece_golden.py third_party/models/all-MiniLM-L6-v2

Text is generated here from a fixed seed, beside that of tests/data/tokenizer.
Special tokens are taken out: in a text they are text. Output:
  lines.jsonl  one JSON string a line
  hashes.txt   for each line of tests/data/tokenizer/lines.jsonl, then of
               lines.jsonl: the number of tokens, and a hash (FNV-1a, 32 bits)
               over id, begin and end of each as int32; offsets are in bytes
  tiny.json    a tokenizer.json of 600 tokens, and the tokens of 250 lines
"""

import argparse
import json
import pathlib
import random
import struct

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
rng = random.Random(20240919)
pick = rng.choice

LATIN = """Café naïve Ångström Øresund Łódź İstanbul ISTANBUL straße STRASSE ẞ
ﬁnancial ĳsselmeer Ǆungla œuvre Ελλάδα ΟΔΥΣΣΕΎΣ Москва ЁЛКА Việt Phở São Þórr
crème-brûlée l’été O’Brien don't can't U.S.A. e.g. naïve's Ça ǰ K Å ª º ½""".split()
ENGLISH = """the retrieval of passages was unaffordably slow; embeddings helped.
tokenization WordPiece unbelievable antidisestablishmentarianism reads 3.14159 and
1,000,000 dollars (about 42%) at https://example.org/a_b?c=d#e user@example.org""".split()
KOREAN = """검색 증강 생성은 문서를 나누어 찾습니다. 값어치 괜찮아 뷁 쀍 닭볶음탕 휴대폰으로
학교에 갔다. 안녕하세요! ㅋㅋㅋ ㅠㅠ 제3조(목적) 이 계약은 2024년 대한민국韓國 값이 얼마예요?""".split()
CJK = """漢字仮名交じり文 東京都庁 カタカナ ひらがな がぎぐげご ﾊﾝｶｸ ｶﾞｷﾞ 中文，标点。全角：！ 龘 㐀 𠀀
豈更車 兀嗀 丽丸乁 々〆〇 ㊥ ㍿ 株式会社（有限）""".split()
OTHERS = """हिन्दी में पाठ தமிழ் ไทยภาษา עִבְרִית العَرَبِيَّة שָׁלוֹם ქართული አማርኛ ᏣᎳᎩ ꮳꮃꭹ
བོད་ཡིག ខ្មែរ မြန်မာ ᠮᠣᠩᠭᠣᠯ ⵜⵉⴼⵉⵏⴰⵖ 𐐀𐐁𐐨 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ①② ⅷ Ⅷ ℃ Ω ™ ℡""".split()
EMOJI = "😀 👩‍👩‍👧‍👦 🇰🇷 1️⃣ ❤️‍🔥 ☺ ✓ → ∑ ░ 🫠".split()
SPECIAL = "[CLS] [SEP] [PAD] [UNK] [MASK] [unused1] ##ing ## # [sep] [CLS ]SEP]".split()
MARKS = [chr(c) for c in (0x300, 0x301, 0x302, 0x303, 0x308, 0x323, 0x327, 0x328, 0x345, 0x5B0, 0x5BC, 0x64B,
                          0x651, 0x93C, 0x94D, 0x903, 0x9BE, 0x302E, 0x3099, 0x309A, 0x898, 0x1DF9, 0x1D165,
                          0x1E944, 0x10A0F, 0x20DD, 0x20D0, 0xFE20, 0x1734, 0x8E2)]
INVISIBLE = [chr(c) for c in (*range(0x20), 0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x180E, 0x200B, 0x200D, 0x200E, 0x2028,
                              0x2029, 0x202F, 0x2060, 0x3000, 0xFEFF, 0xFFFD, 0xE000, 0xF0000, 0xE0001, 0x378)]


def words(*pools, low=2, high=12, glue=(" ", " ", " ", "", "\n", "  ", "\t", "-")):
    return "".join(pick(pick(pools)) + pick(glue) for _ in range(rng.randint(low, high)))


def marked():
    base = ["a", "e", "O", "가", "ᄀ", "ᅡ", "漢", "é", "ễ", "1", "!", " ", "क", "ِ", "Å", "が", "ǖ"]
    return "".join(pick(base) + "".join(pick(MARKS) for _ in range(rng.randint(0, 4)))
                   for _ in range(rng.randint(1, 9)))


def invisible():
    return "".join(pick(INVISIBLE) if rng.random() < .5 else pick(["a", "the", "한국", "é", ".", "漢", "\u0301"])
                   for _ in range(rng.randint(2, 14)))


def long_word():
    part = pick(["a", "ab", "the", "ing", "é", "가", "각", "ᄀ", "ー", "я", "7", "\u0301a", "\u200bx", "Zq8"])
    count = pick([24, 33, 34, 49, 50, 51, 98, 99, 100, 101, 102, 150, 300])
    return pick(["", "x ", "漢", "un"]) + part * count + pick(["", " y", ".", "字"])


def planes():
    spans = [(0x80, 0x24F), (0x250, 0x5FF), (0x600, 0x8FF), (0x900, 0xDFF), (0xE00, 0x10FF), (0x1100, 0x1FFF),
             (0x2000, 0x2FFF), (0x3000, 0x33FF), (0x4DB0, 0x4E10), (0x9FE0, 0xA4CF), (0xA4D0, 0xABFF), (0xAC00, 0xD7FF),
             (0xF900, 0xFFFF), (0x10000, 0x11FFF), (0x16A00, 0x16FFF), (0x1D000, 0x1F9FF), (0x2B738, 0x2B930),
             (0x2F800, 0x2FA20), (0x20000, 0x20010), (0xE0000, 0xE01EF)]
    first, last = pick(spans)
    return "".join(pick(["", "", " ", "a"]) + chr(rng.randint(first, last)) for _ in range(rng.randint(1, 8)))


KINDS = [(lambda: words(ENGLISH, LATIN), 400), (lambda: words(KOREAN, ENGLISH), 400), (lambda: words(CJK, KOREAN), 300),
         (lambda: words(OTHERS, LATIN, CJK), 500), (lambda: words(EMOJI, ENGLISH, KOREAN), 200),
         (lambda: words(SPECIAL, ENGLISH), 150), (marked, 800), (invisible, 600), (long_word, 150), (planes, 1500)]


def make_lines():
    lines = {}  # a set that keeps its order
    for make, count in KINDS:
        wanted = len(lines) + count
        while len(lines) < wanted:
            lines[make()] = None
    return list(lines)


def tokens_of(tokenizer, text):
    """[id, begin, end] of each token; offsets in bytes."""
    ends = [0]
    for character in text:
        ends.append(ends[-1] + len(character.encode()))
    encoded = tokenizer.encode(text, add_special_tokens=False)
    return [[i, ends[a], ends[b]] for i, (a, b) in zip(encoded.ids, encoded.offsets)]


def hash_of(tokens):
    value = 0x811C9DC5
    for byte in struct.pack(f"<{3 * len(tokens)}i", *(n for token in tokens for n in token)):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def read_reference(folder):
    """The model's tokenizer, without truncation, padding and special tokens."""
    settings = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    settings.update(truncation=None, padding=None, added_tokens=[], post_processor=None)
    return Tokenizer.from_str(json.dumps(settings))


def make_tiny(lines):
    tiny = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tiny.normalizer = normalizers.BertNormalizer(lowercase=True)
    tiny.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tiny.train_from_iterator(lines, trainers.WordPieceTrainer(
        vocab_size=600, limit_alphabet=300, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"]))
    settings = json.loads(tiny.to_str())
    settings["added_tokens"] = []
    tiny = Tokenizer.from_str(json.dumps(settings))
    chosen = lines[::len(lines) // 250][:250]
    return settings, [{"text": text, "tokens": tokens_of(tiny, text)} for text in chosen]


def quoted(text):
    """A JSON string in which only printable characters stand for themselves."""
    whole = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() and c != "\x7f" else json.dumps(c)[1:-1] for c in whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/data/wordpiece")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    def write(name, text):
        (args.out / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}: {len(text.encode()):,} bytes")

    shared = [json.loads(line) for line in (ROOT / "tests/data/tokenizer/lines.jsonl").read_text().split("\n") if line]
    lines = make_lines()
    write("lines.jsonl", "".join(quoted(line) + "\n" for line in lines))
    reference = read_reference(args.model)
    found = [tokens_of(reference, line) for line in shared + lines]
    write("hashes.txt", "".join(f"{len(tokens)} {hash_of(tokens):08x}\n" for tokens in found))
    settings, cases = make_tiny(lines)
    write("tiny.json", '{"tokenizer": ' + json.dumps(settings) + ',\n"lines": [\n'
          + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]}\n")
    print(f"{len(found):,} lines, {sum(map(len, found)):,} tokens")


if __name__ == "__main__":
    main()
