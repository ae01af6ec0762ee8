"""The sandbox: what programs print comes back, and nothing that a program tries gets out."""

# ruff: noqa: E501 (a program is one line, however long)
from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lib.evaluation.sandbox.child import IMPORTABLE
from lib.evaluation.sandbox.process import (
    MAX_SOURCE,
    Limits,
    Outcome,
    Sandbox,
    SandboxUnavailable,
    _can_filter,
    agrees,
    guarantees,
    run_program,
)

needs_filter = pytest.mark.skipif(not _can_filter(), reason="the system-call filter is Linux's")
pytestmark = pytest.mark.xdist_group("sandbox")
LIMITS = Limits(seconds=60.0, cpu_seconds=0.5)
"""Computing time decides, so that no verdict here hangs on what else the machine does."""


@pytest.fixture(scope="module", params=["server", "fresh"])
def sandbox(request):
    if not _can_filter():
        pytest.skip("the system-call filter is Linux's")
    with Sandbox(LIMITS, server=request.param == "server") as made:
        yield made


def run_briefly(sandbox: Sandbox, source: str) -> Outcome:
    """One program under a narrow wall clock: for those that wait, whose verdict is the same however soon it comes."""
    limits, sandbox.limits = sandbox.limits, replace(sandbox.limits, seconds=0.5)
    try:
        return sandbox.run(source)
    finally:
        sandbox.limits = limits


@needs_filter
def test_the_environment_of_the_parent_stays_there(monkeypatch):
    monkeypatch.setenv("WORKBENCH_BAIT", "secret")
    scan = ATTACKS["secrets on the stack"] + "\nimport ctypes\nprint(ctypes.CDLL(None).getenv(b'WORKBENCH_BAIT'))"
    for server in (True, False):
        with Sandbox(LIMITS, server=server) as made:
            outcome = made.run(scan)
            assert "secret" not in outcome.stdout + outcome.stderr and outcome.answer == "0"


@pytest.fixture
def bait(tmp_path):
    """A file that must stay as it is."""
    path = tmp_path / "bait.txt"
    path.write_text("untouched")
    yield path
    assert path.read_text() == "untouched" and sorted(tmp_path.iterdir()) == [path]


BENIGN = {
    "arithmetic": ("print(sum(range(10)))", "45"),
    "imports": ("import math, collections\nprint(math.gcd(12, 18), collections.Counter('aab')['a'])", "6 2"),
    "functions": ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nprint(f(30))", "265252859812191058636308480000000"),
    "its own error handled": ("try:\n    open('x')\nexcept OSError as e:\n    print('no', type(e).__name__)", "no PermissionError"),
    "no input": ("import sys\nprint(repr(sys.stdin.read()))", "''"),
    "unicode": ("print('h\\u00e9llo')", "h\u00e9llo"),
    "classes": ("class A:\n    def __repr__(self):\n        return 'A!'\nprint(A())", "A!"),
    "main": ("if __name__ == '__main__':\n    print('main')", "main"),
}  # fmt: skip


@pytest.mark.parametrize("name", BENIGN)
def test_a_program_prints(sandbox, name):
    source, wanted = BENIGN[name]
    outcome = sandbox.run(source)
    assert (outcome.status, outcome.answer, outcome.stderr) == ("ok", wanted, "")


@pytest.mark.parametrize(
    ("source", "stderr"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("x = (", "SyntaxError"),
        ("raise ValueError('no' * 1000)", "ValueError: nonono"),
        ("import torch", "ModuleNotFoundError: No module named 'torch'"),
        ("raise SystemExit(3)", ""),
        ("raise SystemExit(128)", ""),
        ("raise SystemExit(256)", ""),
        ("exit(2)", ""),
        ("class E(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise E", "E: "),
    ],
)
def test_an_error_is_one_short_line(sandbox, source, stderr):
    outcome = sandbox.run(source)
    assert outcome.status == "error" and outcome.stderr.startswith(stderr) and len(outcome.stderr) < 300


# What each program tries; it must print `escaped` where it got what it wanted. Every one must leave the host whole.
TRY = "try:\n    {}\n    print('escaped')\nexcept BaseException as e:\n    print(type(e).__name__)"
ATTACKS = {
    # processes and threads
    "fork": TRY.format("import os; os.fork()"),
    "fork bomb": "import os\nwhile True:\n    try:\n        os.fork()\n        print('escaped')\n    except OSError:\n        pass",
    "thread": TRY.format("import _thread; _thread.start_new_thread(print, ('escaped',))"),
    "thread bomb": "import _thread\nfor _ in range(10000):\n    try:\n        _thread.start_new_thread(lambda: None, ())\n        print('escaped')\n    except BaseException:\n        pass",
    "system": "import os\nif os.system('true') == 0:\n    print('escaped')",
    "exec": TRY.format("import os; os.execv('/bin/echo', ['echo', 'escaped'])"),
    "spawn": TRY.format("import os; os.posix_spawn('/bin/true', ['true'], {})"),
    "popen": TRY.format("import os; os.popen('echo').read()"),
    "subprocess": TRY.format("import subprocess; subprocess.run(['true'])"),
    "multiprocessing": TRY.format("import multiprocessing; multiprocessing.Process(target=print).start()"),
    "kill the parent": TRY.format("import os; os.kill(os.getppid(), 9)"),
    "stop the parent": TRY.format("import os; os.kill(os.getppid(), 19)"),
    "kill everybody": TRY.format("import os; os.kill(-1, 9)"),
    "kill the group": TRY.format("import os; os.killpg(0, 9)"),
    "trace": "import ctypes\nif ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0:\n    print('escaped')",
    "new session": TRY.format("import os; os.setsid()"),
    "raise its limits": TRY.format("import resource; resource.setrlimit(resource.RLIMIT_CPU, (100, 100))"),
    "raise its limits by prlimit": "import ctypes\nif ctypes.CDLL(None).prlimit(0, 0, None, ctypes.create_string_buffer(16)) == 0:\n    print('escaped')",
    # files
    "read a file": TRY.format("open('{bait}').read()"),
    "read a system file": TRY.format("open('/etc/passwd').read()"),
    "read by descriptor": TRY.format("import os; os.open('{bait}', os.O_RDONLY)"),
    "write a file": TRY.format("open('{bait}', 'w').write('x')"),
    "append to a file": TRY.format("open('{bait}', 'a').write('x')"),
    "write where it stands": TRY.format("open('mine.txt', 'w').write('x')"),
    "fill the disk": "n = 0\nwhile n < 100:\n    n += 1\n    try:\n        open(f'fill{{n}}', 'wb').write(b'x' * 10 ** 7)\n        print('escaped')\n    except OSError:\n        pass",
    "delete": TRY.format("import os; os.unlink('{bait}')"),
    "rename": TRY.format("import os; os.rename('{bait}', '{bait}2')"),
    "change mode": TRY.format("import os; os.chmod('{bait}', 0)"),
    "truncate": TRY.format("import os; os.truncate('{bait}', 0)"),
    "make a folder": TRY.format("import os; os.mkdir('{bait}.d')"),
    "symbolic link": TRY.format("import os; os.symlink('{bait}', 'link'); open('link').read()"),
    "hard link": TRY.format("import os; os.link('{bait}', 'link')"),
    "list a folder": TRY.format("import os; os.listdir('/')"),
    "walk to the root": TRY.format("import os; os.chdir('/'); os.listdir('.')"),
    "metadata": TRY.format("import os; os.stat('{bait}')"),
    "memory of the process": TRY.format("open('/proc/self/mem', 'rb')"),
    "memory of the parent": TRY.format("import os; open(f'/proc/{{os.getppid()}}/mem', 'rb')"),
    "environment of the parent": TRY.format("import os; open(f'/proc/{{os.getppid()}}/environ').read()"),
    "temporary file": TRY.format("import tempfile; tempfile.TemporaryFile()"),
    "pathlib": TRY.format("import pathlib; pathlib.Path('{bait}').read_text()"),
    "import from a file": "import sys\nsys.path.insert(0, '{folder}')\n" + TRY.format("import bait"),
    "memory-mapped file": "import ctypes\nif ctypes.CDLL(None).mmap(0, 4096, 1, 1, 0, 0) != -1:\n    print('escaped')",
    "poisoned memory": "import ctypes\nb = ctypes.create_string_buffer(8192)\na = (ctypes.addressof(b) + 4095) & ~4095\nif ctypes.CDLL(None).madvise(ctypes.c_void_p(a), 4096, 20) == 0:\n    print('escaped')",
    "vfork by ctypes": "import ctypes\nif ctypes.CDLL(None).syscall(58) >= 0 or ctypes.CDLL(None).syscall(435, 0, 0) >= 0:\n    print('escaped')",
    "capabilities": "import ctypes\nif ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0:\n    print('escaped')",
    "inherited descriptors": "import os\nfor fd in range(3, 300):\n    try:\n        os.close(fd)\n        print('escaped')\n    except OSError:\n        pass",
    # network
    "socket": TRY.format("import socket; socket.socket()"),
    "connect": TRY.format("import socket; socket.create_connection(('127.0.0.1', {port}))"),
    "raw socket": "import ctypes\nif ctypes.CDLL(None).socket(2, 1, 0) >= 0:\n    print('escaped')",
    "unix socket": "import ctypes\nif ctypes.CDLL(None).socket(1, 1, 0) >= 0:\n    print('escaped')",
    # the kernel by hand
    "open by ctypes": "import ctypes\nif ctypes.CDLL(None).open(b'{bait}', 0) >= 0:\n    print('escaped')",
    "system call by number": "import ctypes\nif ctypes.CDLL(None).syscall(2, b'{bait}', 0) >= 0 or ctypes.CDLL(None).syscall(257, -100, b'{bait}', 0) >= 0:\n    print('escaped')",
    "io_uring": "import ctypes\nif ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(512)) >= 0:\n    print('escaped')",
    "x32 numbers": "import ctypes\nprint(ctypes.CDLL(None).syscall(0x40000000 + 39))\nprint('escaped')",
    "another filter": "import ctypes\nif ctypes.CDLL(None).prctl(22, 1, 0, 0, 0) == 0:\n    print('escaped')",
    "executable memory": "import ctypes\np = ctypes.CDLL(None).mmap(0, 4096, 7, 34, -1, 0)\nif p != -1:\n    print('escaped')",
    "make memory executable": "import ctypes\nb = ctypes.create_string_buffer(8192)\na = (ctypes.addressof(b) + 4095) & ~4095\nif ctypes.CDLL(None).mprotect(ctypes.c_void_p(a), 4096, 7) == 0:\n    print('escaped')",
    "crash": "import ctypes\nctypes.string_at(0)\nprint('escaped')",
    # endless and greedy
    "endless": "while True:\n    pass",
    "endless that catches all": "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    "one big power": "10 ** (10 ** 8)\nprint('done')",
    "catastrophic pattern": "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
    "endless in C": "import itertools\nsum(itertools.repeat(0))",
    "sleep": "import time\ntime.sleep(100)",
    "ignore signals and sleep": "import signal, time\nfor n in range(1, 65):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError):\n        pass\nwhile True:\n    time.sleep(1)",
    "ignore the time limit": "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True:\n    pass",
    "close its pipes and go on": "import os, time\nfor fd in range(3):\n    os.close(fd)\ntime.sleep(100)",
    "wait for input": "while True:\n    try:\n        input()\n    except EOFError:\n        pass",
    "a big list": "x = [0] * 10 ** 9\nprint('escaped')",
    "a growing string": "x = 'a'\nwhile True:\n    x += x",
    "many small objects": "x = []\nwhile True:\n    x.append([x])",
    "bytes": "x = bytearray(10 ** 10)\nprint('escaped')",
    "deep recursion": "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f():\n    f()\nf()",
    "nested parentheses": "(" * 5000 + ")" * 5000,
    "nested data": "x = []\nfor _ in range(10 ** 6):\n    x = [x]\nprint(x)",
    # output and verdicts
    "print for ever": "while True:\n    print('x' * 1000)",
    "errors for ever": "import os\nwhile True:\n    os.write(2, b'x' * 1000)",
    "leave at once": "import os\nos._exit(0)",
    "leave with success": "import sys\nprint('passed: True')\nsys.exit(0)",
    "feign a refusal": "import os\nos.write(2, b'not locked down: x')\nos._exit(120)",
    "abort": "import os\nos.abort()",
    "control characters": "print('\\x1b[2J\\x1b]0;title\\x07\\r\\x00done')",
    "not text": "import os\nos.write(1, bytes(range(256)))",
    "a lying equality": "class A:\n    def __eq__(self, other):\n        return True\n    def __repr__(self):\n        return 'True'\nprint(A())",
    # secrets and Python's own doors
    "environment": "import os\nif os.environ or os.environb:\n    print('escaped')",
    "environment in C": "import ctypes\nif ctypes.CDLL(None).getenv(b'WORKBENCH_BAIT'):\n    print('escaped')",
    "unpickle": TRY.format("import pickle; pickle.loads(b\"cposix\\nsystem\\n(S'echo escaped'\\ntR.\"); raise OSError"),
    "subclasses": "c = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen']\nif c:\n    c[0](['true'])\n    print('escaped')",
    "secrets on the stack": "import ctypes, sys\nf = sys._getframe()\nwhile f.f_back:\n    f = f.f_back\nb = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), 'environ')\nfor i in range(100):\n    if not b or not b[i]:\n        break\n    print(b[i])",
    "reload": "import importlib, os\ntry:\n    importlib.reload(os)\n    os.listdir('/')\n    print('escaped')\nexcept BaseException as e:\n    print(type(e).__name__)",
    "exit handlers": "import atexit, os\natexit.register(lambda: os.system('echo escaped'))",
    "terminal": TRY.format("import os; os.openpty()"),
}  # fmt: skip


ENDLESS = (
    "endless", "endless that catches all", "catastrophic pattern", "endless in C", "sleep", "ignore signals and sleep",
    "ignore the time limit", "close its pipes and go on", "wait for input", "a growing string", "many small objects",
    "print for ever", "errors for ever",
)  # fmt: skip


WAITING = ("sleep", "ignore signals and sleep", "close its pipes and go on")


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 60 and set(ENDLESS) < set(ATTACKS) and set(WAITING) < set(ENDLESS)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_gets_out(sandbox, bait, name):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        source = ATTACKS[name]
        for word, value in (("{bait}", bait), ("{folder}", bait.parent), ("{port}", server.getsockname()[1])):
            source = source.replace(word, str(value))
        run = run_briefly if name in WAITING else Sandbox.run
        outcome = run(sandbox, source.replace("{{", "{").replace("}}", "}"))
        assert outcome.status != "ok" or name not in ENDLESS, outcome
        assert "escaped" not in outcome.stdout, outcome
        assert "untouched" not in outcome.stdout and "secret" not in outcome.stdout
        assert len(outcome.stdout) <= LIMITS.output and len(outcome.stderr) <= LIMITS.output
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not agrees(outcome, "the answer")
    assert not os.listdir(sandbox._folder.name), "the scratch folder stays empty"
    following = sandbox.run("print(6 * 7)")
    assert agrees(following, 42), following


HARMLESS = (
    "fork", "thread", "read a file", "read by descriptor", "pathlib", "metadata", "list a folder",
    "socket", "raw socket", "open by ctypes", "executable memory", "system", "unpickle",
)  # fmt: skip


@needs_filter
@pytest.mark.parametrize("name", HARMLESS)
def test_without_the_filter_the_same_attacks_get_out(name, bait, monkeypatch):
    """These tests can fail: the programs do what they say where nothing stops them."""
    monkeypatch.setattr("lib.evaluation.sandbox.process._can_filter", lambda: False)
    roomy = Limits(cpu_seconds=5.0, memory=1 << 30)
    with Sandbox(roomy, degraded=True, server=False) as open_door:
        source = ATTACKS[name].replace("{bait}", str(bait)).replace("{{", "{").replace("}}", "}")
        assert "escaped" in open_door.run(source).stdout


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("endless", "time"), ("endless that catches all", "time"), ("sleep", "time"), ("endless in C", "time"),
        ("ignore the time limit", "time"), ("close its pipes and go on", "time"), ("print for ever", "output"),
        ("errors for ever", "output"), ("abort", "killed"), ("crash", "killed"), ("a big list", "error"),
        ("leave at once", "ok"), ("leave with success", "ok"), ("feign a refusal", "error"),
    ],
)  # fmt: skip
def test_how_an_attack_ends_is_said(sandbox, name, status):
    run = run_briefly if name in WAITING else Sandbox.run
    assert run(sandbox, ATTACKS[name]).status == status


def test_memory_is_an_error_of_the_program(sandbox):
    assert sandbox.run("x = [0] * 10 ** 9").stderr.startswith("MemoryError")


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_no_process_is_left(sandbox):
    for name in ("close its pipes and go on", "print for ever", "ignore signals and sleep"):
        run_briefly(sandbox, ATTACKS[name])
        if sandbox._server is not None:
            assert children_of(sandbox._server[0].pid) == []
        lines = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children_of(os.getpid())]
        assert not any(b"once" in line for line in lines)


@needs_filter
def test_what_a_server_has_forked_dies_with_it():
    with Sandbox(LIMITS) as made:
        pipes = made._ask()
        (child,) = children_of(made._server[0].pid)
        made._server[0].kill()
        made._server[0].wait()
        for _ in range(6000):  # a minute at least
            if not Path(f"/proc/{child}").exists():
                break
            time.sleep(0.01)
        assert not Path(f"/proc/{child}").exists()
        for pipe in pipes:
            os.close(pipe)


@needs_filter
def test_a_program_that_ends_while_it_is_stopped_costs_the_next_nothing(monkeypatch):
    slow = Sandbox._converse

    def delayed(self, *arguments):
        result = slow(self, *arguments)
        time.sleep(0.05)
        return result

    monkeypatch.setattr(Sandbox, "_converse", delayed)
    with Sandbox(LIMITS) as made:
        for _ in range(3):
            assert made.run("import os\nos.write(1, b'x' * 65540)\nos._exit(0)").status == "output"
            assert agrees(made.run("print(1)"), 1)


@needs_filter
@pytest.mark.parametrize("server", [True, False])
def test_an_interrupt_leaves_nothing_behind(monkeypatch, server):
    with Sandbox(LIMITS, server=server) as made:
        before = len(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as patch:
            patch.setattr("selectors.DefaultSelector.select", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                made.run("import time\ntime.sleep(100)")
        assert agrees(made.run("print(1)"), 1)
        assert len(os.listdir("/proc/self/fd")) <= before


def test_the_verdict_is_made_outside():
    right = Outcome("ok", "thinking\n  [1,  2]\n\n", "", 0.0)
    assert agrees(right, [1, 2]) and agrees(right, "[1,2]") and not agrees(right, [1, 3])
    assert agrees(Outcome("ok", "007\n", "", 0.0), 7) and not agrees(Outcome("ok", "", "", 0.0), 7)
    assert not agrees(Outcome("error", "7\n", "", 0.0), 7)
    assert not agrees(Outcome("ok", "1 2\n", "", 0.0), 12) and not agrees(Outcome("ok", "\n", "", 0.0), "")
    assert agrees(Outcome("ok", "1\u00a02\n", "", 0.0), "1 2") and agrees(Outcome("ok", "{'a':1}", "", 0.0), {"a": 1})
    assert Outcome("ok", "\x1b[2Ja\tb\x00\r\n", "", 0.0).text == "[2Ja\tb\n"


def test_the_seed_of_hashes_is_fixed(sandbox):
    source = "print({'one', 'two', 'three', 'four'})"
    assert len({sandbox.run(source).stdout for _ in range(3)}) == 1


def test_a_huge_program_is_refused(sandbox):
    assert sandbox.run("#" * (MAX_SOURCE + 1)).status == "refused"


def test_a_large_program_is_fed_in_parts(sandbox):
    assert agrees(sandbox.run("#" * (MAX_SOURCE // 2) + "\nprint('end')"), "end")


@needs_filter
def test_the_server_is_replaced_when_it_dies():
    with Sandbox(LIMITS) as made:
        made._server[0].kill()
        made._server[0].wait()
        assert agrees(made.run("print(1)"), 1)
        source = "import time\nprint(1, flush=True)\ntime.sleep(100)"
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(made.run, source)
            time.sleep(0.3)
            made._server[0].kill()
            assert running.result(10).status == "killed"
        assert agrees(made.run("print(1)"), 1)


@needs_filter
def test_the_folder_goes_with_the_sandbox():
    with Sandbox(LIMITS) as made:
        folder, process = made._folder.name, made._server[0]
        assert os.path.isdir(folder)
    assert not os.path.exists(folder) and process.poll() is not None


def test_only_the_subset_runs_where_nothing_holds(monkeypatch):
    monkeypatch.setattr("lib.evaluation.sandbox.process._can_filter", lambda: False)
    with pytest.raises(SandboxUnavailable, match=r"cannot hold: no files, network, processes or signals.*subset"):
        Sandbox()
    assert not guarantees()["no files, network, processes or signals"]
    assert run_program("print(1 + 1)").stdout == "2\n"
    assert run_program("import os").status == "refused"


@needs_filter
def test_degraded_still_limits_time_and_output(monkeypatch):
    monkeypatch.setattr("lib.evaluation.sandbox.process._can_filter", lambda: False)
    with Sandbox(LIMITS, degraded=True) as made:
        assert made.run("while True:\n    pass").status == "time"
        assert made.run("while True:\n    print('x' * 1000)").status == "output"


@needs_filter
def test_the_filter_fails_closed(tmp_path):
    """A machine whose filter cannot be installed runs nothing."""
    child = Path(sys.modules["lib.evaluation.sandbox.process"].__file__).with_name("child.py")
    broken = child.read_text().replace("_FILTER = 1, 4, 22, 38, 2", "_FILTER = 1, 4, 22, 38, 77")
    assert broken != child.read_text()
    script = tmp_path / "broken.py"
    script.write_text(broken)
    told = {"cpu_seconds": 1, "memory": 1 << 28, "filter": True, "folder": str(tmp_path), "parent": os.getpid()}
    settings = json.dumps(told)
    done = subprocess.run([sys.executable, "-S", str(script), "once", settings], input="print('ran')", capture_output=True, text=True)  # fmt: skip
    assert done.returncode == -signal.SIGUSR1 and done.stdout == "" and "not locked down" in done.stderr


@needs_filter
def test_programs_are_cheap():
    """In processor time, which other programs hardly change: a fresh interpreter takes some 60 ms, a fork below 10."""
    with Sandbox(LIMITS) as made:
        made.run("print(1)")
        before = time.process_time() + ticks_of(made._server[0].pid)
        for _ in range(20):
            made.run("print(1)")
        forked = (time.process_time() + ticks_of(made._server[0].pid) - before) / 20
    with Sandbox(LIMITS, server=False) as made:
        before = time.process_time() + reaped()
        for _ in range(5):
            made.run("print(1)")
        fresh = (time.process_time() + reaped() - before) / 5
    assert 0 < forked < 0.05 and 0 < fresh < 0.3, (forked, fresh)


def ticks_of(process: int) -> float:
    """Seconds that a process and the children it has waited for have computed."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def reaped() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_the_subset_is_tried_first(sandbox):
    assert run_program("print(2 ** 10)", sandbox).stdout == "1024\n"
    assert agrees(run_program("import math\nprint(math.factorial(5))", sandbox), 120)


BUSY = "import time\nwhile time.process_time() - began < {}:\n    pass\nprint('done')"


def test_computing_decides_whatever_the_wall_clock_says(sandbox):
    """Waiting costs nothing of it; a fraction of a second counts; what the interpreter's start took does not."""
    within = "import time\nbegan = time.process_time()\n" + BUSY.format(0.3)
    assert agrees(sandbox.run(f"import time\ntime.sleep(1.2)\n{within}"), "done")
    beyond = sandbox.run("import time\nbegan = time.process_time()\n" + BUSY.format(0.7))
    assert (beyond.status, beyond.stdout) == ("time", "")


def test_the_wall_clock_is_a_wide_net():
    """A program that gets a twentieth of a core still has all of its computing time."""
    assert Limits().seconds >= 20 * Limits().cpu_seconds


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seconds", float("nan"), "seconds must be a finite number above 0, got nan"),
        ("seconds", float("inf"), "seconds must be a finite number above 0, got inf"),
        ("seconds", "2", "seconds must be a finite number above 0, got '2'"),
        ("seconds", True, "seconds must be a finite number above 0, got True"),
        ("cpu_seconds", 0, "cpu_seconds must be a finite number above 0, got 0"),
        ("cpu_seconds", -1.5, "cpu_seconds must be a finite number above 0, got -1.5"),
        ("memory", -1, "memory must be a whole number of bytes from 67108864, got -1"),
        ("memory", 3e8, "memory must be a whole number of bytes from 67108864, got 300000000.0"),
        ("memory", 1 << 63, "memory must be a whole number of bytes from 67108864, got 9223372036854775808"),
        ("output", 0, "output must be a whole number of bytes from 64, got 0"),
        ("output", 100.5, "output must be a whole number of bytes from 64, got 100.5"),
    ],
)  # fmt: skip
def test_limits_are_checked(name, value, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Limits(**{name: value})


def test_the_least_limits_run(sandbox):
    with Sandbox(Limits(memory=64 << 20, output=64)) as made:
        assert agrees(made.run("print(sum(range(100)))"), 4950)


def test_a_source_is_text(sandbox):
    for wrong in (None, b"print(1)"):
        with pytest.raises(TypeError, match=f"source must be the text of a program, got {type(wrong).__name__}"):
            sandbox.run(wrong)


@needs_filter
def test_a_sandbox_goes_on_without_its_folder():
    with Sandbox(LIMITS) as made:
        os.rmdir(made._folder.name)
        Path(made._folder.name).write_text("in the way")
        taken = Path(made._folder.name)
        assert agrees(made.run("print(1)"), 1)
    taken.unlink()
    made.close()
    assert agrees(made.run("print(2)"), 2)
    made.close()


ORDINARY = {
    "annotations": "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import get_type_hints\n@dataclass\nclass P:\n    x: int\nprint(P(1), get_type_hints(P))",
    "names beyond ascii": "gr\u00f6\u00dfe = 3\nprint(gr\u00f6\u00dfe, '\\N{BULLET}')",
    "a mark at the start": "\ufeffprint(5)",
    "dates": "from datetime import datetime\nimport time\nprint(datetime.strptime('2024-03-05', '%Y-%m-%d').strftime('%A %d %B'), time.strptime('3 May 2020', '%d %B %Y').tm_yday)",
    "common modules": "import threading, queue, calendar, pprint, unicodedata, cmath, hashlib, pickle, base64, pathlib, logging, secrets, timeit, uuid, csv\nprint(hashlib.sha256(b'x').hexdigest()[:6], calendar.monthrange(2024, 2), pathlib.PurePath('a/b').name, unicodedata.name('a'))",
    "other encodings": "print('\u00e9'.encode('cp1252'), '\u00e9'.encode('utf-16-le'), 'x'.encode('idna'), b'6869'.fromhex('6869'))",
    "arguments": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int, default=3)\nprint(p.parse_args().n)",
    "its own module": "import pickle, sys\nclass A:\n    x = 1\nprint(pickle.loads(pickle.dumps(A())).x, sys.modules['__main__'].A is A)",
    "tests in docstrings": "def f():\n    '''\n    >>> f()\n    1\n    '''\n    return 1\nimport doctest\nprint(doctest.testmod())",
    "exit handlers": "import atexit\natexit.register(print, 'bye')\nprint('hi')",
    "exit handlers after an error": "import atexit\natexit.register(print, 'bye')\n1 / 0",
    "exit handlers after sys.exit": "import atexit, sys\natexit.register(print, 'bye')\nsys.exit(0)",
    "an exit handler that fails": "import atexit\natexit.register(print, 'bye')\natexit.register(int, 'x')\nprint('hi')",
    "the last object": "class A:\n    def __init__(self, n):\n        self.n = n\n    def __del__(self):\n        print('gone', self.n)\nb = A(1)\na = A(2)\n_c = A(3)\nprint('hi')",
    "an open generator": "def g():\n    try:\n        yield 1\n    finally:\n        print('closed')\nx = g()\nprint(next(x))",
    "another stdout": "import io, sys\nclass A:\n    def __del__(self):\n        print('gone')\na = A()\nsys.stdout = io.StringIO()\nprint('lost')",
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_programs_print_what_python_prints(sandbox, tmp_path, name):
    """The same text as a file, run by Python outside."""
    script = tmp_path / "program.py"
    script.write_text(ORDINARY[name], encoding="utf-8")
    wanted = subprocess.run([sys.executable, "-S", script], capture_output=True, text=True, encoding="utf-8")
    outcome = run_program(ORDINARY[name], sandbox)
    assert outcome.stdout == wanted.stdout != ""
    assert (outcome.status == "ok") is (wanted.returncode == 0)


def test_all_that_is_said_to_be_importable_can_be_imported(sandbox):
    lines = "\n".join(f"import {module}" for module in IMPORTABLE)
    assert agrees(sandbox.run(f"{lines}\nprint('all')"), "all")
