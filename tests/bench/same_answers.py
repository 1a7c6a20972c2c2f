#!/usr/bin/env python3
"""Compares gistd's greedy answers with those of another engine on a model file of yours.

usage: tests/bench/same_answers.py MODEL.gguf [--peer transformers|llama.cpp] [--weights NAME]
           [--chat-template FILE] [--tokens N] [--build FOLDER]

Five prompts, each a text and a question, up to 64 tokens at temperature 0. Where answers part it
prints the position, both tokens, and how far apart gistd's two likeliest tokens are there, in nats.
transformers computes in float32 (pip install transformers torch accelerate gguf). llama.cpp
rounds the inputs of each product to 8 bits beside quantized weights (pip install
llama-cpp-python; LLAMA_CPP_LIB_PATH names a folder with a libllama.so of yours). Wants gistd, gist
and gist_top_two built. Nothing is fetched. Exit 1: an answer differs.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def prompts():
    """[(text, question)]; no text ends in a line's end: gistd encodes a text by itself, and a peer
    would join that end with what stands behind it."""
    sample = (ROOT / "deploy/sample/document.txt").read_text(encoding="utf-8")
    korean = "서울 항구의 창고는 밤에 문을 닫는다. 비밀 암호는 QRT482 이다."
    code = "def area(width, height):\n    return width * height\n\nprint(area(3, 4))"
    return [(sample, "What is the secret passkey?"),
            (sample, "What is this text about?"),
            (sample[:600], "Write one sentence about this text."),
            (korean, "비밀 암호는 무엇인가?"),
            (code, "What does this program print?")]


class Gistd:
    def __init__(self, build, model, weights, template, work):
        self.gist = f"{build}/gist"
        log = pathlib.Path(work, "log")
        flags = ["--chat-template", template] if template else []
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [f"{build}/gistd", "--model", model, "--listen", "127.0.0.1:0", "--admin", "off",
                 "--drain-seconds", "0", "--adapter", "off", "--answer-adapter", "off",
                 "--embedder", "off", "--weights", weights, "--data-dir", f"{work}/data", *flags],
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
        self.template = template

    def prompt(self, message):
        written = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": message}], tokenize=False,
            add_generation_prompt=True, chat_template=self.template)
        return self.tokenizer(written, add_special_tokens=False)["input_ids"]

    def answer(self, prompt, tokens):
        import torch
        out = self.model.generate(torch.tensor([prompt]), max_new_tokens=tokens, do_sample=False,
                                  repetition_penalty=1.0)
        return out[0, len(prompt):].tolist()

    def text(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=True)


class LlamaCpp:
    def __init__(self, model, template):
        import llama_cpp
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter
        self.model = llama_cpp.Llama(str(model), n_ctx=4096, verbose=False,
                                     type_k=llama_cpp.GGML_TYPE_F32,
                                     type_v=llama_cpp.GGML_TYPE_F32)
        self.is_end = lambda token: llama_cpp.llama_vocab_is_eog(self.model._model.vocab, token)
        template = template or self.model.metadata["tokenizer.chat_template"]
        special = [self.model._model.token_get_text(token) if token >= 0 else ""
                   for token in (self.model.token_eos(), self.model.token_bos())]
        self.template = Jinja2ChatFormatter(template, *special)

    def prompt(self, message):
        written = self.template(messages=[{"role": "user", "content": message}]).prompt
        return self.model.tokenize(written.encode(), add_bos=False, special=True)

    def answer(self, prompt, tokens):
        answer = []
        for token in self.model.generate(prompt, temp=0.0, repeat_penalty=1.0):
            answer.append(token)
            if self.is_end(token) or len(answer) == tokens:
                return answer
        return answer

    def text(self, ids):
        return b"".join(self.model.detokenize([i]) for i in ids).decode(errors="replace")


PEERS = {"transformers": Transformers, "llama.cpp": LlamaCpp}


def parting(peer, mine, theirs):
    """How many of the peer's tokens are in our answer too."""
    same = 0
    while same < len(theirs) and mine.lstrip().startswith(
            peer.text(theirs[:same + 1]).lstrip().rstrip("\ufffd")):
        same += 1
    return same


class TopTwo:
    """Our own logits behind token ids."""

    def __init__(self, options):
        self.process = subprocess.Popen(
            [f"{options.build}/gist_top_two", options.model, "--weights",
             options.weights], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def behind(self, ids):
        print(*ids, file=self.process.stdin, flush=True)
        found = json.loads(self.process.stdout.readline())
        return found["ids"], found["margin"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def our_answers(options):
    with tempfile.TemporaryDirectory() as work:
        server = Gistd(options.build, options.model, options.weights, options.chat_template, work)
        try:
            return [server.answer(text, question, options.tokens)
                    for text, question in prompts()]
        finally:
            server.stop()


def tell_parting(peer, name, question, mine, prompt, theirs, top):
    at = parting(peer, mine, theirs)
    best, margin = top.behind(prompt + theirs[:at])
    token = theirs[at] if at < len(theirs) else None
    print(f"part at token {at + 1} of {len(theirs)}: {question}\n"
          f"  both: ...{peer.text(theirs[:at])[-40:]!r}\n"
          f"  gistd {best[0]} {peer.text(best[:1])!r}, {name} {token} "
          f"{peer.text(theirs[at:at + 1])!r}\n"
          f"  gistd's two likeliest: {best[0]} and {best[1]}, {margin:.4f} nats apart", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--peer", choices=PEERS, default="transformers")
    parser.add_argument("--weights", default="float32")
    parser.add_argument("--chat-template")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    options = parser.parse_args()
    ours = our_answers(options)
    template = options.chat_template and pathlib.Path(options.chat_template).read_text("utf-8")
    peer = PEERS[options.peer](options.model, template)
    top = TopTwo(options)
    differ = 0
    for (text, question), mine in zip(prompts(), ours):
        prompt = peer.prompt(f"{text}\n\n{question}")
        theirs = peer.answer(prompt, options.tokens)
        if mine.strip() == peer.text(theirs).strip():
            print(f"same, {len(theirs)} tokens: {question} {mine.strip()[:50]!r}", flush=True)
            continue
        differ += 1
        tell_parting(peer, options.peer, question, mine, prompt, theirs, top)
    top.stop()
    print(f"{len(ours) - differ} of {len(ours)} answers are the same as {options.peer}'s")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
