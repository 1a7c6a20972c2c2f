#!/usr/bin/env python3
"""Compares gistd's greedy answers with those of transformers on a model file of yours.

usage: tests/bench/same_answers.py MODEL.gguf [--chat-template FILE] [--tokens N]
           [--build FOLDER]

Five prompts, each a text and a question, up to 64 tokens. Prints where answers part. Wants pip
install transformers torch accelerate gguf. Nothing is fetched. Exit 1: an answer differs.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def prompts():
    """[(text, question)]"""
    sample = (ROOT / "deploy/sample/document.txt").read_text(encoding="utf-8")
    korean = "서울 항구의 창고는 밤에 문을 닫는다. 비밀 암호는 QRT482 이다."
    code = "def area(width, height):\n    return width * height\n\nprint(area(3, 4))\n"
    return [(sample, "What is the secret passkey?"),
            (sample, "What is this text about?"),
            (sample[:600], "Write one sentence about this text."),
            (korean, "비밀 암호는 무엇인가?"),
            (code, "What does this program print?")]


class Gistd:
    def __init__(self, build, model, template, work):
        self.gist = f"{build}/gist"
        log = pathlib.Path(work, "log")
        flags = ["--chat-template", template] if template else []
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [f"{build}/gistd", "--model", model, "--listen", "127.0.0.1:0", "--admin", "off",
                 "--drain-seconds", "0", "--adapter", "off", "--answer-adapter", "off",
                 "--embedder", "off", "--data-dir", f"{work}/data", *flags],
                stdout=out, stderr=out)
        ready = None
        while not ready:
            ready = re.search(r"gistd ready listen=(\S+)", log.read_text(encoding="utf-8"))
            if self.process.poll() is not None:
                sys.exit(log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        self.address = ready[1]

    def call(self, *arguments, text=None):
        return subprocess.run([self.gist, "--server", self.address, *arguments], input=text,
                              capture_output=True, text=True, check=True).stdout

    def answer(self, text, question, tokens):
        context = self.call("add", "-", text=text).strip()
        return self.call("ask", context, question, "--mode", "full", "--max-tokens", str(tokens))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Transformers:
    def __init__(self, model, template):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        folder, name = str(pathlib.Path(model).parent), pathlib.Path(model).name
        self.tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
        self.model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name,
                                                          dtype=torch.float32).eval()
        self.template = pathlib.Path(template).read_text() if template else None

    def answer(self, text, question, tokens):
        written = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{text}\n\n{question}"}], tokenize=False,
            add_generation_prompt=True, chat_template=self.template)
        ids = self.tokenizer(written, add_special_tokens=False, return_tensors="pt")["input_ids"]
        out = self.model.generate(ids, max_new_tokens=tokens, do_sample=False,
                                  repetition_penalty=1.0)
        return self.tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--chat-template")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    options = parser.parse_args()
    ours = []
    with tempfile.TemporaryDirectory() as work:
        server = Gistd(options.build, options.model, options.chat_template, work)
        try:
            for text, question in prompts():
                ours.append(server.answer(text, question, options.tokens).strip())
        finally:
            server.stop()
    peer = Transformers(options.model, options.chat_template)
    differ = 0
    for (text, question), mine in zip(prompts(), ours):
        theirs = peer.answer(text, question, options.tokens).strip()
        if mine == theirs:
            print(f"same, {len(mine)} characters: {question} {mine[:50]!r}", flush=True)
            continue
        differ += 1
        at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b),
                  min(len(mine), len(theirs)))
        print(f"part after {at} characters: {question}\n  gistd: {mine[:at + 40]!r}\n"
              f"  transformers: {theirs[:at + 40]!r}", flush=True)
    print(f"{len(ours) - differ} of {len(ours)} answers are the same as transformers'")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
