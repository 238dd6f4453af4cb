"""A trace of system calls -> which answers were given before what they answer was synced to the disk.

Three kinds of answers are promises: a PUBACK to a command, a 2xx to a web hook, and the control socket's answer, by
which `relay send` ends with 0. For each one there must be, in this order and one ended before the next begins: what
was received, a write to the journal's log with it, a sync of that file, the answer.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TRACED = "read,recvfrom,recvmsg,sendto,sendmsg,write,writev,pwrite64,fdatasync,fsync"
LOG = "relay.db-wal"
RECEIVING = {"read", "recvfrom", "recvmsg"}
SHOWN = 4200  # bytes of a call: a page of the journal's log, and more than any command of a test
PUBLISH, PUBACK = 0x30, 0x40
MARK = re.compile(rb"mark-[a-z]+-\d+\.")  # what each command and each hook of a trace carries, unlike all others

_LINE = re.compile(r"^(?P<thread>\d+)\s+(?P<rest>.*)$")
_RESUMED = re.compile(r"^<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_CALL = re.compile(r"^(?P<name>\w+)\((?P<rest>\d+<.*)$")
_FD = re.compile(r"^\d+<(?P<what>[^>]*)>")
_WHOLE = re.compile(rb"(?s).([\x80-\xff]{0,3}[\x00-\x7f])")  # a packet's head, and how long the rest is
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    Attributes:
        name: of the call.
        what: the file or the socket.
        data: the bytes that were sent or received, as far as they were.
        began: its place among all lines.
        ended: likewise; where nothing came between, the same.
    """

    name: str
    what: str
    data: bytes
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Answers:
    """How many answers of each kind there were, and which of them came too early."""

    pubacks: int
    hooks: int
    controls: int
    early: Sequence[str]


def command(program: str | Path, trace: Path) -> tuple[str | Path, ...]:
    """The words before a program that have strace write its trace; the program stays the started process."""
    return (program, "-D", "-f", "-y", "-xx", "--seccomp-bpf", "-s", str(SHOWN), "-e", f"trace={TRACED}", "-o", trace)


def read(lines: Iterable[str]) -> list[Call]:
    """The calls of a trace, in the order in which they ended."""
    calls: list[Call] = []
    begun: dict[str, tuple[int, str]] = {}
    for place, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        thread, rest = found["thread"], found["rest"]
        began = place
        if resumed := _RESUMED.match(rest):
            began, first = begun.pop(thread, (place, ""))
            rest = first + resumed["rest"]
        elif rest.endswith("<unfinished ...>"):
            begun[thread] = (place, rest.removesuffix("<unfinished ...>"))
            continue
        if call := _call(rest, began, place):
            calls.append(call)
    return calls


def _call(text: str, began: int, ended: int) -> Call | None:
    found = _CALL.match(text)
    named = _FD.match(found["rest"]) if found else None
    result = text.rpartition(" = ")[2].split(" ")[0].split("<")[0]
    if found is None or named is None or not result.isdecimal():
        return None
    data = b"".join(bytes.fromhex(part.replace("\\x", "")) for part in _BYTES.findall(found["rest"]))
    return Call(found["name"], unquoted(named["what"]), data, began, ended)


def unquoted(shown: str) -> str:
    """A name as strace shows it under `-xx`."""
    return bytes.fromhex(shown.replace("\\x", "")).decode() if shown.startswith("\\x") else shown


def judge(calls: Sequence[Call]) -> Answers:
    """Look at every promise of a trace."""
    written = _synced(calls)
    pubacks, hooks, controls = list(_pubacks(calls)), list(_hooks(calls)), list(_controls(calls))
    early = [
        f"{kind} of {mark.decode()}"
        for kind, answers in (("PUBACK", pubacks), ("2xx", hooks), ("control answer", controls))
        for mark, received, answered in answers
        if not any(received < began and ended < answered for began, ended in written.get(mark, ()))
    ]
    return Answers(len(pubacks), len(hooks), len(controls), early)


def _synced(calls: Iterable[Call]) -> Mapping[bytes, list[tuple[int, int]]]:
    """By mark: where a write with it began, and where the sync after it ended."""
    found: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
    open_writes: list[Call] = []
    for call in calls:
        if not call.what.endswith(LOG):
            continue
        if call.name in {"fdatasync", "fsync"}:
            for write in [one for one in open_writes if one.ended < call.began]:
                open_writes.remove(write)
                for mark in set(MARK.findall(write.data)):
                    found[mark].append((write.began, call.ended))
        else:
            open_writes.append(call)
    return found


_Answer = tuple[bytes, int, int]  # of which mark, where it had been received, where its answer began


def _pubacks(calls: Iterable[Call]) -> Iterator[_Answer]:
    taken: dict[tuple[str, int], tuple[bytes, int]] = {}
    streams: defaultdict[str, bytearray] = defaultdict(bytearray)
    for call in calls:
        if call.name in RECEIVING and call.what.startswith("socket:"):
            streams[call.what] += call.data
            for head, body in _packets(streams[call.what]):
                mark = MARK.search(body)
                if head & 0xF0 == PUBLISH and mark:
                    topic = int.from_bytes(body[:2], "big")
                    number = int.from_bytes(body[2 + topic : 4 + topic], "big")
                    taken[call.what, number] = (mark[0], call.ended)
        elif call.data[:1] == bytes((PUBACK,)):
            for head, body in _packets(bytearray(call.data)):
                known = taken.pop((call.what, int.from_bytes(body[:2], "big")), None)
                if head == PUBACK and known:
                    yield (*known, call.began)


def _packets(stream: bytearray) -> Iterator[tuple[int, bytes]]:
    """The whole MQTT packets at the beginning of what was read; they are taken away."""
    while found := _WHOLE.match(stream):
        digits = found[1]
        length = sum((digit & 0x7F) << (7 * place) for place, digit in enumerate(digits))
        end = found.end() + length
        if len(stream) < end:
            return
        head, body = stream[0], bytes(stream[found.end() : end])
        del stream[:end]
        yield head, body


def _hooks(calls: Iterable[Call]) -> Iterator[_Answer]:
    return _http(calls, b"/hooks/", lambda data: data.startswith(b"HTTP/1.1 2"))


def _controls(calls: Iterable[Call]) -> Iterator[_Answer]:
    return _http(calls, b"/command", lambda data: b'"accepted"' in data)


def _http(calls: Iterable[Call], path: bytes, answers: Callable[[bytes], bool]) -> Iterator[_Answer]:
    asked: dict[str, tuple[bytes, int]] = {}
    for call in calls:
        if call.name in RECEIVING and call.what.startswith("socket:"):
            if re.match(rb"[A-Z]+ [^ ]*" + path, call.data):
                asked[call.what] = (b"", 0)
            if call.what in asked:
                asked[call.what] = (asked[call.what][0] + call.data, call.ended)
        elif call.what in asked and answers(call.data):
            request, got_at = asked.pop(call.what)
            mark = MARK.search(request)
            if mark:
                yield mark[0], got_at, call.began
