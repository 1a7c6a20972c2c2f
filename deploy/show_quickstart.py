#!/usr/bin/env python3
"""Prints what deploy/quickstart.sh measured.

usage: deploy/show_quickstart.py FOLDER QUESTION
FOLDER holds compress.json, gist.json and full.json, as gist --json wrote them.
"""
import json
import pathlib
import sys

HEADER = ("mode", "tokens that stand for it", "KV bytes", "first token",
          "total", "answer")


def row(name, reply):
    usage, timings = reply["usage"], reply["timings"]
    tokens = usage["loaded_slots"] + usage["prefilled_tokens"]
    return (name, f"{tokens:,}", f"{usage['kv_bytes']:,}",
            f"{timings['first_token_seconds']:.2f} s",
            f"{timings['total_seconds']:.2f} s",
            " ".join(reply["answer"].split()))


def print_table(rows):
    # The last column is text of any length; the numbers are right-aligned.
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER) - 1)]
    for cells in rows:
        numbers = [f"{cell:>{width}}"
                   for cell, width in zip(cells[1:], widths[1:])]
        print("  ".join([f"{cells[0]:<{widths[0]}}", *numbers, cells[-1]]))


def print_compression(reply):
    took = ("it was there already" if reply["cached"]
            else f"{reply['timings']['total_seconds']:.2f} s")
    context = reply["context"]
    gists = reply["representation"]
    print(f"\n{context['document_tokens']:,} tokens became "
          f"{gists['kv_slots']} gist tokens "
          f"({gists['ratio']:.0f}x); {took}")


def print_accuracy():
    """What texts that were not chosen give: tests/reference measured it."""
    root = pathlib.Path(__file__).parent.parent
    summary = json.loads(
        (root / "tests/data/passkey/summary.json").read_text())
    cell = summary["accuracy"]["en_1024"]
    print("\nThe sample was chosen so that both answers are right. Of "
          f"{cell['contexts']} English texts of about\n1,024 tokens that were "
          "not chosen, the gists gave the exact passkey for "
          f"{cell['gist']['exact']:.0%},\nthe full text for "
          f"{cell['full']['contains']:.0%}; see docs/accuracy.md.")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    compress, gist, full = (
        json.loads((folder / f"{name}.json").read_text())
        for name in ("compress", "gist", "full"))
    print_compression(compress)
    print(f"question: {sys.argv[2]}\n")
    print_table([HEADER, row("gist", gist), row("full", full)])
    print_accuracy()


if __name__ == "__main__":
    main()
