"""Writes tests/data/dequantize/blocks.safetensors: random blocks and their values.

    python3 tests/reference/make_dequantize_golden.py    (needs gguf, numpy, safetensors)

For each tensor type NAME of a GGUF file that gistd reads: NAME.blocks, U8 [blocks, bytes of
a block], random bytes with chosen scales; NAME.values, F32 [blocks, elements of a block], as
gguf.quants.dequantize gives them.
"""
from pathlib import Path

import gguf
import numpy
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parents[1] / "data/dequantize/blocks.safetensors"
# Where a block has its float16 numbers.
HALVES = {
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "IQ4_XS": [0], "F32": [], "BF16": [],
}
# Zeros, the least and the largest halves, subnormal ones, ordinary weights' scales.
SCALES = numpy.array([0.0, -0.0, 6e-8, -6e-8, 5.9e-5, 65504, -65504, 1, -3, 0.0123, -0.00234],
                     dtype=numpy.float16)


def blocks_of(name, random):
    elements, size = GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    count = {1: 64, 32: 24, 256: 12}[elements]
    blocks = random.integers(0, 256, (count, size), dtype=numpy.uint8)
    if name in ("F32", "BF16"):
        top = blocks[:, -1]
        top[(top & 0x7f) == 0x7f] ^= 0x40  # no infinity, no NaN
        return blocks
    for at in HALVES[name]:
        scales = random.choice(SCALES, count)
        blocks[:, at:at + 2] = scales.view(numpy.uint8).reshape(count, 2)
    return blocks


def main():
    random = numpy.random.default_rng(7)
    tensors = {}
    for name in HALVES:
        blocks = blocks_of(name, random)
        kind = gguf.GGMLQuantizationType[name]
        values = numpy.stack([dequantize(block, kind) for block in blocks])
        assert numpy.isfinite(values).all(), name
        tensors[f"{name}.blocks"] = blocks
        tensors[f"{name}.values"] = values.astype(numpy.float32)
    OUT.parent.mkdir(exist_ok=True)
    save_file(tensors, OUT)


main()
