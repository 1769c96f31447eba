"""The reference of the contract, generated from the .proto files.

It has services, methods, messages, fields and values with their comments, and the rules in their
options. Its input is the descriptor set that buf builds from proto/, with source information.
"""

import re
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from pourparler import v1 as pb
from pourparler.schema.contract import ENTRY_TYPES

PACKAGE = "pourparler.v1"
ENTRY_MESSAGES = frozenset(one.title for one in ENTRY_TYPES.values())
"""The messages that have their own page among the entry types."""

_NAMES = re.compile(r"(?<![\w`/.#\[])(?:[A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z]+(?:_[A-Z]+)+)(?![\w`])")
_SCALARS = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_UINT32: "uint32",
    FieldDescriptorProto.TYPE_UINT64: "uint64",
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_INT64: "int64",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
}


class Commented(NamedTuple):
    """One file of the contract, and its comments by descriptor path."""

    file: FileDescriptorProto
    comments: Mapping[tuple[int, ...], str]

    @property
    def stem(self) -> str:
        """The name of the file, without folder and suffix."""
        return Path(self.file.name).stem

    def comment(self, *path: int) -> str:
        """Return the comment at a descriptor path; empty if there is none."""
        return self.comments.get(path, "")


_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6  # numbers of the fields of FileDescriptorProto
_FIELDS, _NESTED, _ONEOFS = 2, 3, 8  # of DescriptorProto
_VALUES = _METHODS = 2  # of EnumDescriptorProto and ServiceDescriptorProto


@cache
def files(root: Path) -> Sequence[Commented]:
    """Return the files of the contract as buf reads them, without network access."""
    buf = Path(sysconfig.get_path("scripts")) / "buf"
    done = subprocess.run(
        [buf, "build", "--output", "-"], cwd=root, capture_output=True, check=True
    )
    known = FileDescriptorSet.FromString(done.stdout)
    return [_commented(file) for file in known.file if file.package == PACKAGE]


def _commented(file: FileDescriptorProto) -> Commented:
    comments = {
        tuple(place.path): _prose(place.leading_comments)
        for place in file.source_code_info.location
        if place.leading_comments
    }
    return Commented(file, comments)


def _prose(comment: str) -> str:
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.splitlines()).strip()


@cache
def places() -> Mapping[str, str]:
    """Return the label of every named object of the contract."""
    found = {}
    for name in sorted(vars(pb)):
        module = getattr(pb, name)
        descriptor = getattr(module, "DESCRIPTOR", None)
        if descriptor is not None and getattr(descriptor, "full_name", "").startswith(PACKAGE):
            found[descriptor.name] = label(descriptor.name)
    for value in pb.ErrorReason.DESCRIPTOR.values:
        found[value.name.removeprefix("ERROR_REASON_")] = label(value.name)
    for service, methods in _services().items():
        found[service] = label(service)
        found |= {method: label(f"{service}.{method}") for method in methods if method not in found}
    return found


def _services() -> Mapping[str, Sequence[str]]:
    pool = pb.Facts.DESCRIPTOR.file.pool
    names = ("RecordService", "NegotiationService", "AuditService", "PrivacyService")
    return {
        name: [one.name for one in pool.FindServiceByName(f"{PACKAGE}.{name}").methods]
        for name in names
    }


def label(name: str) -> str:
    """Return the label that links use for an object of the contract."""
    return f"pb-{name.lower().replace('_', '-')}"


def linked(text: str, but: str = "") -> str:
    """Return a comment with links on the names of the contract, except one name."""

    def led(found: re.Match[str]) -> str:
        name = found[0]
        place = places().get(name)
        return f"[{name}](#{place})" if place and name != but else name

    return _NAMES.sub(led, text.replace("<", "\\<"))


def pages(root: Path) -> Mapping[str, str]:
    """Return the pages of the reference by name."""
    found = {f"contract/{one.stem}": "\n".join(_page(one)) for one in files(root)}
    found["contract/index"] = "\n".join(_index(files(root)))
    return found


def _index(known: Sequence[Commented]) -> Iterator[str]:
    yield "# Services and messages\n"
    yield (
        "This reference lists the requests and responses of the service. It is generated from the"
        " comments in `proto/pourparler/v1`, which document the API. Each field is listed with its"
        " rules. Separate pages list the [error reasons](errors.md) and the"
        " [entry types](../entries/index.md).\n"
    )
    for one in known:
        for place, service in enumerate(one.file.service):
            yield f"## [{service.name}](#{label(service.name)})\n"
            yield linked(one.comment(_SERVICES, place), service.name) + "\n"
            for number, method in enumerate(service.method):
                said = one.comment(_SERVICES, place, _METHODS, number)
                name = f"{service.name}.{method.name}"
                yield f"[{method.name}](#{label(name)})\n: {linked(_first(said))}\n"
    yield "## Messages\n"
    for one in known:
        names = [message.name for message in one.file.message_type] + [
            enum.name for enum in one.file.enum_type
        ]
        if names:
            listed = ", ".join(f"[{name}](#{label(name)})" for name in names)
            yield f"[{one.stem}]({one.stem}.md)\n: {listed}\n"
    stems = "\n".join(one.stem for one in known)
    yield f"```{{toctree}}\n:hidden:\n\n{stems}\n```\n"


def _first(text: str) -> str:
    """Return the first sentence of a comment."""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _page(one: Commented) -> Iterator[str]:
    file = one.file
    yield f"# {_titled(one)}\n"
    yield f"From `proto/{file.name}`.\n"
    for place, service in enumerate(file.service):
        yield from _service(one, service, (_SERVICES, place))
    for place, message in enumerate(file.message_type):
        if message.name in ENTRY_MESSAGES:
            continue
        yield from message_section(one, message, (_MESSAGES, place), level=2)
    for place, enum in enumerate(file.enum_type):
        yield from _enum(one, enum, (_ENUMS, place), level=2)


def _titled(one: Commented) -> str:
    services = [service.name for service in one.file.service]
    return services[0] if services else one.stem.replace("_", " ").capitalize()


def _service(
    one: Commented, service: ServiceDescriptorProto, path: tuple[int, ...]
) -> Iterator[str]:
    yield f"({label(service.name)})=\n"
    yield linked(one.comment(*path), service.name) + "\n"
    for place, method in enumerate(service.method):
        asked, answered = _type(method.input_type), _type(method.output_type)
        yield f"({label(f'{service.name}.{method.name}')})=\n## {method.name}\n"
        a_stream, answers = method.client_streaming, method.server_streaming
        yield (
            f"{'a stream of ' if a_stream else ''}{asked} → "
            f"{'a stream of ' if answers else ''}{answered}\n"
        )
        yield linked(one.comment(*path, _METHODS, place), method.name) + "\n"


def message_section(
    one: Commented, message: DescriptorProto, path: tuple[int, ...], level: int
) -> Iterator[str]:
    """Yield a message with its fields and nested messages."""
    if message.options.map_entry:
        return
    yield f"({label(message.name)})=\n{'#' * level} {message.name}\n"
    yield linked(one.comment(*path), message.name) + "\n"
    yield from fields(one, message, path)
    for place, inner in enumerate(message.nested_type):
        yield from message_section(one, inner, (*path, _NESTED, place), level + 1)


def fields(one: Commented, message: DescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
    """Yield the fields of a message, each with its type, comment and rules."""
    for place, field in enumerate(message.field):
        said = [_sentence(linked(one.comment(*path, _FIELDS, place), message.name))]
        said += rules(field)
        if field.HasField("oneof_index") and not field.proto3_optional:
            of = message.oneof_decl[field.oneof_index].name
            said.append(f"One of `{of}`.")
        yield f"`{field.name}` {_said_type(message, field)}"
        yield f": {_indented(' '.join(one for one in said if one))}\n"


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?:" else f"{text}."


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def rules(field: FieldDescriptorProto) -> Iterator[str]:
    """Yield the rules in the options of a field."""
    rule = field.options.Extensions[pb.rule]
    if rule.required:
        yield "**Required.**"
    if rule.introduces:
        kind = _kind(rule.introduces)
        yield f"**Introduces** a {kind} under a new id{', or an existing id' * rule.again}."
    if rule.refers_to:
        kind = _kind(rule.refers_to)
        acting = _ACTING[rule.acting]
        yield f"**Refers to** {_article(kind)} {kind} that is on the record{acting}."
    if rule.id:
        yield "**An id** that the caller chooses."


_ACTING: Mapping[int, str] = {
    pb.ACTING_UNSPECIFIED: "",
    pb.ACTING_SPEAKER: ", and not a `SUBJECT`",
    pb.ACTING_PARTY: ", which is active and not a `SUBJECT` or `OBSERVER`",
}


def _kind(number: int) -> str:
    return pb.PartKind.Name(pb.PartKind.ValueType(number)).removeprefix("PART_KIND_").lower()


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _said_type(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    entries = {
        f".{PACKAGE}.{message.name}.{inner.name}": inner
        for inner in message.nested_type
        if inner.options.map_entry
    }
    if field.type_name in entries:
        key, value = entries[field.type_name].field
        return f"map of {_said_type(message, key)} to {_said_type(message, value)}"
    known = _SCALARS.get(field.type) or _type(field.type_name)
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return f"{'optional ' * field.proto3_optional}{'repeated ' * repeated}{known}"


def _type(full_name: str) -> str:
    name = full_name.rsplit(".", maxsplit=1)[-1]
    if full_name.startswith(f".{PACKAGE}."):
        return f"[{name}](#{label(name)})"
    return full_name.removeprefix(".")


def _enum(
    one: Commented, enum: EnumDescriptorProto, path: tuple[int, ...], level: int
) -> Iterator[str]:
    yield f"({label(enum.name)})=\n{'#' * level} {enum.name}\n"
    yield linked(one.comment(*path), enum.name) + "\n"
    if enum.name == "ErrorReason":
        yield from _reasons(one, enum, path)
        return
    for place, value in enumerate(enum.value):
        yield f"`{value.name}` = {value.number}"
        yield f": {_indented(linked(one.comment(*path, _VALUES, place), enum.name))}\n"


def _reasons(one: Commented, enum: EnumDescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
    """Yield the error reasons, each with its label and status."""
    for place, value in enumerate(enum.value):
        name = value.name.removeprefix("ERROR_REASON_")
        if value.number:
            said = linked(one.comment(*path, _VALUES, place), name)
            status = value.options.Extensions[pb.status]
            yield f"({label(value.name)})=\n\n`{name}`"
            yield f": {_indented(said)} {value.number}, with `{status}`.\n"
