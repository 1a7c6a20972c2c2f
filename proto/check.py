#!/usr/bin/env python3
"""Checks the wire contract gist.v1: style, and what would break its clients.

usage: proto/check.py              lists what is wrong; exit 1 if something is
       proto/check.py --self-check   plants violations and wants each found
       proto/check.py --write-baseline  makes today's wire the baseline

Style: the rules of buf's STANDARD set, by their names, and three of ours:
numbers of fields and enum values count in file order without gaps; comments
stand above what they explain, so that generated stubs carry them.

Breaks: against proto/baseline.pb, a descriptor set that protoc wrote. Additions
are none. Before the first release a deliberate break passes if CHANGELOG.md has
a line "- Wire break" that names each message, enum or service in backquotes.
--write-baseline turns such lines into "- Wire changed", which allow nothing.

Needs protoc; else the standard library alone.
"""
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = "gist.v1"
FOLDER = "gist/v1"

# RPC_RESPONSE_STANDARD_NAME, RPC_REQUEST_RESPONSE_UNIQUE: methods on one
# resource return the resource itself, as Google's AIP-131 to AIP-136 have it.
# Both streams of a training carry the same events.
RESOURCES = {
    "GetContext": "Context", "UpdateContext": "Context",
    "ImportContext": "Context", "GetServerInfo": "ServerInfo",
    "CreateBackup": "Backup", "Train": "TrainEvent",
    "WatchTraining": "TrainEvent", "GetTraining": "Training",
    "CancelTraining": "Training", "UploadDataset": "Dataset",
    "PromoteAdapter": "Adapter",
}

# --- Descriptors, read from their own wire format: descriptor.proto.

Field = collections.namedtuple("Field", "name number type label oneof presence")
Method = collections.namedtuple("Method", "name takes returns")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields_of(data):
    """{field number: values} of a message: bytes, or a whole number."""
    found, at = collections.defaultdict(list), 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at:at + size], at + size
        found[number].append(value)
    return found


def text(fields, number):
    return fields[number][0].decode() if fields[number] else ""


def last(fields, number, default=0):
    return fields[number][-1] if fields[number] else default


class Wire:
    """The messages, enums and services of one descriptor set, in file order."""

    def __init__(self, descriptor_set):
        self.messages, self.enums, self.services = {}, {}, {}
        self.packages = {}
        for raw in fields_of(descriptor_set)[1]:
            file = fields_of(raw)
            name, package = text(file, 1), text(file, 2)
            if not name.startswith(FOLDER):
                continue
            self.packages[name] = package
            for message in file[4]:
                self.add_message("", fields_of(message))
            for enum in file[5]:
                self.add_enum("", fields_of(enum))
            for service in file[6]:
                self.add_service(fields_of(service))

    def add_message(self, scope, raw):
        name = scope + text(raw, 1)
        oneofs = [text(fields_of(each), 1) for each in raw[8]]
        self.messages[name] = [
            self.field(fields_of(each), oneofs) for each in raw[2]]
        for nested in raw[3]:
            self.add_message(name + ".", fields_of(nested))
        for enum in raw[4]:
            self.add_enum(name + ".", fields_of(enum))

    @staticmethod
    def field(raw, oneofs):
        is_optional = bool(last(raw, 17))
        oneof = oneofs[last(raw, 9)] if raw[9] and not is_optional else ""
        return Field(text(raw, 1), last(raw, 3),
                     text(raw, 6) or last(raw, 5), last(raw, 4), oneof,
                     is_optional)

    def add_enum(self, scope, raw):
        values = [fields_of(each) for each in raw[2]]
        self.enums[scope + text(raw, 1)] = [
            (text(each, 1), last(each, 2)) for each in values]

    def add_service(self, raw):
        def side(method, kind, streams):
            return ("stream " if last(method, streams) else "") + text(
                method, kind).rpartition(".")[2]
        methods = [fields_of(each) for each in raw[2]]
        self.services[text(raw, 1)] = [
            Method(text(each, 1), side(each, 2, 5), side(each, 3, 6))
            for each in methods]


def compile_folder(folder):
    protos = sorted((folder / FOLDER).glob("*.proto"))
    with tempfile.TemporaryDirectory() as out:
        path = pathlib.Path(out) / "set.pb"
        subprocess.run(
            ["protoc", f"-I{folder}", "--include_imports",
             f"--descriptor_set_out={path}", *map(str, protos)], check=True)
        return path.read_bytes()


# --- Style.

PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*$")
LOWER_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*$")
UPPER_SNAKE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$")


def upper_snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def short(name):
    return name.rpartition(".")[2]


def style_of_files(wire, folder):
    for name, package in wire.packages.items():
        if package != PACKAGE:
            yield f"PACKAGE_DIRECTORY_MATCH: {name} is of package {package}"
        if not re.search(r"\.v[1-9][0-9]*$", package):
            yield f"PACKAGE_VERSION_SUFFIX: {name} is of package {package}"
        if not LOWER_SNAKE.match(pathlib.Path(name).stem):
            yield f"FILE_LOWER_SNAKE_CASE: {name}"
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*[^/\s].*;\s*//", line):
                yield (f"COMMENT_ABOVE: {name}:{number}: a comment behind its "
                       "field; put it above")


def style_of_messages(wire):
    for message, fields in wire.messages.items():
        if not PASCAL.match(short(message)):
            yield f"MESSAGE_PASCAL_CASE: {message}"
        for place, field in enumerate(fields, 1):
            if not LOWER_SNAKE.match(field.name):
                yield f"FIELD_LOWER_SNAKE_CASE: {message}.{field.name}"
            if field.oneof and not LOWER_SNAKE.match(field.oneof):
                yield f"ONEOF_LOWER_SNAKE_CASE: {message}.{field.oneof}"
            if field.number != place:
                yield (f"FIELD_NUMBERS_IN_ORDER: {message}.{field.name} is "
                       f"{field.number}, want {place}")


def style_of_enums(wire):
    for enum, values in wire.enums.items():
        if not PASCAL.match(short(enum)):
            yield f"ENUM_PASCAL_CASE: {enum}"
        prefix = upper_snake(short(enum)) + "_"
        for place, (name, number) in enumerate(values):
            if not UPPER_SNAKE.match(name):
                yield f"ENUM_VALUE_UPPER_SNAKE_CASE: {enum}.{name}"
            if not name.startswith(prefix):
                yield f"ENUM_VALUE_PREFIX: {enum}.{name}, want {prefix}..."
            if place == 0 and name != prefix + "UNSPECIFIED":
                yield (f"ENUM_ZERO_VALUE_SUFFIX: {enum}.{name}, want "
                       f"{prefix}UNSPECIFIED")
            if number != place:
                yield (f"ENUM_NUMBERS_IN_ORDER: {enum}.{name} is {number}, "
                       f"want {place}")


def style_of_services(wire):
    seen = collections.Counter()
    for service, methods in wire.services.items():
        if not PASCAL.match(service):
            yield f"SERVICE_PASCAL_CASE: {service}"
        if not service.endswith("Service"):
            yield f"SERVICE_SUFFIX: {service}"
        for method in methods:
            if not PASCAL.match(method.name):
                yield f"RPC_PASCAL_CASE: {service}.{method.name}"
            takes = method.takes.removeprefix("stream ")
            returns = method.returns.removeprefix("stream ")
            if takes != method.name + "Request":
                yield (f"RPC_REQUEST_STANDARD_NAME: {service}.{method.name} "
                       f"takes {takes}")
            if returns not in (method.name + "Response",
                               RESOURCES.get(method.name)):
                yield (f"RPC_RESPONSE_STANDARD_NAME: {service}.{method.name} "
                       f"returns {returns}")
            seen[takes] += 1
            seen[returns] += returns not in RESOURCES.values()
    for message, count in seen.items():
        if count > 1:
            yield f"RPC_REQUEST_RESPONSE_UNIQUE: {message} serves {count} RPCs"


def style(wire, folder):
    yield from style_of_files(wire, folder)
    yield from style_of_messages(wire)
    yield from style_of_enums(wire)
    yield from style_of_services(wire)


# --- Breaks. Each is (name of the message, enum or service, what happened).

def breaks_of_messages(old, new):
    for message, fields in old.messages.items():
        if message not in new.messages:
            yield message, "the message is gone"
            continue
        there = {field.number: field for field in new.messages[message]}
        for field in fields:
            now = there.get(field.number)
            if now is None:
                yield message, f"field {field.name} = {field.number} is gone"
            elif now != field:
                changed = [f"{part} was {was or 'none'}, is {is_now or 'none'}"
                           for part, was, is_now
                           in zip(Field._fields, field, now) if was != is_now]
                yield message, f"field {field.number}: {'; '.join(changed)}"


def breaks_of_enums(old, new):
    for enum, values in old.enums.items():
        there = {number: name for name, number in new.enums.get(enum, [])}
        for name, number in values:
            if there.get(number) != name:
                yield enum, (f"value {name} = {number} is "
                             f"{there.get(number, 'gone')}")


def breaks_of_services(old, new):
    for service, methods in old.services.items():
        there = {each.name: each for each in new.services.get(service, [])}
        for method in methods:
            now = there.get(method.name)
            if now is None:
                yield service, f"method {method.name} is gone"
            elif now != method:
                yield service, (f"method {method.name} was ({method.takes}) "
                                f"returns ({method.returns}), is ({now.takes}) "
                                f"returns ({now.returns})")


def allowed_breaks(changelog):
    """Names in the "Wire break" lines, as long as nothing was released."""
    versions = re.findall(r"^## (.*)$", changelog, re.M)
    if any("unreleased" not in version for version in versions):
        return set()
    entries = re.findall(r"^- Wire break.*(?:\n  .*)*", changelog, re.M)
    return set(re.findall(r"`(\w[\w.]*)`", "\n".join(entries)))


def breaks(old, new, changelog):
    allowed = allowed_breaks(changelog)
    for find in (breaks_of_messages, breaks_of_enums, breaks_of_services):
        for name, what in find(old, new):
            if name not in allowed:
                yield (f"BREAKS: {name}: {what}; restore it, or before the "
                       f"first release name `{name}` in a line \"- Wire "
                       "break\" of CHANGELOG.md")


def findings(folder, baseline, changelog):
    wire = Wire(compile_folder(folder))
    return [*style(wire, folder), *breaks(Wire(baseline), wire, changelog)]


# --- Planted violations: rule, file, pattern, what takes its place.

PLANTS = [
    ("PACKAGE_DIRECTORY_MATCH", "error_reason", "package gist.v1;",
     "package gist.v2;"),
    ("PACKAGE_VERSION_SUFFIX", "error_reason", "package gist.v1;",
     "package gist.other;"),
    ("FILE_LOWER_SNAKE_CASE", "Odd-Name", "",
     'syntax = "proto3"; package gist.v1;'),
    ("COMMENT_ABOVE", "usage", "int32 documents = 1;",
     "int32 documents = 1;  // behind"),
    ("MESSAGE_PASCAL_CASE", "gist", "message ListBackupsRequest {}",
     "message ListBackupsRequest {}\nmessage other_thing {}"),
    ("FIELD_LOWER_SNAKE_CASE", "usage", "int32 documents = 1;",
     "int32 Documents = 1;"),
    ("ONEOF_LOWER_SNAKE_CASE", "ask", "oneof event {", "oneof Event {"),
    ("FIELD_NUMBERS_IN_ORDER", "usage", "double compression_ratio = 12;",
     "double compression_ratio = 13;"),
    ("ENUM_PASCAL_CASE", "gist", "message ListBackupsRequest {}",
     "message ListBackupsRequest {}\nenum other_enum { A = 0; }"),
    ("ENUM_VALUE_UPPER_SNAKE_CASE", "ask", "MODE_EXTRACT = 2;",
     "MODE_extract = 2;"),
    ("ENUM_VALUE_PREFIX", "training", "KIND_STEP = 3;", "STEP = 3;"),
    ("ENUM_ZERO_VALUE_SUFFIX", "ask", "FINISH_REASON_UNSPECIFIED = 0;",
     "FINISH_REASON_NONE = 0;"),
    ("ENUM_NUMBERS_IN_ORDER", "ask", "MODE_FULL = 8;", "MODE_FULL = 9;"),
    ("SERVICE_SUFFIX", "gist", "service GistService {", "service Gist {"),
    ("SERVICE_PASCAL_CASE", "gist", "service GistService {",
     "service gistService {"),
    ("RPC_PASCAL_CASE", "gist", "rpc Compress(", "rpc compress("),
    ("RPC_REQUEST_STANDARD_NAME", "gist", "rpc ListBackups(ListBackupsRequest)",
     "rpc ListBackups(CreateBackupRequest)"),
    ("RPC_RESPONSE_STANDARD_NAME", "gist", "returns (ListBackupsResponse)",
     "returns (Backup)"),
    ("RPC_REQUEST_RESPONSE_UNIQUE", "gist",
     "rpc ListBackups(ListBackupsRequest)",
     "rpc ListBackups(CreateBackupRequest)"),
    ("BREAKS: Usage: field question_tokens", "usage",
     "int32 question_tokens = 8;", ""),
    ("BREAKS: Usage: field 8: type", "usage", "int32 question_tokens = 8;",
     "string question_tokens = 8;"),
    ("BREAKS: Usage: field 8: name", "usage", "int32 question_tokens = 8;",
     "int32 asked_tokens = 8;"),
    ("BREAKS: Usage: field 8: label", "usage", "int32 question_tokens = 8;",
     "repeated int32 question_tokens = 8;"),
    ("BREAKS: Usage: field 8: presence", "usage", "int32 question_tokens = 8;",
     "optional int32 question_tokens = 8;"),
    ("BREAKS: RetentionPolicy: field 1: oneof", "context",
     "oneof expiration {\n", "double ttl_seconds = 1;\noneof expiration {\n"),
    ("BREAKS: Mode: value MODE_HYBRID", "ask", "MODE_HYBRID = 7;", ""),
    ("BREAKS: Mode: value MODE_HYBRID", "ask", "MODE_HYBRID = 7;",
     "MODE_BOTH = 7;"),
    ("BREAKS: TrainEvent.Kind: value KIND_STATE", "training",
     "KIND_STATE = 8;", ""),
    ("BREAKS: LossPoint: the message is gone", "training", "LossPoint",
     "Point"),
    ("BREAKS: GistService: method ListBackups", "gist",
     "rpc ListBackups(ListBackupsRequest)",
     "rpc ShowBackups(ListBackupsRequest)"),
    ("BREAKS: GistService: method Ask", "gist", "returns (stream AskResponse)",
     "returns (AskResponse)"),
]
# The second declaration of ttl_seconds takes the first one's place.
AFTER = {"oneof expiration {\n": ("double ttl_seconds = 1;\n    // Later",
                                  "// Later")}


def planted(folder, file, pattern, instead):
    path = folder / FOLDER / f"{file}.proto"
    if not pattern:
        path.write_text(instead, encoding="utf-8")
        return
    before = path.read_text(encoding="utf-8")
    if pattern not in before:
        sys.exit(f"{file}.proto has no \"{pattern}\" any more: change PLANTS")
    after = before
    if pattern in AFTER:
        after = after.replace(*AFTER[pattern])
    path.write_text(after.replace(pattern, instead), encoding="utf-8")


def self_check():
    baseline = compile_folder(ROOT / "proto")
    failed = 0
    for rule, file, pattern, instead in PLANTS:
        with tempfile.TemporaryDirectory() as temp:
            folder = pathlib.Path(temp) / "proto"
            shutil.copytree(ROOT / "proto", folder)
            planted(folder, file, pattern, instead)
            found = findings(folder, baseline, "")
        if not any(each.startswith(rule) for each in found):
            print(f"not found: {rule} by {instead!r}; found {found}")
            failed = 1
    changelog = "## 0.1.0 (unreleased)\n- Wire break: `Usage` lost\n  `Mode`.\n"
    if allowed_breaks(changelog) != {"Usage", "Mode"}:
        print("a line \"- Wire break\" is not read")
        failed = 1
    if allowed_breaks(changelog + "## 0.0.9 (2026-01-01)\n"):
        print("a break after a release is let pass")
        failed = 1
    return failed


def main(arguments):
    baseline = ROOT / "proto/baseline.pb"
    if arguments == ["--self-check"]:
        return self_check()
    if arguments == ["--write-baseline"]:
        baseline.write_bytes(compile_folder(ROOT / "proto"))
        page = ROOT / "CHANGELOG.md"
        page.write_text(page.read_text(encoding="utf-8").replace(
            "\n- Wire break", "\n- Wire changed"), encoding="utf-8")
        return 0
    if arguments:
        sys.exit(__doc__)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = findings(ROOT / "proto", baseline.read_bytes(), changelog)
    for each in found:
        print(each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
