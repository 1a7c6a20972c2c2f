"""Makes tests/data/unigram/ with the `tokenizers` package as the reference.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_unigram_golden.py

A small vocabulary in the form of XLM-RoBERTa's, trained on part of the text
of tests/data/wordpiece, with SentencePiece's own nmt_nfkc as the normalizer.
Special tokens are taken out: in a text they are text. Training is not the same
to the bit each time: both files belong together. Output:
  tokenizer.json  1,416 pieces of its first 1,100 lines; words end at white space, as in the files of
                  paraphrase-multilingual-MiniLM-L12-v2
  hashes.txt      for each line of tests/data/wordpiece/lines.jsonl: the number
                  of tokens, and a hash (make_wordpiece_golden.py) over id and
                  begin, twice, of each, or, with "ids" behind it, over id and
                  two zeros; three times:
                  at white space; at spaces, joined; the same, and white space
                  at the text's end dropped
"""

import base64
import json
import pathlib
import tempfile

import sentencepiece
from make_wordpiece_golden import hash_of
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
REPLACE = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}
STRIP = {"type": "Strip", "strip_left": False, "strip_right": True}


def charsmap():
    """nmt_nfkc, as SentencePiece compiles it into a model."""
    with tempfile.TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c"] * 10), model_prefix=f"{folder}/m", vocab_size=8, hard_vocab_limit=False,
            normalization_rule_name="nmt_nfkc", minloglevel=2)
        model = sentencepiece_model_pb2.ModelProto.FromString(pathlib.Path(f"{folder}/m.model").read_bytes())
    return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


def train(lines):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(lines, trainers.UnigramTrainer(
        vocab_size=2500, show_progress=False, special_tokens=SPECIAL, unk_token="<unk>"))
    return json.loads(tokenizer.to_str())


def settings_of(trained, normalizer, pre_tokenizer):
    added = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i, token in enumerate(SPECIAL)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": None, "model": trained["model"]}


def reference(settings):
    """Without special tokens: their pieces are what no text has."""
    plain = json.loads(json.dumps(settings))
    plain["added_tokens"] = []
    for i in range(len(SPECIAL)):
        plain["model"]["vocab"][i][0] = f"\x00{i}"
    return Tokenizer.from_str(json.dumps(plain))


def tokens_of(tokenizer, text):
    """[id, begin, begin] of each token, in bytes. White space in front of a word is left out; a mark alone in front
    of a character stands for that. [id, 0, 0] where the normalizer drops or joins characters: there the reference's
    offsets are beside the characters."""
    encoded = tokenizer.encode(text, add_special_tokens=False)
    normalize = tokenizer.normalizer.normalize_str
    normalized = normalize(text)
    if len(normalized) != len(text) or any(len(normalize("a" + c + "b")) != 3 for c in text):
        return [[token, 0, 0] for token in encoded.ids]
    ends = [0]
    for character in text:
        ends.append(ends[-1] + len(character.encode()))
    tokens = []
    for i, (begin, end) in enumerate(encoded.offsets):
        ink = begin + len(normalized[begin:end]) - len(normalized[begin:end].lstrip(" ▁"))
        if ink < end or i + 1 < len(encoded) and not encoded.tokens[i + 1].startswith("▁"):
            begin = ink
        tokens.append([encoded.ids[i], ends[begin], ends[begin]])
    return tokens


def main():
    folder = ROOT / "tests/data/unigram"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in (ROOT / "tests/data/wordpiece/lines.jsonl").read_text().split("\n") if line]
    precompiled = {"type": "Precompiled", "precompiled_charsmap": charsmap()}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    at_whitespace = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]}
    trained = train(lines[:1100])
    kinds = [settings_of(trained, precompiled, at_whitespace)]
    for steps in [precompiled, REPLACE], [precompiled, STRIP, REPLACE]:
        kinds.append(settings_of(trained, {"type": "Sequence", "normalizers": steps}, metaspace))
    (folder / "tokenizer.json").write_text(json.dumps(kinds[0], ensure_ascii=False) + "\n")
    with open(folder / "hashes.txt", "w") as file:
        for kind in kinds:
            tokenizer = reference(kind)
            for line in lines:
                tokens = tokens_of(tokenizer, line)
                ids = " ids" if not any(begin for _, begin, _ in tokens) else ""
                file.write(f"{len(tokens)} {hash_of(tokens):08x}{ids}\n")
    print(f"{len(lines)} lines, three ways; tokenizer.json {(folder / 'tokenizer.json').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
