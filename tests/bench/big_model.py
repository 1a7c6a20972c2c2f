#!/usr/bin/env python3
"""Writes a GGUF file in the shape of an 8B model of the Llama 3 family: random weights in Q4_K.

usage: tests/bench/big_model.py OUT.gguf [--layers N]

What it says is noise. Memory and time are those of a real file: 32 layers, 4,096 wide, 32 and 8 KV
heads, MLP 14,336, vocabulary 128,256. With all layers the file takes 4.5 GB.
"""
import argparse
import os
import random
import struct
import sys

WIDTH, HEADS, KV_HEADS, MLP, VOCABULARY = 4096, 32, 8, 14336, 128256
F32, Q4_K = 0, 12
BLOCK_ELEMENTS, BLOCK_BYTES = 256, 144
ALIGNMENT = 32
# A weight is d * scale * q - dmin * minimum, scale and minimum of 6 bits, q of 4: with these its
# mean is 0 and its deviation about 0.02, as in trained models.
D, DMIN = 1e-4, 7.5e-4
SPECIAL = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|start_header_id|>": 128006,
           "<|end_header_id|>": 128007, "<|eot_id|>": 128009}
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' "
    "+ message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")


def byte_alphabet():
    """GPT-2's printable character of each byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte))
            for byte in range(256)]


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def metadata(layers):
    """The key-value part of the header, and how many pairs it has."""
    uint32, float32, string, int32, array = 4, 6, 8, 5, 9
    tokens = byte_alphabet() + [f"unused{i}" for i in range(VOCABULARY - 256)]
    tokens[256] = "th"  # of the one merge
    for token, number in SPECIAL.items():
        tokens[number] = token
    types = [3 if number in SPECIAL.values() else 1 for number in range(VOCABULARY)]
    pairs = [
        ("general.architecture", string, text("llama")),
        ("general.name", string, text("random weights in the shape of Llama 3 8B")),
        ("llama.block_count", uint32, struct.pack("<I", layers)),
        ("llama.context_length", uint32, struct.pack("<I", 8192)),
        ("llama.embedding_length", uint32, struct.pack("<I", WIDTH)),
        ("llama.feed_forward_length", uint32, struct.pack("<I", MLP)),
        ("llama.attention.head_count", uint32, struct.pack("<I", HEADS)),
        ("llama.attention.head_count_kv", uint32, struct.pack("<I", KV_HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", float32, struct.pack("<f", 1e-5)),
        ("llama.rope.freq_base", float32, struct.pack("<f", 500000)),
        ("llama.rope.dimension_count", uint32, struct.pack("<I", WIDTH // HEADS)),
        ("llama.vocab_size", uint32, struct.pack("<I", VOCABULARY)),
        ("tokenizer.ggml.model", string, text("gpt2")),
        ("tokenizer.ggml.pre", string, text("llama-bpe")),
        ("tokenizer.ggml.tokens", array,
         struct.pack("<IQ", string, VOCABULARY) + b"".join(map(text, tokens))),
        ("tokenizer.ggml.merges", array, struct.pack("<IQ", string, 1) + text("t h")),
        ("tokenizer.ggml.token_type", array,
         struct.pack(f"<IQ{VOCABULARY}i", int32, VOCABULARY, *types)),
        ("tokenizer.ggml.bos_token_id", uint32, struct.pack("<I", SPECIAL["<|begin_of_text|>"])),
        ("tokenizer.ggml.eos_token_id", uint32, struct.pack("<I", SPECIAL["<|eot_id|>"])),
        ("tokenizer.chat_template", string, text(TEMPLATE)),
    ]
    return b"".join(text(key) + struct.pack("<I", kind) + value
                    for key, kind, value in pairs), len(pairs)


def tensors(layers):
    """[(name, dims as in the file, type)]"""
    kv = WIDTH // HEADS * KV_HEADS
    found = [("token_embd.weight", (WIDTH, VOCABULARY), Q4_K)]
    for layer in range(layers):
        found += [(f"blk.{layer}.{name}.weight", dims, kind) for name, dims, kind in (
            ("attn_norm", (WIDTH,), F32), ("attn_q", (WIDTH, WIDTH), Q4_K),
            ("attn_k", (WIDTH, kv), Q4_K), ("attn_v", (WIDTH, kv), Q4_K),
            ("attn_output", (WIDTH, WIDTH), Q4_K), ("ffn_norm", (WIDTH,), F32),
            ("ffn_gate", (WIDTH, MLP), Q4_K), ("ffn_up", (WIDTH, MLP), Q4_K),
            ("ffn_down", (MLP, WIDTH), Q4_K))]
    return found + [("output_norm.weight", (WIDTH,), F32),
                    ("output.weight", (WIDTH, VOCABULARY), Q4_K)]


def size(dims, kind):
    elements = 1
    for dim in dims:
        elements *= dim
    return elements * 4 if kind == F32 else elements // BLOCK_ELEMENTS * BLOCK_BYTES


def padded(length):
    return -length % ALIGNMENT


def write(path, layers):
    noise = random.Random(1)
    scales = struct.pack("<ee", D, DMIN)
    # A pool of blocks, read from another place for each tensor.
    pool = b"".join(scales + noise.randbytes(BLOCK_BYTES - 4) for _ in range(32768))
    pairs, count = metadata(layers)
    listed, directory, offset = tensors(layers), b"", 0
    for name, dims, kind in listed:
        directory += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
        offset += size(dims, kind) + padded(size(dims, kind))
    with open(path + ".part", "wb") as out:
        head = b"GGUF" + struct.pack("<IQQ", 3, len(listed), count) + pairs + directory
        out.write(head + bytes(padded(len(head))))
        for done, (_, dims, kind) in enumerate(listed, 1):
            left = size(dims, kind)
            if kind == F32:
                out.write(struct.pack("<f", 1.0) * dims[0])
            else:
                start = noise.randrange(32768) * BLOCK_BYTES
                chunk = pool[start:] + pool[:start]
                while left > 0:
                    left -= out.write(chunk[:left])
            out.write(bytes(padded(size(dims, kind))))
            print(f"\r{done} of {len(listed)} tensors", end="", file=sys.stderr)
    print(file=sys.stderr)
    os.rename(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=32)
    options = parser.parse_args()
    write(options.out, options.layers)


if __name__ == "__main__":
    main()
