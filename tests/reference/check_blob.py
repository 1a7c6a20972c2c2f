"""Gist blobs from Python's side: opens those of gistd, and makes some for it.

    python tests/reference/check_blob.py check FILE...
    python tests/reference/check_blob.py make
        writes tests/storage/data/python.safetensors and the seeds in
        tests/fuzz/corpus/gist_blob

Needs numpy, safetensors, torch and libxxhash.so.0. It follows
storage/FORMAT.md and shares nothing with the C++ code.
"""
import ctypes
import hashlib
import json
import pathlib
import re
import struct
import sys

import safetensors.torch
import torch

TESTS = pathlib.Path(__file__).parent.parent
TEXT = b"The key of the blue door is 7316."
CHECKSUM = re.compile(rb'(?<="checksum":")[0-9a-f]{16}(?=")')
TYPES = (torch.float16, torch.bfloat16, torch.float32)


def checksum(blob):
    """Of the blob with zeros in the place of the digits."""
    hash64 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    hash64.restype = ctypes.c_uint64
    hash64.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    zeroed = CHECKSUM.sub(b"0" * 16, blob, count=1)
    return b"%016x" % hash64(zeroed, len(zeroed))


def field(text):
    return struct.pack("<Q", len(text)) + text.encode()


def old_context_id(record):
    names = ("document_id", "model_fingerprint", "adapter_fingerprint")
    key = b"".join(field(record[name]) for name in names)
    key += struct.pack("<Q", record["gist_tokens"])
    return "ctx_" + hashlib.sha256(key).hexdigest()[:32]


def context_id(record):
    key = field(record["document_id"]) + field(record["model_fingerprint"])
    digits = hashlib.sha256(key).hexdigest()[:24]
    return "ctx_" + record["document_id"][:8] + digits


def check_version1(record, tensors):
    assert record["context_id"] == old_context_id(record), "context_id"
    keys, values = tensors.pop("gist.keys"), tensors.pop("gist.values")
    assert keys.shape == values.shape and keys.dtype == values.dtype in TYPES
    assert keys.shape[2] == record["gist_tokens"], keys.shape
    assert keys.nbytes + values.nbytes == record["kv_bytes"], keys.nbytes
    assert keys.isfinite().all() and values.isfinite().all()
    return f"{keys.dtype} {list(keys.shape)}"


def check_representation(form, index, tensors):
    """Takes the representation's tensors out of `tensors`."""
    take = lambda name: tensors.pop(f"{index}.{name}", None)
    slots, keys, values = take("slots"), take("keys"), take("values")
    total = int(slots.to(torch.int64).sum())
    assert keys.shape == values.shape and keys.dtype == values.dtype
    assert keys.shape[0] == total and (slots.to(torch.int64) > 0).all()
    numbers = keys.nbytes + values.nbytes
    if form["storage"] == "i8":
        assert keys.dtype == torch.int8, keys.dtype
        for name in ("key_scales", "value_scales"):
            scales = take(name)
            assert scales.dtype == torch.bfloat16 and len(scales) == total
            assert scales.isfinite().all()
            numbers += scales.nbytes
    else:
        assert keys.dtype in TYPES, keys.dtype
        assert keys.isfinite().all() and values.isfinite().all()
    for name in ("positions", "bias"):
        extra = take(name)
        if extra is not None:
            assert len(extra) == total, name
            numbers += extra.nbytes
    assert numbers == form["kv_bytes"], numbers
    assert -(-total // slots.numel()) == form["kv_slots"], total
    if form["rung"] == "gist":
        assert (slots.to(torch.int64) == form["gist_tokens"]).all()
    return f"{form['rung']} {keys.dtype} {list(slots.shape)} {total} slots"


def check_version2(record, tensors):
    assert record["context_id"] == context_id(record), "context_id"
    return "; ".join(check_representation(form, index, tensors)
                     for index, form in enumerate(record["representations"]))


def check(path):
    blob = path.read_bytes()
    assert CHECKSUM.search(blob)[0] == checksum(blob), "checksum"
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    assert metadata["format"] == "gistd.gist_kv", metadata["format"]
    version = metadata["format_version"]
    record = json.loads(metadata["gist" if version == "1" else "context"])
    text = tensors.pop("document.text", None)
    if text is not None:
        decoded = bytes(text.tolist()).decode()
        assert len(decoded.encode()) == record["document_bytes"]
    checks = {"1": check_version1, "2": check_version2}
    found = checks[version](record, tensors)
    assert not tensors, list(tensors)
    print(f"{path}: version {version}, {found}, {record['context_id']}")


def make(path, dtype=torch.float16, text=TEXT, largest=0.0):
    """Version 1 of the context of tests/storage/samples.h."""
    steps = torch.arange(16, dtype=torch.float32).reshape(2, 1, 2, 4)
    keys, values = steps * 0.25 - 1, 2 - steps * 0.5
    keys[0, 0, 0, 0] += largest
    tensors = {"gist.keys": keys.to(dtype), "gist.values": values.to(dtype)}
    if text:
        tensors["document.text"] = torch.tensor(list(text), dtype=torch.uint8)
    record = {
        "document_id": hashlib.sha256(field("") + TEXT).hexdigest(),
        "model_fingerprint": hashlib.sha256(b"model").hexdigest(),
        "adapter_fingerprint": hashlib.sha256(b"adapter").hexdigest(),
        "document_bytes": len(TEXT),
        "document_tokens": 11,
        "gist_tokens": 2,
        "kv_bytes": 2 * tensors["gist.keys"].nbytes,
        "created_unix_ms": 1700000000123,
        "compress_seconds": 0.1,
        "imported": False,
    }
    record["context_id"] = old_context_id(record)
    metadata = {"format": "gistd.gist_kv", "format_version": "1",
                "checksum": "0" * 16, "gist": json.dumps(record)}
    blob = safetensors.torch.save(tensors, metadata)
    path.write_bytes(CHECKSUM.sub(checksum(blob), blob, count=1))
    check(path)


def make_all():
    make(TESTS / "storage/data/python.safetensors")
    corpus = TESTS / "fuzz/corpus/gist_blob"
    corpus.mkdir(exist_ok=True)
    seeds = {"half": {}, "bare": {"text": b""},
             "bfloat16": {"dtype": torch.bfloat16, "largest": 1e6},
             "float32": {"dtype": torch.float32, "largest": 3.4e38}}
    for name, options in seeds.items():
        path = corpus / name
        make(path, **options)
        # The fuzzer's first byte; 1: it puts the checksum right.
        path.write_bytes(b"\1" + path.read_bytes())


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make_all()
    elif sys.argv[1:2] == ["check"] and len(sys.argv) > 2:
        for name in sys.argv[2:]:
            check(pathlib.Path(name))
    else:
        sys.exit(__doc__)
