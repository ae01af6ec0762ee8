"""The filter of system calls, run by a small interpreter of its code: what is listed passes, nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.evaluation.sandbox import child

ARCHITECTURES = child._ARCHITECTURES
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4


def answer(machine: str, number: int, *, architecture: int | None = None, third: int = 0) -> int:
    """What the filter answers to one call: the classic BPF's loads, jumps and returns (linux/bpf_common.h)."""
    code, place, held = child.filter_code(machine), 0, 0
    memory = {0: number, 4: ARCHITECTURES[machine][0] if architecture is None else architecture, 32: third}
    while True:
        kind, if_true, if_false, k = code[place]
        if kind == 0x06:
            return k
        place += 1
        if kind == 0x20:
            held = memory[k]
        else:
            test = {0x15: held == k, 0x35: held >= k, 0x45: bool(held & k)}[kind]
            place += if_true if test else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_listed_calls_pass_and_all_others_are_refused(machine):
    _, calls, mapping = ARCHITECTURES[machine]
    for number in range(600):
        if number not in mapping:
            wanted = child._ALLOW if number in calls.values() else child._REFUSE
            assert answer(machine, number) == wanted, number


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_memory_is_mapped_but_never_to_be_executed(machine):
    for number in ARCHITECTURES[machine][2]:
        for protection in range(8):
            wanted = child._REFUSE if protection & PROT_EXEC else child._ALLOW
            assert answer(machine, number, third=protection) == wanted


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_of_another_architecture_kill(machine):
    read = ARCHITECTURES[machine][1]["read"]
    assert answer(machine, read, architecture=0x40000003) == child._KILL
    if machine == "x86_64":
        assert answer(machine, read | 0x40000000) == child._KILL  # the x32 numbers


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("name", ["open", "openat", "socket", "execve", "fork", "clone", "kill", "ptrace", "mmap"])
def test_nothing_that_opens_starts_or_signals_is_listed(machine, name):
    assert name not in ARCHITECTURES[machine][1]


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("print(6 * 7)", 0, ""), ("import sys; sys.exit(3)", 3, ""), ("exit('no')", 1, ""), ("exit(256)", 1, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("raise ValueError('x' * 500)", 1, "ValueError: " + "x" * 200),
        ("def f(", 1, "SyntaxError: "),
    ],
)  # fmt: skip
def test_a_program_ends_with_its_status_and_one_line(program, status, said, tmp_path):
    """Without the filter, which a machine may lack: what is said and how it ends is the same."""
    limits = {"cpu_seconds": 5, "memory": 1 << 30, "filter": False, "folder": str(tmp_path), "parent": os.getpid()}
    command = [sys.executable, "-s", "-S", "-P", "-B", str(Path(child.__file__)), "once", json.dumps(limits)]
    done = subprocess.run(command, input=program, capture_output=True, text=True)
    assert done.returncode == status and done.stderr.startswith(said) and "\n" not in done.stderr
    assert done.stdout == ("42\n" if status == 0 else "")
