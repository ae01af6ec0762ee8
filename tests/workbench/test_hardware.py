"""What is said of the machine: its processor and the cores that may be used, nothing that identifies it."""

from __future__ import annotations

import os
import platform
import socket

import pytest

from lib.workbench.hardware import hardware, processor_model, usable_cores, usable_threads


def test_the_line_names_model_and_cores_and_not_the_machine():
    said = hardware()
    assert said == f"{processor_model()}, {usable_cores()} cores" and "\n" not in said
    for secret in (socket.gethostname(), platform.node(), os.environ.get("USER", "")):
        assert len(secret) < 4 or secret not in said


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux's affinity")
def test_cores_are_those_that_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores() == len(allowed)


def test_without_affinity_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6


def test_a_run_takes_two_threads_or_fewer_where_told(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert usable_threads() == 2
    for said, threads in (("1", 1), ("8", 2), ("", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert usable_threads() == threads


@pytest.mark.parametrize(
    ("said", "threads"), [("4,2", 2), ("1,4", 1), ("0", 2), ("1 ", 1), ("many", 2), ("", 2), ("-3", 2), ("16", 2)]
)
def test_openmps_variable_may_hold_a_list_or_nonsense(monkeypatch, said, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert usable_threads() == threads
