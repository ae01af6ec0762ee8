"""Running Python that a model wrote. It may be wrong, endless, greedy or hostile: the host stays whole either way.

Two tiers. `subset` walks the syntax tree of what lies in a small subset: no `exec`, nothing to
escape from, microseconds. All else goes to an interpreter of its own, which limits its resources and then asks the
kernel to refuse every system call but computing, reading what is open, writing to it and ending (`child`).

A program is stopped by what it has computed, so that a busy machine is slower, not different. The wall clock is only
a wide net for those that wait. Files cannot be opened there: what can be imported is `child.IMPORTABLE`.

A verdict is made here, from what was printed. A program never holds the answer, and its exit status means nothing.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lib.evaluation.sandbox.subset import OutsideSubset, evaluate_subset

_CHILD = Path(__file__).with_name("child.py")
MAX_SOURCE = 1 << 20
"""Bytes of a program's text that are taken."""
_PATIENCE = 60.0
"""Seconds that the server may need to start, to fork or to stop a program, on however busy a machine."""


class SandboxUnavailable(RuntimeError):
    """This machine cannot hold what the sandbox promises."""


_LEAST_MEMORY, _LEAST_OUTPUT = 64 << 20, 64


@dataclass(frozen=True)
class Limits:
    """`cpu_seconds` of computing, `seconds` on the wall clock, bytes of `memory` and of `output` (each stream).

    The wall clock stops who sleeps; twenty times the computing time leaves a busy machine its time. Raises ValueError
    for seconds that are not finite and above 0, and for less memory or output than an empty program needs.
    """

    seconds: float = 20.0
    cpu_seconds: float = 1.0
    memory: int = 256 << 20
    output: int = 64 << 10

    def __post_init__(self):
        for name in ("seconds", "cpu_seconds"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
                raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
        for name, least in (("memory", _LEAST_MEMORY), ("output", _LEAST_OUTPUT)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value < 1 << 63:
                raise ValueError(f"{name} must be a whole number of bytes from {least}, got {value!r}")


@dataclass(frozen=True)
class Outcome:
    """How a program ended: ok, error (it raised or left with another status), time, output, killed, refused."""

    status: str
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        """What was printed, odd spaces as plain ones, without control characters other than tab and newline."""
        return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", re.sub(r"[^\S\n\t\r\x0b-\x1f\x85]", " ", self.stdout))

    @property
    def answer(self) -> str:
        """The last line printed that is not empty, or ''."""
        lines = [line.strip() for line in self.text.split("\n") if line.strip()]
        return lines[-1] if lines else ""


def agrees(outcome: Outcome, expected: object) -> bool:
    """The verdict: the program ran to its end and its last line says what was expected.

    Spaces beside brackets, commas and colons do not count, nor do leading zeros or a plus of a whole number.
    """
    said = _canonical(outcome.answer)
    return outcome.status == "ok" and said != "" and said == _canonical(str(expected))


def _canonical(text: str) -> str:
    squeezed = re.sub(r"\s*([\[\](){},:])\s*", r"\1", " ".join(text.split()))
    return str(int(squeezed)) if re.fullmatch(r"[+-]?\d{1,300}", squeezed, re.ASCII) else squeezed


def guarantees() -> dict[str, bool]:
    """What holds on this machine for programs outside of the subset, by name.

    Elsewhere than on Linux the system-call filter is missing: such programs are refused there, unless one asks for
    `Sandbox(degraded=True)`, and then files, network and other processes are within their reach.
    """
    linux, posix = _can_filter(), os.name == "posix"
    return {
        "no files, network, processes or signals": linux,
        "memory": linux or (posix and sys.platform != "darwin"),
        "computing time": posix,
        "wall-clock time": True,
        "output": True,
        "an environment of its own": True,
    }


def _can_wait_for_children() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return sys.platform == "linux"


def _can_filter() -> bool:
    return sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64") and sys.maxsize > 2**32


class Sandbox:
    """`with Sandbox() as sandbox: outcome = sandbox.run("print(6 * 7)")`.

    server: keep one light process that forks for each program (milliseconds); otherwise each gets a fresh interpreter.
    degraded: also run where the system-call filter is missing; see `guarantees` for what then does not hold.
    Raises SandboxUnavailable, before anything has run, where the filter is missing or cannot be installed.
    """

    def __init__(self, limits: Limits = Limits(), *, server: bool = True, degraded: bool = False):
        if os.name != "posix":
            raise SandboxUnavailable(f"{platform.system()} cannot limit a program; only the subset of Python is run")
        if not _can_filter() and not degraded:
            missing = ", ".join(name for name, holds in guarantees().items() if not holds)
            raise SandboxUnavailable(f"{platform.system()} cannot hold: {missing}; only the subset of Python is run")
        self.limits, self._server, self._turn = limits, None, threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True)
        self._use_server, self._filter = server and _can_wait_for_children(), _can_filter()
        try:
            probe = self.run("print(6 * 7)")
            if probe.status == "refused" and degraded:
                self._stop_server()
                self._filter = False
                probe = self.run("print(6 * 7)")
            if probe.stdout != "42\n":
                raise SandboxUnavailable(f"the sandbox does not run here: {probe.stderr or probe.status}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and remove the folder; the sandbox can be used again and starts another."""
        with self._turn:
            self._stop_server()
            self._folder.cleanup()

    def run(self, source: str) -> Outcome:
        """Run one program to its end or to a limit. Never raises for what the program does.

        Raises TypeError for a source that is not text.
        """
        if not isinstance(source, str):
            raise TypeError(f"source must be the text of a program, got {type(source).__name__}")
        text = source.encode("utf-8", "replace")
        if len(text) > MAX_SOURCE:
            return Outcome("refused", "", f"the program has {len(text)} bytes; {MAX_SOURCE} are taken", 0.0)
        with self._turn:  # one program at a time, whichever thread asks
            if not os.path.isdir(self._folder.name):  # closed before, or taken away by somebody
                self._stop_server()
                self._folder = tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True)
            return self._run_forked(text) if self._use_server else self._run_fresh(text)

    def _settings(self) -> str:
        told = {"folder": self._folder.name, "filter": self._filter, "parent": os.getpid()}
        return json.dumps({**asdict(self.limits), **told})

    def _start(self, mode: str, **pipes: object) -> subprocess.Popen:
        command = [sys.executable, "-s", "-S", "-P", "-B", str(_CHILD), mode, self._settings()]
        clean = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
        return subprocess.Popen(command, env=clean, cwd=self._folder.name, start_new_session=True, **pipes)

    def _run_fresh(self, text: bytes) -> Outcome:
        started = time.perf_counter()
        child = self._start("once", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            pipes = [os.dup(stream.fileno()) for stream in (child.stdin, child.stdout, child.stderr)]
            for stream in (child.stdin, child.stdout, child.stderr):
                stream.close()
            outputs, stopped = self._converse(pipes, text, started)
            if not stopped:
                try:
                    child.wait(self._left(started))
                except subprocess.TimeoutExpired:  # it has closed its pipes and goes on
                    stopped = "time"
        finally:
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        return self._outcome(child.returncode, stopped, outputs, started)

    def _run_forked(self, text: bytes) -> Outcome:
        """In a fork of the server. A server that is gone is replaced: before the program has begun, without a trace."""
        pipes: list[int] = []
        try:
            for _ in range(2):
                pipes = self._ask()
                if pipes:
                    break
                self._stop_server()
            else:
                return Outcome("killed", "", "the sandbox's server does not start", 0.0)
            started, line = time.perf_counter(), self._server[1]
            outputs, stopped = self._converse(pipes, text, started)
            if not stopped:
                line.settimeout(self._left(started))
                try:
                    status = line.recv(16)
                except TimeoutError:
                    stopped = "time"
            if stopped:
                line.settimeout(_PATIENCE)
                line.send(b"K")
                status = line.recv(16)
            return self._outcome(os.waitstatus_to_exitcode(int(status)), stopped, outputs, started)
        except (OSError, ValueError):
            self._stop_server()
            return Outcome("killed", "", "the sandbox's server is gone", 0.0)
        except BaseException:  # Ctrl-C: what the server would say next is nobody's any more
            self._stop_server()
            raise

    def _ask(self) -> list[int]:
        """Our ends of a new program's pipes, once the server has forked for it; none when it is gone or busy."""
        theirs, ours = [], []
        for reads in (True, False, False):
            read, write = os.pipe()
            theirs.append(read if reads else write)
            ours.append(write if reads else read)
        try:
            line = self._line()
            line.settimeout(_PATIENCE)
            socket.send_fds(line, [b"run"], theirs)
            if line.recv(16) == b"started":
                return ours
        except OSError:
            pass
        finally:
            for pipe in theirs:
                os.close(pipe)
        for pipe in ours:
            os.close(pipe)
        return []

    def _left(self, started: float) -> float:
        return max(0.0, self.limits.seconds - (time.perf_counter() - started)) + 0.1

    def _converse(self, pipes: list[int], text: bytes, started: float) -> tuple[list[bytearray], str]:
        """Feed the program, collect both its streams: ([stdout, stderr], '' or the limit that was met)."""
        outputs, left, stopped = [bytearray(), bytearray()], memoryview(text), ""
        feed, *streams = pipes
        still_open = set(pipes)
        try:
            with selectors.DefaultSelector() as selector:
                for pipe in pipes:
                    os.set_blocking(pipe, False)
                selector.register(feed, selectors.EVENT_WRITE)
                for index, stream in enumerate(streams):
                    selector.register(stream, selectors.EVENT_READ, index)
                while selector.get_map() and not stopped:
                    remaining = self.limits.seconds - (time.perf_counter() - started)
                    if remaining <= 0:
                        stopped = "time"
                    for key, _ in selector.select(max(0.0, remaining)):
                        if key.fd == feed:
                            left = self._fed(feed, left)
                            finished = not left
                        else:
                            part = os.read(key.fd, 1 << 16)
                            outputs[key.data] += part
                            finished = not part
                            if len(outputs[key.data]) > self.limits.output:
                                stopped = "output"
                        if finished:
                            selector.unregister(key.fd)
                            os.close(key.fd)
                            still_open.discard(key.fd)
        finally:
            for pipe in still_open:
                os.close(pipe)
        return [output[: self.limits.output] for output in outputs], stopped

    @staticmethod
    def _fed(feed: int, left: memoryview) -> memoryview:
        """What is left after a write; nothing, when nobody reads any more."""
        try:
            return left[os.write(feed, left) :]
        except BrokenPipeError:
            return left[:0]

    def _line(self) -> socket.socket:
        if self._server is not None and self._server[2] != os.getpid():
            self._server = None  # this process is a copy; the server is the original's
        if self._server is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = self._start("serve", stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._server = process, ours, os.getpid()
        return self._server[1]

    def _stop_server(self) -> None:
        if self._server is not None:
            process, line, owner = self._server
            self._server = None
            line.close()
            if owner == os.getpid():
                process.kill()  # what it has forked dies with it
                process.wait()

    def _outcome(self, status: int, stopped: str, outputs: list[bytearray], started: float) -> Outcome:
        seconds = time.perf_counter() - started
        stdout, stderr = (bytes(output).decode("utf-8", "replace") for output in outputs)
        if not stopped:
            stopped = "ok" if status == 0 else "error" if status > 0 else "killed"
            if status in (-signal.SIGPROF, -signal.SIGXCPU) or (
                status == -signal.SIGKILL and seconds >= self.limits.cpu_seconds
            ):
                stopped = "time"  # the timer of computing, and the soft and hard limits behind it
            if status == -signal.SIGUSR1:
                stopped = "refused"  # not locked down: it has not run
        return Outcome(stopped, stdout, stderr, seconds)


def run_program(source: str, sandbox: Sandbox | None = None) -> Outcome:
    """Run a program in the subset where it lies in it, else in `sandbox`; without one it is refused."""
    started = time.perf_counter()
    try:
        return Outcome(*evaluate_subset(source), time.perf_counter() - started)
    except OutsideSubset as reason:
        if sandbox is None:
            return Outcome("refused", "", f"outside of the subset: {reason}", time.perf_counter() - started)
    return sandbox.run(source)
