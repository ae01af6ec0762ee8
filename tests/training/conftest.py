"""The tiny run as a fixture, and a way to start it in processes of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("tiny_run.py")
ROOT = SCRIPT.parents[2]


@pytest.fixture(scope="session")
def tiny():
    spec = importlib.util.spec_from_file_location("tiny_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def launch():
    """launch(folder, processes=1, **options) -> exit codes and output of `tiny_run.py` started so often at once."""

    def start(folder, processes=1, script=SCRIPT, **options):
        folder.mkdir(exist_ok=True, parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        workers = []
        for rank in range(processes):
            env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            if processes > 1:
                env |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
                env |= {"LOCAL_WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            command = [sys.executable, str(script), str(folder), json.dumps(options)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            workers.append(subprocess.Popen(command, env=env, cwd=ROOT, **pipes))
        try:
            outputs = [worker.communicate(timeout=120)[0] for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
        return [worker.returncode for worker in workers], "\n".join(outputs)

    return start
