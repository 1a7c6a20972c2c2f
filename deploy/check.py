#!/usr/bin/env python3
"""Checks the deployment's files. deploy/check.sh runs it.

usage: deploy/check.py [ROOT]      lists what is wrong; exit 1 if something is
       deploy/check.py --self-check  plants mistakes and wants each found

Needs Debian's python3-yaml and python3-jsonschema.
"""
import functools
import json
import pathlib
import re
import shutil
import sys
import tempfile

import jsonschema
import yaml

HOME = pathlib.Path(__file__).resolve().parent.parent
SCHEMAS = (HOME / "third_party/lint/kubernetes_validate/kubernetes-json-schema"
           / "v1.31.0-local-strict")
# Kinds that Kubernetes itself does not know, and what they cannot do without.
EXTRA_KINDS = {
    "Kustomization": {"resources"},
    "ServiceMonitor": {"metadata", "spec"},
}
SERVICE_KEYS = set(
    "build image command ports volumes read_only tmpfs cap_drop security_opt "
    "mem_limit pids_limit stop_grace_period restart environment depends_on "
    "deploy".split())


class Loader(yaml.SafeLoader):
    """YAML in which a key that comes twice is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} comes twice",
                    node.start_mark)
        return super().construct_mapping(node, deep)


def documents(path):
    return [d for d in yaml.load_all(path.read_text(encoding="utf-8"), Loader)
            if d is not None]


@functools.lru_cache
def read_schema(name):
    """One of Kubernetes' schemas, or None."""
    path = SCHEMAS / name
    return json.loads(path.read_text()) if path.exists() else None


def schema_of(document):
    """The schema of a kind of Kubernetes, or None."""
    version = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", document["apiVersion"])
    return read_schema(f"{document['kind'].lower()}-{version}.json")


def check_schema(document):
    schema = schema_of(document)
    if schema is None:
        wanted = EXTRA_KINDS.get(document["kind"])
        if wanted is None:
            yield (f"no schema for {document['apiVersion']} "
                   f"{document['kind']}")
        elif missing := wanted - set(document):
            yield f"{document['kind']} without {', '.join(sorted(missing))}"
        return
    definitions = read_schema("_definitions.json")
    resolver = jsonschema.RefResolver(
        "https://kubernetes.io/api/kind.json", schema,
        store={"https://kubernetes.io/api/_definitions.json": definitions})
    validator = jsonschema.Draft7Validator(schema, resolver=resolver)
    for error in validator.iter_errors(document):
        place = ".".join(map(str, error.path))
        yield f"{document['kind']}.{place}: {error.message[:200]}"


def check_pod(document):
    """What a pod of ours must have, whatever the schema allows."""
    spec = document["spec"]["template"]["spec"]
    if not spec.get("securityContext", {}).get("runAsNonRoot"):
        yield "the pod may run as root"
    for container in spec["containers"]:
        name = container["name"]
        security = container.get("securityContext", {})
        if not security.get("readOnlyRootFilesystem"):
            yield f"{name}: its root file system can be written"
        if security.get("allowPrivilegeEscalation", True):
            yield f"{name}: it may gain privileges"
        if security.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{name}: it keeps capabilities"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{name}: no limit of memory"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe not in container:
                yield f"{name}: no {probe}"
        if not re.search(r":(?!latest)[\w.-]+$", container["image"]):
            yield f"{name}: the image {container['image']} has no version"


def check_kubernetes(root, changed=""):
    folder = root / "deploy/kubernetes"
    found = 0
    for path in sorted(folder.rglob("*.yaml")):
        if changed and path != root / changed:
            continue
        for document in documents(path):
            if not isinstance(document, dict):
                continue  # adapter-rules.yaml is a list of another program's
            found += 1
            problems = list(check_schema(document))
            if document["kind"] in ("StatefulSet", "Deployment"):
                problems += check_pod(document)
            if document["kind"] == "Kustomization":
                problems += [f"{name} is missing"
                             for name in document.get("resources", [])
                             if not (path.parent / name).exists()]
            yield from (f"{path.relative_to(root)}: {p}" for p in problems)
    if not changed and found < 8:
        yield f"{folder}: {found} documents, want 8 or more"


def check_service(name, service, deploy, stages):
    for key in sorted(set(service) - SERVICE_KEYS):
        yield f"{name}: {key} is not known here"
    if "image" in service and not re.search(r":(?!latest)[\w.${}:-]+$",
                                            service["image"]):
        yield f"{name}: the image {service['image']} has no version"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"{name}: port {port} is open to the network"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./") and not (deploy / source).exists():
            yield f"{name}: {source} is missing"
    target = service.get("build", {}).get("target", "")
    if default := re.search(r":-(\w+)}", target):
        target = default[1]
    if target and target not in stages:
        yield f"{name}: the Dockerfile has no stage {target}"


def check_compose(root, _changed=""):
    deploy = root / "deploy"
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.M)
    for path in sorted(deploy.glob("compose*.yaml")):
        [compose] = documents(path)
        for name, service in compose["services"].items():
            yield from (f"{path.name}: {problem}" for problem in
                        check_service(name, service, deploy, stages))
    [compose] = documents(deploy / "compose.yaml")
    ours = compose["services"]["gistd"]
    if not ours.get("read_only") or ours.get("cap_drop") != ["ALL"]:
        yield "compose.yaml: gistd's root file system or capabilities are left"
    for name in re.findall(r"(\S+):/", str(
            [s.get("volumes", []) for s in compose["services"].values()])):
        name = name.strip("[',\"")
        if not name.startswith(("./", "/")) and name not in compose["volumes"]:
            yield f"compose.yaml: the volume {name} is not declared"
    [providers] = documents(deploy / "grafana/provisioning/dashboards/gistd.yaml")
    path = providers["providers"][0]["options"]["path"]
    if not any(v.split(":")[1] == path
               for v in compose["services"]["grafana"]["volumes"]):
        yield f"compose.yaml: nothing is mounted at {path} of the provider"


def check_dockerfile(root, _changed=""):
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    joined = text.replace("\\\n", " ")
    for line in re.findall(r"^COPY (?!--from)(.*)$", joined, re.M):
        for source in line.split()[:-1]:
            if not (root / source).exists():
                yield f"Dockerfile: COPY {source}: there is no such file"
    users = re.findall(r"^USER (\S+)$", text, re.M)
    if users != ["5000"]:
        yield f"Dockerfile: USER {users}, want 5000"
    if "HEALTHCHECK" not in text or "VOLUME /var/lib/gistd" not in text:
        yield "Dockerfile: no HEALTHCHECK or no VOLUME"


def check_dashboards(root, _changed=""):
    ids = []
    for path in sorted((root / "deploy/grafana/dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        ids.append(dashboard["uid"])
        panels = [p["id"] for p in dashboard["panels"]]
        if len(panels) != len(set(panels)):
            yield f"{path.name}: two panels have one id"
        for panel in dashboard["panels"]:
            grid = panel["gridPos"]
            if grid["x"] + grid["w"] > 24:
                yield f"{path.name}: {panel['title']} is wider than the page"
            if panel["type"] != "row" and not panel["targets"]:
                yield f"{path.name}: {panel['title']} asks nothing"
    if len(ids) < 3 or len(ids) != len(set(ids)):
        yield f"dashboards: uids {ids}, want 3 or more, all different"


PARTS = {"deploy/kubernetes/": check_kubernetes,
         "deploy/compose": check_compose,
         "Dockerfile": check_dockerfile,
         "deploy/grafana/": check_dashboards}


def check(root, changed=""):
    """What is wrong; with `changed`, a file, only what looks at that."""
    problems = []
    for path in sorted((root / "deploy").rglob("*.y*ml")):
        try:
            documents(path)
        except yaml.YAMLError as error:
            problems.append(f"{path.relative_to(root)}: {error}")
    if problems:
        return problems
    for start, part in PARTS.items():
        if not changed or changed.startswith(start):
            problems += part(root, changed)
    return problems


STATEFULSET = "deploy/kubernetes/base/statefulset.yaml"
# file, what stands in it, what is planted in its place
PLANTED = [
    (STATEFULSET, "replicas: 1", "replica: 1"),
    (STATEFULSET, "replicas: 1", 'replicas: "1"'),
    (STATEFULSET, "readOnlyRootFilesystem: true", ""),
    (STATEFULSET, "runAsNonRoot: true", ""),
    (STATEFULSET, "gistd:0.1.0", "gistd:latest"),
    (STATEFULSET, "livenessProbe:", "readynessProbe:"),
    (STATEFULSET, "serviceName: gistd-pods", "serviceName: a\n  serviceName: b"),
    ("deploy/kubernetes/base/networkpolicy.yaml", "policyTypes", "policyType"),
    ("deploy/kubernetes/autoscale/horizontalpodautoscaler.yaml",
     "averageValue:", "average:"),
    ("deploy/kubernetes/base/kustomization.yaml", "- service.yaml",
     "- services.yaml"),
    ("deploy/compose.yaml", '"127.0.0.1:3000:3000"', '"3000:3000"'),
    ("deploy/compose.yaml", "read_only: true", "readonly: true"),
    ("deploy/compose.yaml", "./prometheus/alerts.yml", "./alerts.yml"),
    ("deploy/compose.yaml", ":-cpu}", ":-gpu}"),
    ("deploy/compose.yaml", "  prometheus-data:\n", ""),
    ("Dockerfile", "COPY deploy/healthcheck.sh", "COPY deploy/health.sh"),
    ("Dockerfile", "USER 5000", "USER root"),
    ("deploy/grafana/dashboards/store.json", '"uid": "gistd-store"',
     '"uid": "gistd-memory"'),
]


def self_check():
    wrong = []
    for name, old, new in PLANTED:
        with tempfile.TemporaryDirectory() as temp:
            root = pathlib.Path(temp)
            shutil.copytree(HOME / "deploy", root / "deploy")
            shutil.copy(HOME / "Dockerfile", root)
            text = (root / name).read_text(encoding="utf-8")
            if old not in text:
                wrong.append(f"{name}: there is no {old!r} to replace")
                continue
            (root / name).write_text(text.replace(old, new, 1))
            if not check(root, name):
                wrong.append(f"{name}: {new!r} in place of {old!r} is not "
                             "found")
    return wrong


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-check"]:
        problems = self_check()
    else:
        problems = check(pathlib.Path(arguments[0]).resolve()
                         if arguments else HOME)
    print("\n".join(problems) or "nothing found")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
