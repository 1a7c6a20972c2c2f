"""Writes the seeds in tests/fuzz/corpus/{gguf,safetensors}.

    python3 tests/fuzz/make_corpus.py      (needs gguf, numpy, safetensors, torch)

The files come from the formats' own Python packages, so that the parsers are
tested on what others write; tests/core/format reads some of them too.
"""
import pathlib
import struct

import gguf
import numpy
import safetensors.torch
import torch

CORPUS = pathlib.Path(__file__).parent / "corpus"


def write_gguf(path, alignment=None):
    """One tensor of each supported type, one key of each value type."""
    writer = gguf.GGUFWriter(path, "llama")
    if alignment:
        writer.add_custom_alignment(alignment)
    writer.add_uint32("u32", 7)
    writer.add_float32("f32", 0.5)
    writer.add_bool("bool", True)
    writer.add_uint64("u64", 2**63)
    writer.add_int64("i64", -1)
    writer.add_array("strings", ["", "ab"])
    writer.add_array("ints", [1, -2])
    writer.add_array("floats", [0.25])
    row = numpy.linspace(-1, 1, 32, dtype=numpy.float32)
    writer.add_tensor("f32", row[:4].reshape(2, 2))
    writer.add_tensor("f16", row[:3].astype(numpy.float16))
    for kind in ("Q4_0", "Q4_1", "Q8_0"):
        kind = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(kind.name, gguf.quantize(row, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf_types(path):
    """A tensor of random bytes, with finite scales, of each type that no array becomes."""
    writer = gguf.GGUFWriter(path, "llama")
    random = numpy.random.default_rng(1)
    for name in ("Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS",
                 "BF16"):
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        block = random.integers(0, 64, (1, size), dtype=numpy.uint8)
        writer.add_tensor(name, block, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf_version_2(path):
    """The least file: a key with a small integer, no tensor."""
    key = struct.pack("<Q1sIB", 1, b"k", 0, 255)
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 2, 0, 1) + key)


def write_safetensors(path):
    row = torch.tensor([[-1.0, -0.5, 0.0], [0.5, 1.0, 1.5]])
    tensors = {
        "float32": row,
        "float16": row.half(),
        "bfloat16": row.bfloat16(),
        "uint8": torch.tensor([0, 127, 255], dtype=torch.uint8),
    }
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def main():
    for name in ("gguf", "safetensors"):
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
    write_gguf(CORPUS / "gguf" / "python.gguf")
    write_gguf(CORPUS / "gguf" / "alignment8.gguf", alignment=8)
    write_gguf_types(CORPUS / "gguf" / "types.gguf")
    write_gguf_version_2(CORPUS / "gguf" / "version2.gguf")
    write_safetensors(CORPUS / "safetensors" / "python.safetensors")
    odd = {"none": torch.zeros(0, 5), "scalar": torch.tensor(1.5)}
    safetensors.torch.save_file(odd, CORPUS / "safetensors" / "odd.safetensors")


main()
