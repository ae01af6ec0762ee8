"""The subset of Python: what it runs, it runs as CPython does; what it does not know, it leaves alone."""

# ruff: noqa: E501 (a program is one line, however long)
from __future__ import annotations

import contextlib
import io
import random
import time
import warnings

import pytest

from lib.evaluation.sandbox.subset import OutsideSubset, evaluate_subset


def by_cpython(source: str) -> tuple[str, str, str]:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, "<test>", "exec"), {"__name__": "__main__"})
    except Exception as error:
        return "error", out.getvalue(), f"{type(error).__name__}: {str(error)[:200]}"
    return "ok", out.getvalue(), ""


PROGRAMS = [
    "print(1 + 2 * 3 ** 2 // 4 % 5, -7 // 2, -7 % 3, 7 / 2, not 0, ~5, 6 & 3 | 8 ^ 1)",
    "a, (b, c) = 1, [2, 3]\na, b = b, a\nprint(a, b, c)",
    "xs = [3, 1, 2]\nxs.append(5)\nxs.sort(reverse=True)\nprint(xs, xs[::-1], xs[-1], sorted(xs), sorted(xs, reverse=True))",
    "d = {'a': 1}\nd['b'] = 2\nd['a'] += 5\nfor k, v in d.items():\n    print(k, v, sep='=', end=';')\nprint(d, 'a' in d, d.get('z', 0))",
    "for i in range(10):\n    if i == 3:\n        continue\n    if i == 6:\n        break\n    print(i)\nelse:\n    print('never')",
    "n = 27\nsteps = 0\nwhile n != 1:\n    n = n // 2 if n % 2 == 0 else 3 * n + 1\n    steps += 1\nelse:\n    print(steps)",
    "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\nprint(gcd(48, 36))\nif __name__ == '__main__':\n    print(gcd(7, 5))",
    "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nprint(f(15))",
    "i = 9\ndef g():\n    xs = [i for i in range(3)]\n    return xs, i\nprint(g(), [x * y for x, y in zip([1, 2], (3, 4))], sum(x for x in range(5) if x % 2))",
    "print([len(w) for w in 'the quick brown fox'.split()], '-'.join(['a', 'b']), 'abc'.upper(), 'a,b'.split(','))",
    "print(f'{1 + 1} and {[1, 2]} and {\"x\"}', str(3) + 'a' * 3, 'b' in 'abc', 'abc'[1:], 'ab' < 'b')",
    "print(max(3, 5), min([4, 2]), abs(-3), round(2.567, 2), divmod(7, 2), ord('a'), chr(98), int('12'), float('1.5'), bool([]))",
    "print(list(enumerate('ab')), list(reversed([1, 2])), list(range(5, 0, -2)), tuple([1]), len({1, 2, 2}), sorted({3, 1}))",
    "print(isinstance(1, int), isinstance('a', (int, str)), 1 < 2 < 3, 1 == 1.0, None is None, [] or 'x', 0 and 1)",
    "print(1)\nprint(undefined)",
    "print([1][5])",
    "print({}['x'])",
    "print('a' + 1)",
    "print(1 / 0)",
    "x = 1\ndef f():\n    print(x)\n    x = 2\nf()",
    "print(int('x'))",
    "def f(:\n    pass",
    "s = 'h\u00e9'\nprint(s, len(s))",
    "xs = [[0] * 3 for _ in range(2)]\nxs[1][2] += 4\nprint(xs)",
    "a = b = []\na.append(1)\nprint(b, a == b)",
    "def f():\n    pass\nprint(f())",
    "def f(xs: list, n: int) -> int:\n    return len(xs) + n\nprint(f([1], 2))",
    "xs = [3, 1]\nprint(all(xs[i] <= xs[i + 1] for i in range(len(xs))), any(x == 3 for x in xs))",
    "def g(x):\n    print(x)\n    return x\nprint(any(g(x) for x in [0, 1, 2]))\nprint([g(x) for x in [1, 2]])",
    "xs = [1, 2, 3, 4]\nfor i, x in enumerate(xs):\n    print(i, x)\n    xs.remove(x)",
    "xs = [1, 2, 3]\nfor x in reversed(xs):\n    print(x)\n    xs.clear()",
    "d = {1: 2}\nfor k in d.keys():\n    d[k + 1] = 0",
    "d = {1: 2, 3: 4}\nfor k, v in d.items():\n    d[k] = v + 1\nprint(d)",
    "def g(x):\n    print('g')\n    return x\nprint(g(1), end=g('!'))\nprint({[]: g(1)})",
    "print(1)\nreturn 1",
    "if False:\n    break",
    "def f(a, a):\n    pass",
    "print(1, end='', end='')",
    "x = 5\ndef f():\n    if False:\n        def x():\n            pass\n    print(x)\nf()",
    "  x = 1",
    "print('\\d')",
    "print(-7 % 3, -7 // 3, 7 % -3, 2 ** 10, 1.5 in range(3), round(2.5), round(1234.567, -2))",
]


@pytest.mark.parametrize("source", PROGRAMS)
def test_it_does_what_cpython_does(source):
    status, stdout, stderr = evaluate_subset(source)
    wanted = by_cpython(source)
    assert (status, stdout) == wanted[:2]
    assert stderr.partition(":")[0] == wanted[2].partition(":")[0]


def random_program(rng: random.Random) -> str:
    """Assignments, tests, loops, lists and prints over a few names, some of them wrong."""
    names = ["a", "b", "c"]

    def number(depth: int = 0) -> str:
        choice = rng.randrange(7 if depth < 3 else 2)
        if choice == 0:
            return str(rng.randrange(-3, 10))
        if choice == 1:
            return rng.choice(names)
        if choice == 2:
            return f"xs[{rng.randrange(-3, 4)}]"
        if choice == 3:
            return f"len(xs[{rng.randrange(3)}:])"
        if choice == 4:
            return f"({number(depth + 1)} if {number(depth + 1)} < {number(depth + 1)} else {number(depth + 1)})"
        return f"({number(depth + 1)} {rng.choice(['+', '-', '*', '//', '%', '&', '|', '<', '==', 'or', 'and'])} {number(depth + 1)})"

    def block(indent: str, depth: int = 0) -> list[str]:
        lines = []
        for _ in range(rng.randrange(1, 4)):
            kind = rng.randrange(8 if depth < 2 else 5)
            if kind == 0:
                lines.append(f"{indent}{rng.choice(names)} = {number()}")
            elif kind == 1:
                lines.append(f"{indent}{rng.choice(names)} {rng.choice(['+=', '-='])} {number()}")
            elif kind == 2:
                lines.append(f"{indent}xs.append({number()})")
            elif kind == 3:
                lines.append(f"{indent}print({number()}, xs[-2:])")
            elif kind == 4:
                lines.append(f"{indent}xs[{rng.randrange(3)}] = {number()}")
            elif kind == 5:
                lines += [f"{indent}if {number()}:", *block(indent + "    ", depth + 1)]
            else:
                lines += [
                    f"{indent}for {rng.choice(names)} in range({rng.randrange(4)}):",
                    *block(indent + "    ", depth + 1),
                ]
        return lines

    return "\n".join(["a, b, c, xs = 1, 2, 3, [4, 5, 6]", *block(""), *block(""), "print(a, b, c, xs)"])


def test_it_does_what_cpython_does_on_a_thousand_random_programs():
    rng, run = random.Random(0), 0
    for _ in range(1000):
        source = random_program(rng)
        try:
            mine = evaluate_subset(source)
        except OutsideSubset:
            continue
        run += 1
        assert mine == by_cpython(source), source
    assert run > 900


OUTSIDE = {
    "imports": "import os",
    "attributes": "print(().__class__)",
    "attributes of what it knows": "print('a'.format)",
    "format": "print('{0.__class__}'.format(1))",
    "percent": "print('%1000000000d' % 1)",
    "format specifications": "print(f'{1:1000000000}')",
    "exec": "exec('print(1)')",
    "eval": "print(eval('1'))",
    "open": "open('/etc/passwd')",
    "names with underscores": "print(__builtins__)",
    "import by name": "__import__('os')",
    "a builtin as a value": "f = print\nf(1)",
    "shadowed builtins": "print = 1",
    "type": "print(type(1))",
    "getattr": "getattr(1, 'real')",
    "lambda": "f = lambda: 1",
    "classes": "class A:\n    pass",
    "try": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass",
    "with": "with open('x'):\n    pass",
    "global": "x = 1\ndef f():\n    global x\n    x = 2\nf()",
    "generators": "def f():\n    yield 1\nprint(f())",
    "starred": "print(*[1, 2])",
    "walrus": "print((x := 1))",
    "matrices": "print([1] @ [2])",
    "order of sets": "print({1, 2})",
    "sets in loops": "for x in {1, 2}:\n    print(x)",
    "iterators as values": "z = zip([1], [2])\nprint(list(z))",
    "functions as values": "def f():\n    pass\nprint(f)",
    "decorators": "@print\ndef f():\n    pass",
    "bytes": "print(b'x')",
    "complex numbers": "print((-8) ** 0.5)",
    "raise": "raise SystemExit",
    "assert": "assert False",
    "a yield that is never reached": "def f():\n    print(1)\n    if False:\n        yield\nf()",
    "a statement that is never reached": "if False:\n    import os",
    "builtins as parameters": "def f(print):\n    print(1)\nf(5)",
    "annotations that are evaluated": "def f(xs: List[int]):\n    pass",
    "generators that interleave": "for i, x in enumerate(y for y in [1]):\n    print(i)",
    "half a character": "print(chr(55296))",
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_it_does_not_know_it_leaves_alone(name):
    with pytest.raises(OutsideSubset):
        evaluate_subset(OUTSIDE[name])


GREEDY = {
    "endless": "while True:\n    pass",
    "a long loop": "for i in range(10 ** 12):\n    pass",
    "a big power": "print(10 ** 10 ** 8)",
    "repeated squares": "x = 3\nwhile True:\n    x = x * x",
    "a big list": "x = [0] * 10 ** 9",
    "a big text": "x = 'a' * 10 ** 9",
    "a list of a range": "x = list(range(10 ** 9))",
    "reversed range": "x = list(reversed(range(10 ** 9)))",
    "sum of a range": "x = sum(range(10 ** 9))",
    "growing text": "x = 'a'\nwhile True:\n    x = x + x",
    "growing list": "x = [1]\nwhile True:\n    x.extend(x)",
    "billion laughs, compared": "a = [0] * 50\nb = [a] * 50\nc = [b] * 50\nd = [c] * 50\ne = [0] * 50\nf = [e] * 50\ng = [f] * 50\nh = [g] * 50\nprint(d == h)",
    "billion laughs, printed": "a = [0] * 50\nb = [a] * 50\nc = [b] * 50\nd = [c] * 50\nprint(d)",
    "billion laughs, hashed": "t = (1, 2)\nfor _ in range(15):\n    t = (t, t, t)\nprint({t: 1})",
    "billion laughs, searched": "a = [0] * 50\nb = [a] * 50\nc = [b] * 50\nd = [c] * 50\ne = [[[[1] * 50] * 50] * 50] * 50\nprint(e in [d])",
    "a list in itself": "x = []\nx.append(x)\nprint(x)",
    "sum of lists": "print(len(sum([[1]] * 50000, [])))",
    "join of long parts": "x = 'a' * 50000\nprint(len(x.join([x] * 50000)))",
    "deep recursion": "def f(n):\n    return f(n + 1)\nf(0)",
    "printing for ever": "while True:\n    print('x' * 100)",
    "nested parentheses": "x = " + "(" * 3000 + "1" + ")" * 3000,
    "nested lists": "x = " + "[" * 90 + "]" * 90 + "\nprint(x)",
    "a long sum": "x = " + "+".join(["1"] * 20000),
    "a long number": "x = int('9' * 10000)",
    "a fraction in a range": "print(1.5 in range(10 ** 17))",
    "rounding to many places": "print(round(5, -10 ** 10))",
    "a long separator": "s = 'x' * 90000\nprint(" + "1, " * 2000 + "sep=s)",
    "join of a dict": "s = ''.join([chr(i + 100) for i in range(1900)])\nd = dict(zip(s, s))\nprint(len(('a' * 150000).join(d)))",
    "keys with one hash": "d = {}\nfor k in range(20000):\n    d[(2.0 ** 61) * k] = 1",
    "many nodes": "\n".join(["x = 1"] * 5000),
}


@pytest.mark.parametrize("name", GREEDY)
def test_what_grows_is_stopped_in_time(name):
    started = time.process_time()
    try:
        status, stdout, _ = evaluate_subset(GREEDY[name])
        assert status == "error" and len(stdout) <= 65_536
    except OutsideSubset:
        pass
    assert time.process_time() - started < 3
