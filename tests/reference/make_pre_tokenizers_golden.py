"""Makes tests/data/pre_tokenizers/ with the `tokenizers` package as the reference.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_pre_tokenizers_golden.py     # half a minute

For each kind of tokenizer a small vocabulary is trained on the lines of
tests/data/tokenizer/lines.jsonl and written as NAME.json:
  tokenizer   a tokenizer.json, with the settings of the models named beside it
  gguf        the same as a GGUF file has it: "pre" or "scores"
  first       the ids of the first of each 100 lines
  hashes      of each 100 lines: the first 16 letters of SHA-256 over the ids, each
              line's in decimal with blanks between and a newline behind
  nfd         the same of all lines with Hangul, in NFD; "texts": of the texts
Special tokens stay text in the reference, tokens that are not special do not.
"""

import hashlib
import json
import pathlib
import unicodedata

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers import Regex

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES = [json.loads(line) for line in (ROOT / "tests/data/tokenizer/lines.jsonl").read_text("utf-8").splitlines()]
NFD = [unicodedata.normalize("NFD", line) for line in LINES if any("가" <= c <= "힣" for c in line)]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]+", r"[^\s\p{L}\p{M}\p{N}]+")
UPPER, LOWER = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = rf"{UPPER}*{LOWER}+|{UPPER}+{LOWER}*|\p{{N}}{SIGNS}"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = rf"{UPPER}*{LOWER}+{SUFFIX}|{UPPER}+{LOWER}*{SUFFIX}|\p{{N}}{{1,3}}{SIGNS}"
EAST_ASIAN = "[一-龥ࠀ-一가-\ud7ff]+"
CASED = ("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ"
         "Ὗ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭ"
         "Ꚁ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"""
             r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"


def split(pattern, behavior="isolated"):
    return pre_tokenizers.Split(Regex(pattern), behavior)


def level(use_regex=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


digits = pre_tokenizers.Digits
# Name of tokenizer.ggml.pre: steps, normalizer, options of the model.
BYTE_LEVEL = {
    "llama-bpe": ([split(LLAMA3), level()], None, {"ignore_merges": True}),
    "qwen2": ([split(QWEN2), level()], "NFC", {}),
    "qwen35": ([split(QWEN35), level()], "NFC", {}),
    "tekken": ([split(TEKKEN), level()], None, {"ignore_merges": True}),
    "gpt-4o": ([split(GPT4O), level()], None, {}),
    "deepseek-llm": ([split(r"[\r\n]"), split(rf"\s?[{CASED}]+"), split("\\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"),
                      split(EAST_ASIAN), digits(individual_digits=True), level()], None, {}),
    "deepseek-coder": ([split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(EAST_ASIAN),
                        digits(individual_digits=True), level()], None, {}),
    "deepseek-v3": ([split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK3), level()], None, {}),
    "falcon": ([pre_tokenizers.Punctuation("contiguous"), level(True), digits(individual_digits=False),
                split("[0-9][0-9][0-9]")], None, {}),
    "command-r": ([digits(individual_digits=True), level(True)], "NFC", {}),
    "bloom": ([split(BLOOM), level()], None, {}),
}


def added(id_, content, special):
    return {"id": id_, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": special}


def bos_in_front(bos):
    return {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {}}


def byte_level(steps, form, options):
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(steps)
    if form:
        trained.normalizer = getattr(normalizers, form)()
    trained.train_from_iterator(LINES, trainers.BpeTrainer(
        vocab_size=600, show_progress=False, special_tokens=["<|bos|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    file = json.loads(trained.to_str())
    file["model"].update(options)
    if options.get("ignore_merges"):  # some words are reached without merges alone
        file["model"]["merges"] = [m for i, m in enumerate(file["model"]["merges"]) if i % 5 != 4]
    count = len(file["model"]["vocab"])
    file["added_tokens"] += [added(count, "<think>", False), added(count + 1, "한국", False)]
    file["post_processor"] = bos_in_front("<|bos|>")
    return file


def score_merges(vocab, scores):
    """As transformers.tokenization_utils_base.generate_merges orders them."""
    merges = []
    for merged, score in scores.items():
        local = [(merged[:i], merged[i:], score) for i in range(1, len(merged)) if merged[:i] in vocab and merged[i:] in vocab]
        merges += sorted(local, key=lambda m: (vocab[m[0]], vocab[m[1]]))
    return [[a, b] for a, b, _ in sorted(merges, key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)]


def sentence_piece(normalizer, pre_tokenizer, bos, user_defined=()):
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trained.train_from_iterator([" " + line for line in LINES], trainers.BpeTrainer(
        vocab_size=500, show_progress=False, limit_alphabet=150))
    pieces = json.loads(trained.to_str())["model"]
    merged = ["".join(m) for m in pieces["merges"]]
    single = [t for t in sorted(pieces["vocab"], key=pieces["vocab"].get) if t not in merged]
    tokens = ["<unk>", bos, "</s>", *user_defined, *(f"<0x{b:02X}>" for b in range(256))]
    head = len(tokens)
    tokens += [t for t in dict.fromkeys(merged + single) if t not in user_defined]
    vocab = {t: i for i, t in enumerate(tokens)}
    scores = {t: float(min(0, head - i)) for t, i in vocab.items()}
    file = {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [added(i, t, i < 3) for i, t in enumerate(tokens[:3 + len(user_defined)])],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": bos_in_front(bos), "decoder": None,
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                      "vocab": vocab, "merges": score_merges(vocab, scores)}}
    return file, [scores[t] for t in tokens]


REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
LLAMA2 = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, REPLACE]}
FIRST = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
GEMMA = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
RUNS = ["\n", "\n\n", "\n\n\n", "  ", "   ", "<table>"]
# Name: arguments of sentence_piece, tokenizer.ggml.add_space_prefix.
SENTENCE_PIECE = {"llama2": ((LLAMA2, None, "<s>"), True), "mistral": ((None, FIRST, "<s>"), None),
                  "gemma": ((REPLACE, GEMMA, "<bos>", RUNS), False)}


def encoder(file):
    """Nothing in text is special."""
    plain = dict(file, added_tokens=[t for t in file["added_tokens"] if not t["special"]], post_processor=None)
    made = Tokenizer.from_str(json.dumps(plain))
    return lambda text: made.encode(text, add_special_tokens=False).ids


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hashes(rows):
    return [digest("".join(row + "\n" for row in rows[i:i + 100])) for i in range(0, len(rows), 100)]


def golden(file, gguf):
    encode = encoder(file)
    rows = lambda texts: [" ".join(map(str, encode(text))) for text in texts]
    of_lines = rows(LINES)
    return {"gguf": gguf, "first": of_lines[::100], "hashes": hashes(of_lines),
            "nfd": {"texts": hashes(NFD), "hashes": hashes(rows(NFD))}}


def write(name, file, gguf):
    parts = {"tokenizer": file, **golden(file, gguf)}
    path = ROOT / f"tests/data/pre_tokenizers/{name}.json"
    path.write_text("{" + ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in parts.items()) + "}\n")
    print(f"{path}: {path.stat().st_size:,} bytes")


def main():
    (ROOT / "tests/data/pre_tokenizers").mkdir(exist_ok=True)
    for name, settings in BYTE_LEVEL.items():
        write(name, byte_level(*settings), {"model": "gpt2", "pre": name})
    for name, (settings, add_space_prefix) in SENTENCE_PIECE.items():
        file, scores = sentence_piece(*settings)
        gguf = {"model": "llama", "scores": scores, "add_space_prefix": add_space_prefix}
        write(name, file, gguf if add_space_prefix is not None else None)
    print(f"{len(LINES):,} lines, {len(NFD):,} in NFD")


if __name__ == "__main__":
    main()
