"""A program, and what it prints and returns by CPython and by our interpreter."""

from __future__ import annotations

import contextlib
import io

from lib.data.programs.interpreter import run
from lib.data.programs.writing import to_python

COUNT = """
def count(xs, limit):
    # how many are large
    n = 0
    for x in xs:
        if x > limit:
            n = (n + 1) mod 10
        print(x, n)
    return n
"""


def by_cpython(program, arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(to_python(program, arguments), {})
    return out.getvalue().splitlines()


def by_us(program, arguments):
    done = run(program, arguments)
    said = [" ".join(line) for line in done.trace]
    return said, done.result
