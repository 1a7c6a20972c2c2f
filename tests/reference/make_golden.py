"""Writes the golden files under tests/data; README.md here lists them.

    make_golden.py tiny
    make_golden.py train
    make_golden.py architectures
    make_golden.py smollm2 --model SmolLM2-135M-Instruct.Q4_1.gguf
    make_golden.py passkey --model SmolLM2-135M-Instruct.Q4_1.gguf
"""

import argparse
from pathlib import Path

import torch

import golden_architectures
import golden_passkey
import golden_smollm2
import golden_tiny
import golden_train

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=(
        "tiny", "train", "architectures", "smollm2", "passkey"))
    parser.add_argument("--model", type=Path, help="the SmolLM2 GGUF file",
                        default=ROOT / "third_party/models"
                        / "SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--keep-full", action="store_true",
                        help="passkey: keep the answers from whole texts, which do "
                        "not depend on the adapter")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = ROOT / "tests/data"
    if args.what == "tiny":
        golden_tiny.write(data / "tiny")
    elif args.what == "train":
        golden_train.write(data / "tiny")
    elif args.what == "architectures":
        golden_architectures.write(data / "architectures")
    elif args.what == "smollm2":
        golden_smollm2.write(data / "smollm2", args.model)
    else:
        golden_passkey.write(data / "passkey", args.model,
                             ROOT / "adapters/default", args.keep_full)


if __name__ == "__main__":
    main()
