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
    "a text stripped of characters that look alike": "print(len(('\u4141' * 24000).strip('\u4241\u4341' * 12000)))",
    "stripped again and again": "s = 'ab' * 5000\nfor i in range(3000):\n    s.strip('ba' * 1000)",
    "searched again and again": "s = 'a' * 9000\nfor i in range(3000):\n    s.count('a' * 90 + 'b')",
    "wide tuples of zip": "x = list(range(9000))\nprint(len(list(zip(" + "x, " * 900 + "x))))",
    "wide tuples in a loop": "x = list(range(90000))\nfor i in zip(" + "x, " * 900 + "x):\n    pass",
    "comprehensions among many names": "\n".join(f"n{i} = 1" for i in range(1000))
    + "\nwhile True:\n    [i for i in []]",
    "sets of heavy keys": "t = (1, 2)\nu = (1, 2)\nfor _ in range(8):\n    t = (t, t, t)\n    u = (u, u, u)\na = set([t])\nb = set([u])\nwhile True:\n    a & b",
    "a set of heavy keys": "t = (1, 2)\nfor _ in range(9):\n    t = (t, t, t)\nwhile True:\n    set([t])",
    "nested finally": "\n".join(" " * i + "try:\n" + " " * i + " x = 1\n" + " " * i + "finally:" for i in range(19))
    + "\n"
    + " " * 20
    + "x = 1",
    "open brackets": "f(" * 5000,
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


STREAMED = [
    "x = [1]\nx.extend(len(x) for _ in range(3))\nprint(x)",
    "x = [1, 2, 3, 4]\nx.extend(x.pop() for _ in range(2))\nprint(x)",
    "x = [3, 1]\nx.extend(reversed(x))\nprint(x)",
    "def f(v):\n    print(v)\n    return v\nprint(sum(f(v) for v in [1, None, 2]))",
    "def f(v):\n    print(v)\n    return v\nprint(max(f(v) for v in [1, 'a', 2]))",
    "def f(v):\n    print(v)\n    return v\nprint(len(set(f(v) for v in [1, [], 2])))",
    "def f(v):\n    print(v)\n    return v\nprint(dict(f(v) for v in [(1, 2), 3, (4, 5)]))",
    "def f(v):\n    print(v)\n    return v\nprint(' '.join(f(v) for v in ['a', 1, 'b']))",
    "def f(v):\n    print(v)\n    return [v]\nprint(sum((v for v in f(2)), len(f(3))))",
    "print(sum(None if i == 0 else 1 // 0 for i in range(2)))",
    "print(sorted((v % 3 for v in range(7)), reverse=True), tuple(v for v in 'ab'), min(v for v in [3, 2]))",
    "x = 1\nx += 'a'",
    "\ufeffprint(1)",
]


@pytest.mark.parametrize("source", STREAMED)
def test_generators_are_taken_item_by_item(source):
    """Also what is said of an error is CPython's."""
    status, stdout, stderr = evaluate_subset(source)
    assert (status, stdout, stderr) == by_cpython(source.removeprefix("\ufeff"))


def test_what_would_never_end_in_cpython_is_left_alone():
    for source in ("x = [1]\nx.extend(v for v in x)", "x = [1]\nx.extend(enumerate(x))"):
        with pytest.raises(OutsideSubset):
            evaluate_subset(source)


class Typed:
    """Random programs of numbers, texts, lists, tuples, dicts and sets, most of whose expressions are of the right type.

    `wrong`: how often a part is of any type whatever, so that errors come about as well.
    """

    def __init__(self, rng: random.Random, wrong: float = 0.01):
        self.rng, self.wrong, self.inner = rng, wrong, 0

    def pick(self, *options):
        return self.rng.choice(options)

    def make(self, kind: str, depth: int = 0) -> str:
        if self.rng.random() < self.wrong:
            kind = self.pick("n", "s", "l", "d", "t", "b")
        if depth > 2:
            return {"n": str(self.rng.randrange(6)), "b": "n1 < 2", "t": "(1, 2)"}.get(kind, f"{kind}1")

        def m(kind: str) -> str:
            return self.make(kind, depth + 1)

        return self.pick(*getattr(self, f"of_{kind}"))(self, m)

    def generator(self, kind: str, m, brackets: str = "()") -> str:
        self.inner += 1
        name = f"i{self.inner}"
        over = self.pick(
            f"range({self.rng.randrange(4)})", "l1[:3]", "l1", "l2", "reversed(l1)", f"({m('n')}, {m('n')})"
        )
        element = {"n": f"{name} + {m('n')}", "s": f"str({name})", "t": f"({name}, {m('n')})"}[kind]
        element = self.pick(element, f"say({element})", element)
        test = self.pick("", "", f" if {m('b')}")
        return f"{brackets[0]}{element} for {name} in {over}{test}{brackets[1]}"

    of_n = (
        lambda g, m: str(g.rng.randrange(-3, 10)),
        lambda g, m: g.pick("n1", "n2"),
        lambda g, m: f"({m('n')} {g.pick('+', '-', '*', '&', '|', '^', '// 3 +', '% -5 -')} {m('n')})",
        lambda g, m: f"len({m(g.pick('s', 'l', 'd'))})",
        lambda g, m: f"{g.pick('sum', 'max', 'min')}({m('l')} + [{m('n')}])",
        lambda g, m: f"sum{g.generator('n', m)}",
        lambda g, m: f"l{g.pick(1, 2)}[{g.pick(0, -1, 'n1')}]",
        lambda g, m: f"{m('s')}.{g.pick('count', 'find')}({m('s')})",
        lambda g, m: f"{g.pick('max', 'min')}{g.generator('n', m)}" if g.rng.random() < 0.3 else "n2",
        lambda g, m: f"l1.{g.pick('index', 'count', 'count')}({m('n')})",
        lambda g, m: f"d1.get({m('n')}, {m('n')})",
        lambda g, m: f"({m('n')} if {m('b')} else {m('n')})",
        lambda g, m: f"len(set{g.generator(g.pick('n', 't'), m)})",
        lambda g, m: f"abs({m('n')}) % 20",
        lambda g, m: f"say({m('n')})",
        lambda g, m: g.pick("l1.pop()", "n1", "n2"),
    )
    of_b = (
        lambda g, m: f"{m('n')} {g.pick('<', '<=', '==', '!=', '>')} {m('n')}",
        lambda g, m: f"{m('n')} in {m(g.pick('l', 't', 'd'))}",
        lambda g, m: f"{m('s')} in {m('s')}",
        lambda g, m: f"not {m('b')}",
        lambda g, m: f"({m('b')} {g.pick('and', 'or')} {m('b')})",
        lambda g, m: f"{g.pick('any', 'all')}{g.generator('n', m)}",
        lambda g, m: f"{m('l')} {g.pick('<', '==')} {m('l')}",
        lambda g, m: f"isinstance({m('n')}, ({g.pick('int', 'str')}, list))",
    )
    of_s = (
        lambda g, m: g.pick("'ab'", "'a b a'", "''"),
        lambda g, m: g.pick("s1", "s2"),
        lambda g, m: f"({m('s')} + {m('s')})",
        lambda g, m: f"str({m(g.pick('n', 'l', 't', 'd'))})",
        lambda g, m: f"{m('s')}[{m('n')}:]",
        lambda g, m: f"{m('s')}.{g.pick('upper', 'strip', 'lower')}()",
        lambda g, m: f"{m('s')}.strip({m('s')})",
        lambda g, m: f"f'{{{m('n')}}}-{{s1}}'",
        lambda g, m: f"'-'.join{g.generator('s', m)}",
        lambda g, m: f"({m('s')} * {g.rng.randrange(3)})",
    )
    of_l = (
        lambda g, m: g.pick("l1", "l2"),
        lambda g, m: f"[{m('n')}, {m('n')}]",
        lambda g, m: f"{m('l')}[{m('n')}:{m('n')}]",
        lambda g, m: f"{m('l')}[::{g.pick('-1', '2')}]",
        lambda g, m: g.generator("n", m, "[]"),
        lambda g, m: f"{g.pick('sorted', 'list')}{g.generator('n', m)}",
        lambda g, m: f"sorted({m('l')}, reverse={m('b')})",
        lambda g, m: f"({m('l')} + {m('l')})",
        lambda g, m: f"list(range({m('n')}))",
        lambda g, m: f"sorted(set({m('l')}))",
    )
    of_t = (
        lambda g, m: f"({m('n')}, {m('n')})",
        lambda g, m: f"tuple({m('l')})",
        lambda g, m: f"divmod({m('n')}, {g.pick(3, -4, 'n1')})",
    )
    of_d = (
        lambda g, m: "d1",
        lambda g, m: f"{{{m('n')}: {m('n')}, {m('n')}: {m('n')}}}",
        lambda g, m: f"dict{g.generator('t', m)}",
        lambda g, m: f"dict(zip({m('l')}, {m('l')}))",
    )

    def block(self, indent: str, depth: int = 0, *, loop: bool = False) -> list[str]:
        lines = []
        for _ in range(self.rng.randrange(1, 4)):
            kind, deeper = self.rng.randrange(11 if depth < 2 else 8), indent + "    "
            m = self.make
            if kind == 0:
                letter = self.pick("n", "s", "l")
                lines.append(f"{indent}{letter}{self.pick(1, 2)} = {m(letter)}")
            elif kind == 1:
                lines.append(
                    f"{indent}{self.pick('n1', 'n2', 'd1[1]', 'l2[0]')} {self.pick('+=', '-=', '*=')} {m('n')}"
                )
            elif kind == 2:
                lines.append(f"{indent}l1.{self.pick('append(', 'insert(0, ')}{m('n')})")
            elif kind == 3:
                lines.append(f"{indent}l1.extend({self.pick(m('l'), self.generator('n', m))})")
            elif kind == 4:
                lines.append(f"{indent}d1[{m(self.pick('n', 't'))}] = {m('n')}")
            elif kind == 5:
                lines.append(f"{indent}print({m(self.pick('n', 's', 'l', 't', 'd', 'b'))}, l1)")
            elif kind == 6:
                lines.append(f"{indent}n1, n2 = divmod({m('n')}, {self.pick(3, 'n2')})")
            elif kind == 7:
                lines.append(f"{indent}{self.pick('break', 'continue') if loop else 'pass'}")
            elif kind == 8:
                lines += [f"{indent}if {m('b')}:", *self.block(deeper, depth + 1, loop=loop)]
                lines += [f"{indent}else:", *self.block(deeper, depth + 1, loop=loop)]
            else:
                head = self.pick(
                    f"for n1 in {m('l')}[:5]:", "for n1, n2 in enumerate(l1[:4]):", "for n1, n2 in d1.items():",
                    f"for n2 in range({self.rng.randrange(3)}):",
                )  # fmt: skip
                lines += [f"{indent}{head}", *self.block(deeper, depth + 1, loop=True)]
        return lines

    def program(self) -> str:
        start = "n1, n2, s1, s2, l1, l2, d1, t1, b1 = 1, 2, 'a', 'b c', [3, 1], [2], {1: 2}, (1, 2), True"
        said = ["def say(v):", "    print('said', v)", "    return v"]
        return "\n".join([*said, start, *self.block(""), *self.block(""), "print(n1, n2, s1, l1, l2, d1)"])


def test_it_does_what_cpython_does_on_thousands_of_typed_programs(monkeypatch):
    """Printed lines, status, and what is said of an error; programs that end in an error are among them."""
    monkeypatch.setattr("lib.evaluation.sandbox.subset.MAX_WORK", 10_000)  # endless ones end sooner
    rng, statuses = random.Random(1), {"ok": 0, "error": 0, "outside": 0}
    for _ in range(2000):
        source = Typed(rng).program()
        try:
            mine = evaluate_subset(source)
        except OutsideSubset:
            statuses["outside"] += 1
            continue
        statuses[mine[0]] += 1
        wanted = by_cpython(source)
        assert mine[:2] == wanted[:2], source
        assert "SyntaxError" in mine[2] or mine[2] == wanted[2], source
    assert statuses["ok"] > 900 and statuses["error"] > 300, statuses


def alike(count: int) -> list[tuple[int, int]]:
    """Pairs of numbers below 10^18 that all have one hash: CPython's tuple hash is xxHash's lanes, which can be solved."""
    one, two, five, whole = 11400714785074694791, 14029467366897019727, 2870177450012600261, 1 << 64
    inverse, found, first = pow(two, -1, whole), [], 0
    while len(found) < count:
        lane = (five + first * two) % whole
        lane = ((lane << 31 | lane >> 33) % whole) * one % whole
        second = (12345 - lane) * inverse % whole
        second = second - whole if second >> 63 else second
        if abs(second) < 10**18:
            found.append((first, second))
        first += 1
    return found


COLLIDING = {
    "set of a list": "print(len(set({pairs})))",
    "set of a generator": "print(len(set(p for p in {pairs})))",
    "set display": "print(len({{{inside}}}))",
    "dict of pairs": "print(len(dict((p, 1) for p in {pairs})))",
    "dict of a zip": "p = {pairs}\nprint(len(dict(zip(p, p))))",
    "assignments": "d = {{}}\nfor p in {pairs}:\n    d[p] = 1\nprint(len(d))",
    "a set that grows": "s = set([])\nfor p in {pairs}:\n    s.add(p)\nprint(len(s))",
    "keys inside of keys": "print(len(set([(p, 1) for p in {pairs}])))",
}


@pytest.mark.parametrize("name", COLLIDING)
def test_keys_that_were_made_to_have_one_hash_are_left_alone(name):
    pairs = alike(40)
    assert len({hash(pair) for pair in pairs}) == 1
    source = COLLIDING[name].format(pairs=pairs, inside=", ".join(map(str, pairs)))
    with pytest.raises(OutsideSubset, match="keys of one hash"):
        evaluate_subset(source)
    few = pairs[:30]
    source = COLLIDING[name].format(pairs=few, inside=", ".join(map(str, few)))
    assert evaluate_subset(source) == ("ok", "30\n", "")


def test_ordinary_keys_that_share_a_hash_by_chance_are_taken():
    """-1 and -2 have one hash, so a grid around the origin has places that share theirs."""
    assert hash((-1, -1)) == hash((-2, -1))
    lines = ["d = {}", "for x in range(-3, 4):", "    for y in range(-3, 4):", "        for z in range(-3, 4):"]
    source = "\n".join([*lines, "            d[(x, y, z)] = x * y * z", "print(len(d), sum(d.values()))"])
    assert evaluate_subset(source) == ("ok", "343 0\n", "")


def test_a_deadline_of_computing_stands_behind_the_work(monkeypatch):
    monkeypatch.setattr("lib.evaluation.sandbox.subset.MAX_SECONDS", 0.05)
    monkeypatch.setattr("lib.evaluation.sandbox.subset.MAX_WORK", 10**9)
    started = time.thread_time()
    with pytest.raises(OutsideSubset, match="much computing"):
        evaluate_subset("while True:\n    pass")
    assert time.thread_time() - started < 2


def test_a_name_of_the_function_around_without_a_value_is_left_alone():
    """Versions of Python say different things of it."""
    with pytest.raises(OutsideSubset, match="has no value"):
        evaluate_subset("def f():\n    print([n for _ in [1]])\n    n = 1\nf()")
