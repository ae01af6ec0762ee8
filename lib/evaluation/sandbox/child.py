"""What runs inside the sandbox: lock this process down, then run a program. A script of its own; it imports no `lib`.

Started in two ways, always as `python -s -S -P -B child.py MODE LIMITS`:

    once    read one program from standard input, lock down, run it
    serve   keep reading programs from the socket that is standard input; for each fork, lock the fork down, run it

The server never runs a program itself, so it stays as it was.
"""

import atexit
import builtins
import contextlib
import ctypes
import gc
import json
import math
import os
import platform
import resource
import select
import signal
import socket
import sys
import types

IMPORTABLE = (
    "__future__ abc argparse array ast atexit base64 binascii bisect calendar cmath codecs collections collections.abc "
    "colorsys contextlib copy csv dataclasses datetime decimal difflib doctest enum fnmatch fractions functools gc "
    "gettext graphlib hashlib heapq hmac html inspect io ipaddress itertools json keyword linecache locale logging "
    "math numbers operator pathlib pickle platform pprint queue random re reprlib secrets shlex shutil statistics "
    "string struct tempfile textwrap threading time timeit traceback types typing unicodedata unittest urllib.parse "
    "uuid warnings weakref zlib"
).split()
"""What programs may import: later there is no opening of files, so what is not loaded by now cannot be imported."""
_UNASKED = (
    "_strptime encodings.ascii encodings.base64_codec encodings.charmap encodings.cp1252 encodings.cp437 "
    "encodings.hex_codec encodings.idna encodings.iso8859_1 encodings.iso8859_15 encodings.latin_1 encodings.punycode "
    "encodings.raw_unicode_escape encodings.rot_13 encodings.unicode_escape encodings.utf_16 encodings.utf_16_be "
    "encodings.utf_16_le encodings.utf_32 encodings.utf_32_be encodings.utf_32_le encodings.utf_8_sig"
).split()
"""What Python itself imports for a program: to read dates, and to encode text."""

for _module in (*IMPORTABLE, *_UNASKED):
    __import__(_module)

_LIBC = ctypes.CDLL(None, use_errno=True)
_DIE_WITH_PARENT, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES, _FILTER = 1, 4, 22, 38, 2
_CAPABILITIES_VERSION = 0x20080522
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # the 1 is EPERM
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_PROT_EXEC = 4

# System calls by number: (architecture's code, {name: number}, the two whose third argument is looked at)
_ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {
            "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "munmap": 11, "brk": 12, "rt_sigaction": 13,
            "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "getpid": 39,
            "exit": 60, "sigaltstack": 131, "gettid": 186, "futex": 202, "restart_syscall": 219, "clock_gettime": 228,
            "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "getrandom": 318, "rseq": 334,
        },
        (9, 10),
    ),
    "aarch64": (
        0xC00000B7,
        {
            "close": 57, "lseek": 62, "read": 63, "write": 64, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98,
            "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "sched_yield": 124,
            "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135,
            "rt_sigreturn": 139, "getpid": 172, "gettid": 178, "brk": 214, "munmap": 215, "mremap": 216,
            "getrandom": 278, "rseq": 293,
        },
        (222, 226),
    ),
}  # fmt: skip


def filter_code(machine: str) -> list[tuple[int, int, int, int]]:
    """The filter as (code, jump if true, jump if false, k): allow what is listed, refuse all else with EPERM.

    Memory may be mapped or its protection changed only without PROT_EXEC. Another architecture's calls kill.
    """
    architecture, calls, mapping = _ARCHITECTURES[machine]
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]  # the x32 numbers
    for number in sorted(calls.values()):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number in mapping:
        code += [
            (_EQUAL, 0, 4, number),
            (_LOAD, 0, 0, 32),  # the third argument's low word
            (_ANY_BIT, 0, 1, _PROT_EXEC),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ]
    return [*code, (_RETURN, 0, 0, _REFUSE)]


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def _prctl(option: int, *arguments: object) -> None:
    whole = [*arguments, *[0] * (4 - len(arguments))]
    whole = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in whole]
    if _LIBC.prctl(option, *whole) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def limit_resources(limits: dict) -> None:
    """The timer counts the program's own computing; a program that ignores it meets the limits behind it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = max(1, math.ceil(used.ru_utime + used.ru_stime + limits["cpu_seconds"]))
    wanted = {
        "RLIMIT_CPU": (seconds, seconds + 1), "RLIMIT_AS": (limits["memory"],) * 2, "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_CORE": (0, 0), "RLIMIT_NOFILE": (8, 8), "RLIMIT_STACK": (8 << 20,) * 2,
    }  # fmt: skip
    for name, (soft, hard) in wanted.items():
        if not hasattr(resource, name) or (name == "RLIMIT_AS" and sys.platform == "darwin"):
            continue  # macOS does not hold a limit of the address space
        most = resource.getrlimit(getattr(resource, name))[1]
        soft, hard = (value if most == resource.RLIM_INFINITY else min(value, most) for value in (soft, hard))
        resource.setrlimit(getattr(resource, name), (soft, hard))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limits["cpu_seconds"])


def refuse_system_calls() -> None:
    """From here on, for good, this process can compute, read what is open, write to it, and end.

    Capabilities go first, which a superuser's process would have; so does the right to be traced or dumped.
    """
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)()
    if _LIBC.capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(_SET_DUMPABLE, 0)
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)
    code = filter_code(platform.machine())
    array = (_Instruction * len(code))(*code)
    _prctl(_SET_SECCOMP, _FILTER, ctypes.byref(_Program(len(code), array)))


def die_with(parent: int) -> None:
    """Whatever ends the parent ends this process too, also where it has already happened."""
    if sys.platform == "linux":
        _prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def run(source: str, limits: dict) -> None:
    """Lock down and run, then end the process: 0, or 1 with `Type: message` on standard error."""
    status = 0
    builtins.exit = builtins.quit = sys.exit  # what `site` would have made
    sys.argv = ["program.py"]
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    main.__builtins__, main.__file__ = builtins, sys.argv[0]
    try:
        os.environ.clear()
        limit_resources(limits)
        if limits["filter"]:
            refuse_system_calls()
    except BaseException as error:
        os.write(2, f"not locked down: {error}".encode())
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGUSR1)  # fail closed, in a way that no locked-down program can feign
    try:
        exec(compile(source, "<program>", "exec"), main.__dict__)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:
        status = 1
        _say(error)
    del main
    if not _ended():
        status = status or 1
    os._exit(0 if status == 0 else status & 0xFF or 1)


def _ended() -> bool:
    """What Python does when a program is over: exit handlers, then the end of all that the program still holds.

    True when all that was printed has gone out.
    """
    with contextlib.suppress(BaseException):  # an exit handler's error changes nothing
        atexit._run_exitfuncs()
    written = _flushed()
    with contextlib.suppress(BaseException):
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        sys.modules.pop("__main__", None)
        gc.collect()
    return _flushed() and written


def _flushed() -> bool:
    written = True
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            written = False
    return written


def _say(error: BaseException) -> None:
    try:
        message = str(error)[:200]
    except BaseException:
        message = ""
    os.write(2, f"{type(error).__name__}: {message}".encode(errors="replace"))


def serve(limits: dict) -> None:
    """One program after another: descriptors and length come with a message, the program follows on its pipe.

    Answers with the child's number, then with how it ended. A byte K in between means: kill it.
    """
    line, me = socket.socket(fileno=0), os.getpid()
    while True:
        message, pipes, _, _ = socket.recv_fds(line, 16, 3)
        if not message:
            return
        if message != b"run" or len(pipes) != 3:  # a late K: that program has ended by itself
            for pipe in pipes:
                os.close(pipe)
            continue
        try:
            child = os.fork()
        except OSError:
            for pipe in pipes:
                os.close(pipe)
            line.send(b"busy")
            continue
        if child == 0:
            die_with(me)
            os.setsid()
            for target, pipe in enumerate(pipes):
                os.dup2(pipe, target)
            os.closerange(3, 64)
            os.chdir(limits["folder"])
            run(_program(), limits)
        for pipe in pipes:
            os.close(pipe)
        handle = os.pidfd_open(child)
        line.send(b"started")
        ready, _, _ = select.select([line, handle], [], [])
        if line in ready:
            os.kill(child, signal.SIGKILL)
            gone = not line.recv(1)
        else:
            gone = False
        _, status = os.waitpid(child, 0)
        os.close(handle)
        if gone:
            return
        line.send(str(status).encode())


def _program() -> str:
    """All of standard input, which then is at its end for the program too."""
    parts = []
    while part := os.read(0, 1 << 16):
        parts.append(part)
    return b"".join(parts).decode("utf-8-sig", "replace")


if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    if sys.argv[1] == "serve":
        serve(settings)
    else:
        die_with(settings["parent"])
        os.chdir(settings["folder"])
        run(_program(), settings)
