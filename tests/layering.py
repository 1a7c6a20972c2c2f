#!/usr/bin/env python3
"""Checks that includes follow the arrows of ARCHITECTURE.md.

usage: tests/layering.py [ROOT]     lists each violation; exit 1 if there is one
       tests/layering.py --self-check  plants violations and wants each found
"""
import pathlib
import re
import sys
import tempfile

# What each part may include beside itself. The first pattern that a path
# matches decides.
ARROWS = [
    ("core/base/", []),
    ("core/format/", ["core/base/"]),
    ("core/text/", ["core/base/"]),
    ("core/embed/", ["core/base/", "core/format/", "core/text/"]),
    ("core/gist/", ["core/base/"]),
    ("core/model/", ["core/base/", "core/format/", "core/gist/"]),
    ("core/data/", ["core/base/", "core/text/"]),
    ("core/model_file.", ["core/base/", "core/format/", "core/text/"]),
    ("core/base_model.", ["core/base/", "core/format/", "core/text/",
                          "core/model/", "core/model_file.h"]),
    ("core/recipe.", ["core/base/", "core/trainer.h"]),
    ("core/train/", ["core/base/", "core/format/", "core/text/", "core/gist/",
                     "core/data/", "core/model/", "core/base_model.h",
                     "core/embed/bm25.h", "core/embed/passages.h",
                     "core/embedder.h",
                     "core/torch_embedder.h", "core/recipe.h",
                     "core/trainer.h"]),
    ("core/plan", ["core/base/", "core/format/", "core/model/model_config.h"]),
    ("core/engine.h", ["core/base/", "core/trainer.h"]),
    ("core/embedder.h", ["core/base/", "core/embed/"]),
    ("core/torch_embedder.", ["core/base/", "core/embed/", "core/embedder.h"]),
    ("core/trainer.h", ["core/base/", "core/data/"]),
    ("core/torch_engine.", ["core/base/", "core/format/", "core/text/",
                            "core/gist/", "core/data/", "core/model/",
                            "core/train/", "core/base_model.h", "core/trainer.h",
                            "core/engine.h"]),
    ("storage/", ["core/base/", "core/format/"]),
    ("server/main.cc", ["server/", "proto/", "storage/", "core/base/",
                        "core/engine.h", "core/torch_engine.h",
                        "core/embedder.h", "core/torch_embedder.h",
                        "core/trainer.h", "core/recipe.h", "core/data/",
                        "tests/support/fake_engine.h",
                        "tests/support/fake_embedder.h"]),
    ("server/", ["proto/", "storage/", "core/base/", "core/data/",
                 "core/embed/bm25.h", "core/embed/passages.h", "core/engine.h",
                 "core/embedder.h", "core/recipe.h", "core/trainer.h"]),
    ("client/data/", ["client/", "core/base/", "core/data/", "core/text/",
                      "core/model_file.h", "core/format/mapped_file.h"]),
    ("client/eval/", ["client/", "core/base/", "core/data/"]),
    ("client/", ["proto/", "core/base/", "core/gist/"]),
]
# Libraries that stay in the parts that wrap them.
FENCES = [
    (r"(torch|ATen|c10)/", ["core/model/", "core/train/", "core/embed/encoder"]),
    (r"(rocksdb|hnswlib)/", ["storage/"]),
    (r"(grpcpp|grpc|google/protobuf|google/rpc|proto|gist/v1)/",
     ["server/grpc_", "server/proto_convert", "server/rpc.h",
      "server/train_service", "server/train_convert", "server/main.cc",
      "client/"]),
    (r"(CLI/|yaml-cpp/|prometheus/|spdlog/)",
     ["server/", "client/", "core/base/yaml_scalar.h", "core/recipe.cc",
      "core/plan_main.cc", "core/train/gist_train"]),
    (r"spdlog/", ["server/"]),
    (r"civetweb", ["server/admin_server.cc"]),
    (r"pcre2", ["core/text/"]),
    (r"utf8proc", ["core/embed/"]),
    (r"openssl/", ["core/base/"]),
    (r"xxhash", ["storage/"]),
    (r"(curl/|archive)", ["client/data/"]),
]
FOLDERS = ("core", "storage", "server", "client")
SOURCES = (".h", ".cc", ".cu")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.M)


def starts(path, prefixes):
    return any(path.startswith(prefix) for prefix in prefixes)


def part_of(path):
    for part, allowed in ARROWS:
        if path.startswith(part):
            return part, allowed
    return None, None


def is_ours(include):
    return starts(include, ("core/", "storage/", "server/", "client/",
                            "tests/"))


def violations_in(path, text):
    """What is wrong in one file; `path` is relative to the root."""
    part, allowed = part_of(path)
    if part is None:
        yield f"{path}: belongs to no part; name it in tests/layering.py"
        return
    for include in INCLUDE.findall(text):
        if is_ours(include) and not starts(include, [part, *allowed]):
            yield (f"{path}: includes {include}; {part} may include only "
                   f"{', '.join(allowed) or 'itself'}")
        for library, homes in FENCES:
            if re.match(library, include) and not starts(path, homes):
                yield (f"{path}: includes {include}, which stays in "
                       f"{', '.join(homes)}")
        if include.startswith("../") or "/../" in include:
            yield f"{path}: includes {include}; want a path from the root"


def check(root):
    """(violations, number of files read)"""
    files = [path for folder in FOLDERS
             for path in sorted((root / folder).rglob("*"))
             if path.suffix in SOURCES]
    found = []
    for path in files:
        name = path.relative_to(root).as_posix()
        found += violations_in(name, path.read_text(encoding="utf-8"))
    return found, len(files)


PLANTED = [
    ("core/base/a.h", '#include "core/format/gguf.h"'),
    ("core/text/a.cc", '#include "core/model/weights.h"'),
    ("core/plan.cc", '#include "core/model/tensors.h"'),
    ("core/gist/a.cc", "#include <ATen/core/Tensor.h>"),
    ("core/torch_engine.cc", "#include <torch/types.h>"),
    ("core/embed/chunker.cc", "#include <ATen/core/Tensor.h>"),
    ("core/embed/encoder.cc", '#include "core/model/ops.h"'),
    ("core/model/a.cc", '  #  include "spdlog/spdlog.h"'),
    ("core/model/b.cu", '#include "core/text/tokenizer.h"'),
    ("storage/a.cc", '#include "core/engine.h"'),
    ("server/pipeline.cc", '#include "gist/v1/gist.pb.h"'),
    ("server/pipeline.h", "#include <rocksdb/db.h>"),
    ("server/errors.cc", '#include "google/rpc/status.pb.h"'),
    ("server/metrics.cc", '#include "civetweb.h"'),
    ("server/config.cc", '#include "core/torch_engine.h"'),
    ("server/scheduler.cc", '#include "tests/support/fake_engine.h"'),
    ("client/cli.cc", '#include "server/pipeline.h"'),
    ("client/gist_client.cc", '#include "../storage/kv_codec.h"'),
    ("client/data/niah.cc", '#include "core/format/gguf.h"'),
    ("client/eval/sample.cc", '#include "core/text/tokenizer.h"'),
    ("core/data/longbench.cc", "#include <curl/curl.h>"),
    ("core/new/a.cc", ""),
]
ALLOWED = [
    ("core/model/a.cc", "#include <ATen/core/Tensor.h>"),
    ("server/main.cc", '#include "core/torch_engine.h"'),
    ("server/grpc_service.cc", '#include "gist/v1/gist.grpc.pb.h"'),
    ("client/commands.cc", '#include "core/gist/mask.h"'),
    ("storage/gist_store.cc", '// #include "core/engine.h"'),
]


def self_check():
    """Each planted violation is found on its own; nothing that is allowed."""
    wrong = []
    for expected, cases in ((True, PLANTED), (False, ALLOWED)):
        for name, line in cases:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / name
                path.parent.mkdir(parents=True)
                path.write_text(f"#pragma once\n{line}\n")
                found, files = check(pathlib.Path(folder))
            if files != 1 or bool(found) != expected:
                wrong.append(f"{name}: {line}: want "
                             f"{'a violation' if expected else 'none'}, "
                             f"got {found}")
    return wrong, len(PLANTED) + len(ALLOWED)


def main():
    if sys.argv[1:] == ["--self-check"]:
        found, count = self_check()
    else:
        root = pathlib.Path(sys.argv[1] if sys.argv[1:] else
                            pathlib.Path(__file__).parent.parent).resolve()
        found, count = check(root)
    if count == 0:
        found.append("no sources found: nothing was checked")
    print("\n".join(found) or f"{count} checked, no violation")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
