#!/usr/bin/env python3
"""Makes docs/dashboard.svg: loads a gistd over the fake engine for a while,
scrapes it with a real Prometheus, and draws the dashboards' panels.

usage: tests/watch/picture.py GISTD_FAKE GIST [SECONDS [OUT.svg]]
"""
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import running  # noqa: E402

FLAGS = ["--device", "cuda:0", "--max-document-bytes", "100000",
         "--max-queue", "8", "--max-cached-kv-bytes", "400000"]
NOTE = ("gistd over a fake engine that plays a GPU: the curves are real, the "
        "model is not.")


def main(gistd, gist, seconds="150", out="docs/dashboard.svg"):
    with running.temporary_folder() as name:
        folder = pathlib.Path(name)
        start = time.time()
        with running.Gistd(gistd, folder / "gistd", *FLAGS,
                           step_microseconds=4000) as server, \
             running.PrometheusProcess(folder / "prometheus",
                                       server.admin) as prometheus:
            load = running.Load(gist, server, folder / "load")
            for workers, share in ((2, 0.4), (6, 0.4), (1, 0.2)):
                load.rounds(workers, float(seconds) * share,
                            train_steps=round(float(seconds) * share * 50))
            time.sleep(2)
            subprocess.run(
                [sys.executable, str(running.ROOT / "deploy/grafana/draw.py"),
                 prometheus.url, out, "--seconds",
                 str(int(time.time() - start)), "--rate-interval", "12s",
                 "--note", NOTE], check=True)
            print(f"{load.calls} calls; wrote {out}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
