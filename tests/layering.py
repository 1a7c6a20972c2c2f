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
    ("core/compress/methods/", ["core/base/", "core/gist/", "core/model/",
                                "core/compress/"]),
    ("core/compress/", ["core/base/"]),
    ("core/format/", ["core/base/"]),
    ("core/kernels/", ["core/base/", "core/format/"]),
    ("core/text/words/", ["core/base/"]),
    ("core/text/", ["core/base/", "core/format/"]),
    ("core/hf/", ["core/base/", "core/format/", "core/text/"]),
    ("core/hub/", ["core/base/", "core/format/", "core/hf/"]),
    ("core/gist/", ["core/base/"]),
    ("core/data/", ["core/base/"]),
    ("core/scoring/", ["core/base/", "core/data/"]),
    ("core/retrieval/", ["core/base/", "core/text/"]),
    ("core/embed/", ["core/base/", "core/format/", "core/text/",
                     "core/retrieval/"]),
    ("core/model/architectures/", ["core/base/", "core/format/"]),
    ("core/model/", ["core/base/", "core/format/", "core/kernels/", "core/text/",
                     "core/hf/", "core/gist/"]),
    ("core/train/passes/", ["core/base/", "core/gist/", "core/model/",
                            "core/train/trainer.h"]),
    ("core/train/trainer.h", ["core/base/", "core/data/"]),
    ("core/train/recipe.", ["core/base/", "core/train/trainer.h"]),
    ("core/train/", ["core/base/", "core/format/", "core/text/", "core/gist/",
                     "core/data/", "core/retrieval/", "core/model/",
                     "core/embed/embedder.h"]),
    ("core/engine/engine.h", ["core/base/", "core/compress/",
                              "core/train/trainer.h"]),
    ("core/engine/fake_", ["core/base/", "core/compress/",
                           "core/train/trainer.h",
                           "core/engine/"]),
    ("core/engine/torch_engine.", ["core/base/", "core/format/", "core/text/",
                                   "core/gist/", "core/data/", "core/model/",
                                   "core/compress/",
                                   "core/train/torch_trainer.h",
                                   "core/train/trainer.h",
                                   "core/engine/engine.h"]),
    ("storage/", ["core/base/", "core/compress/", "core/format/"]),
    ("server/support/", ["core/base/"]),
    ("server/scheduling/", ["core/base/", "core/compress/", "core/engine/engine.h",
                            "server/support/"]),
    ("server/telemetry/", ["core/base/", "core/engine/engine.h",
                           "server/support/", "server/scheduling/"]),
    ("server/contexts/", ["core/base/", "core/compress/", "storage/", "server/support/",
                          "server/scheduling/", "server/telemetry/"]),
    ("server/retrieval/", ["core/base/", "core/retrieval/",
                           "core/embed/embedder.h", "storage/",
                           "server/support/", "server/scheduling/"]),
    ("server/serving/", ["core/base/", "core/compress/", "core/scoring/", "core/retrieval/",
                         "core/engine/engine.h", "storage/",
                         "server/support/", "server/scheduling/",
                         "server/retrieval/"]),
    ("server/training/", ["core/base/", "core/data/", "core/engine/engine.h",
                          "core/train/trainer.h", "core/train/recipe.h",
                          "server/support/", "server/scheduling/",
                          "server/telemetry/"]),
    ("server/grpc/", ["proto/", "storage/", "core/base/", "server/support/",
                      "server/scheduling/", "server/telemetry/",
                      "server/contexts/", "server/serving/",
                      "server/training/"]),
    ("server/main.cc", ["server/", "storage/", "core/base/",
                        "core/hub/hub.h",
                        "core/engine/torch_engine.h",
                        "core/engine/fake_engine.h",
                        "core/embed/torch_embedder.h",
                        "core/embed/fake_embedder.h"]),
    ("server/config", ["core/base/", "server/settings.h", "server/support/"]),
    ("server/settings.", ["core/base/", "core/hub/hub.h"]),
    ("server/stop_signals.", []),
    ("server/readings.", ["core/base/", "core/engine/engine.h",
                          "server/support/", "server/telemetry/",
                          "server/serving/"]),
    ("client/terminal/", ["core/base/"]),
    ("client/tools/data_main.cc", ["client/tools/", "client/terminal/",
                                   "core/base/"]),
    ("client/tools/plan", ["core/base/", "core/format/", "core/hf/",
                           "core/model/architectures/",
                           "core/model/model_source.h", "core/model/loadable.h",
                           "client/tools/bring_model.h"]),
    ("client/tools/train_main.cc", ["core/base/", "core/data/",
                                    "client/tools/bring_model.h",
                                    "core/model/device.h",
                                    "core/embed/torch_embedder.h",
                                    "core/train/"]),
    ("client/tools/", ["client/terminal/", "core/base/", "core/data/",
                       "core/scoring/", "core/text/",
                       "core/model/model_file.h",
                       "core/format/mapped_file.h", "core/hub/"]),
    ("client/eval/", ["client/terminal/", "client/cli/", "client/names.h",
                      "client/gist_client.h", "core/base/", "core/data/",
                      "core/scoring/"]),
    ("client/bench/", ["client/terminal/", "client/cli/", "client/eval/charts.h",
                       "client/gist_client.h", "core/base/"]),
    ("client/cli/", ["client/", "core/base/", "core/gist/"]),
    ("client/examples/", ["client/gist_client.h"]),
    ("client/", ["proto/", "core/base/"]),
]
# Folders that a part may not include although an arrow above names their parent.
BARRED = [
    (r"client/cli/", ["client/bench/", "client/eval/", "client/tools/",
                      "client/examples/"]),
    (r"client/[^/]*$", ["client/bench/", "client/terminal/", "client/cli/",
                        "client/eval/", "client/tools/"]),
]
# Libraries that stay in the parts that wrap them.
FENCES = [
    (r"(torch|ATen|c10)/", ["core/model/", "core/train/", "core/embed/encoder"]),
    (r"rocksdb/", ["storage/"]),
    (r"hnswlib/", ["core/retrieval/"]),
    (r"(grpcpp|grpc|google/protobuf|google/rpc|proto|gist/v1)/",
     ["server/grpc/", "server/main.cc", "client/"]),
    (r"(CLI/|yaml-cpp/|prometheus/|spdlog/)",
     ["server/", "client/", "core/base/yaml_scalar.h", "core/train/recipe.cc"]),
    (r"spdlog/", ["server/"]),
    (r"prometheus/", ["server/telemetry/"]),
    (r"civetweb", ["server/telemetry/admin_server.cc"]),
    (r"pcre2", ["core/text/"]),
    (r"utf8proc", ["core/text/", "core/retrieval/"]),
    (r"openssl/", ["core/base/"]),
    (r"xxhash", ["core/base/"]),
    (r"zstd", ["core/data/"]),
    (r"curl/", ["core/hub/"]),
    (r"archive", ["client/tools/"]),
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
        for above, folders in BARRED:
            if re.match(above, path) and starts(include, folders):
                yield f"{path}: includes {include}: this arrow points up"
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
    ("core/text/words/a.cc", '#include "core/text/tokenizer.h"'),
    ("core/gist/a.cc", "#include <ATen/core/Tensor.h>"),
    ("core/data/a.cc", '#include "core/scoring/metrics.h"'),
    ("core/retrieval/a.cc", '#include "core/embed/embedder.h"'),
    ("core/engine/torch_engine.cc", "#include <torch/types.h>"),
    ("core/engine/engine.h", '#include "core/train/torch_trainer.h"'),
    ("core/embed/embedder.cc", "#include <ATen/core/Tensor.h>"),
    ("core/embed/encoder.cc", '#include "core/model/ops.h"'),
    ("core/model/a.cc", '  #  include "spdlog/spdlog.h"'),
    ("core/model/b.cu", '#include "core/train/trainer.h"'),
    ("core/train/passes/a.cc", '#include "core/train/train_sample.h"'),
    ("core/scoring/longbench.cc", "#include <curl/curl.h>"),
    ("client/tools/longbench.cc", "#include <curl/curl.h>"),
    ("core/hub/a.cc", '#include "core/model/model_file.h"'),
    ("core/hf/a.cc", '#include "core/hub/hub.h"'),
    ("core/new/a.cc", ""),
    ("storage/a.cc", '#include "core/engine/engine.h"'),
    ("storage/b.cc", "#include <hnswlib/hnswlib.h>"),
    ("server/support/a.cc", '#include "server/scheduling/caller.h"'),
    ("server/scheduling/a.cc", '#include "server/telemetry/metrics.h"'),
    ("server/scheduling/b.cc", '#include "core/engine/fake_engine.h"'),
    ("server/serving/a.cc", '#include "gist/v1/gist.pb.h"'),
    ("server/serving/b.h", '#include "server/grpc/gate.h"'),
    ("server/retrieval/a.h", "#include <rocksdb/db.h>"),
    ("server/training/a.cc", '#include "server/serving/pipeline.h"'),
    ("server/support/errors.cc", '#include "google/rpc/status.pb.h"'),
    ("server/telemetry/metrics.cc", '#include "civetweb.h"'),
    ("server/contexts/a.cc", '#include "prometheus/counter.h"'),
    ("server/config.cc", '#include "core/engine/torch_engine.h"'),
    ("server/settings.cc", '#include "server/support/errors.h"'),
    ("server/new/a.cc", '#include "core/base/status.h"'),
    ("client/cli/cli.cc", '#include "server/serving/pipeline.h"'),
    ("client/cli/a.cc", '#include "client/eval/command.h"'),
    ("client/cli/b.cc", '#include "client/bench/command.h"'),
    ("client/bench/a.cc", '#include "client/eval/runner.h"'),
    ("client/examples/first_call.cc", '#include "client/rpc.h"'),
    ("client/gist_client.cc", '#include "../storage/kv_codec.h"'),
    ("client/convert.cc", '#include "client/cli/output.h"'),
    ("client/tools/niah.cc", '#include "core/format/gguf.h"'),
    ("client/tools/plan.cc", '#include "core/model/tensors.h"'),
    ("client/eval/sample.cc", '#include "core/text/tokenizer.h"'),
]
ALLOWED = [
    ("core/model/a.cc", "#include <ATen/core/Tensor.h>"),
    ("server/main.cc", '#include "core/engine/torch_engine.h"'),
    ("server/grpc/service.cc", '#include "gist/v1/gist.grpc.pb.h"'),
    ("client/cli/commands.cc", '#include "core/gist/mask.h"'),
    ("storage/gist_store.cc", '// #include "core/engine/engine.h"'),
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
