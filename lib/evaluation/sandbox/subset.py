"""A small part of Python, walked as a syntax tree: no `exec`, no attributes, no imports, hence nothing to escape from.

Numbers, strings, lists, tuples, dicts, sets; assignment, if, for, while, functions of positional arguments, list
comprehensions; a fixed list of builtin functions and of methods. Whatever it runs, it runs as CPython does; what it
does not know raises `OutsideSubset`, before anything of it has been printed, and is somebody else's to run.

Every step costs one unit of work, every new sequence its length, and whatever C code does at one go what it may cost
at worst, so that time and memory are bounded together; behind that stands a deadline of computing time.
"""

from __future__ import annotations

import ast
import builtins
import operator
import time
import warnings
from collections.abc import Callable, Iterable, Iterator

MAX_WORK, MAX_OUTPUT, MAX_DEPTH, MAX_NODES, MAX_SOURCE = 200_000, 65_536, 40, 5_000, 50_000
MAX_INT, MAX_KEYS, MAX_ALIKE, MAX_BRACKETS = 10**18, 2_000, 32, 60
MAX_SECONDS = 2.0
"""Of computing, in this thread: a program that takes longer is left to the sandbox's interpreter."""


class OutsideSubset(Exception):
    """The program uses, or grows beyond, what is known here."""


class _Stop(Exception):
    """Leave a loop or a function: kind is break, continue or return."""

    def __init__(self, kind: str, value: object = None):
        self.kind, self.value = kind, value


def evaluate_subset(source: str) -> tuple[str, str, str]:
    """(status, stdout, stderr): ok, or error with `Type: message` when the program itself raises.

    Raises OutsideSubset for a program that cannot be run here.
    """
    machine = _Machine()
    try:
        tree = _read(source.removeprefix("\ufeff"))
    except SyntaxError as error:
        return "error", "", f"{type(error).__name__}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        raise OutsideSubset(type(error).__name__) from None
    try:
        machine.block(tree.body, machine.names)
    except _Stop as stop:
        raise OutsideSubset(f"{stop.kind} outside of its place") from None
    except RecursionError:
        raise OutsideSubset("deep recursion") from None
    except OutsideSubset:
        raise
    except Exception as error:  # the program's own
        return "error", "".join(machine.printed), f"{type(error).__name__}: {str(error)[:200]}"
    return "ok", "".join(machine.printed), ""


def _read(source: str) -> ast.Module:
    """The tree, of known nodes only. Raises SyntaxError where CPython does."""
    if len(source) > MAX_SOURCE:
        raise OutsideSubset("the text is long")
    if _nesting(source) > MAX_BRACKETS:
        raise OutsideSubset("deep brackets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
        for number, node in enumerate(ast.walk(tree)):
            if number > MAX_NODES:
                raise OutsideSubset("the syntax tree is large")
            if not isinstance(node, _KNOWN):  # also where it would not be reached: a yield changes its whole function
                raise OutsideSubset(type(node).__name__)
        compile(source, "<program>", "exec", dont_inherit=True)  # finds what parsing lets through; never executed
    return tree


def _nesting(source: str) -> int:
    """The most brackets that may be open at one place (those in texts and comments count too)."""
    most = depth = 0
    for character in source:
        depth += (character in "([{") - (character in ")]}")
        most = max(most, depth)
    return most


_BINARY: dict[type, Callable] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip
_IN_PLACE = {kind: getattr(operator, f"i{function.__name__.strip('_')}") for kind, function in _BINARY.items()}
_COMPARE: dict[type, Callable] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not, ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_UNARY: dict[type, Callable] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Invert: operator.invert,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable] = {
    function.__name__: function
    for function in (len, range, sum, min, max, sorted, reversed, abs, int, str, list, tuple, dict, set, bool, float,
                     round, enumerate, zip, any, all, divmod, ord, chr, isinstance)
}  # fmt: skip
_TYPES = (int, str, list, tuple, dict, set, bool, float)
_METHODS: dict[type, frozenset[str]] = {
    list: frozenset("append pop insert index count reverse sort remove extend copy clear".split()),
    dict: frozenset("get keys values items pop copy clear".split()),
    set: frozenset("add discard remove copy".split()),
    str: frozenset("split join upper lower strip startswith endswith isdigit isalpha count index find".split()),
    tuple: frozenset("index count".split()),
}
_CONSUMERS = frozenset("sum min max sorted list tuple set dict any all".split())
_SEARCHES = frozenset("strip split count index find".split())
_BUILTINS = frozenset(dir(builtins))
_MISSING = object()
_SEQUENCES = (str, list, tuple, dict, set)
_KNOWN = tuple(
    getattr(ast, name)
    for name in (
        "Module Expr Pass Break Continue Return Assign AugAssign If For While FunctionDef arguments arg Constant Name "
        "BinOp UnaryOp BoolOp Compare IfExp List Tuple Set Dict Subscript Slice ListComp GeneratorExp comprehension "
        "JoinedStr FormattedValue Call keyword Attribute expr_context operator unaryop boolop cmpop"
    ).split()
)
"""Kinds of nodes; what else there is in a program, even in a branch that is never taken, makes it someone else's."""
_PLAIN = (*_SEQUENCES, int, float, bool, type(None), range)


class _Function:
    """A function that the program has defined: positional arguments, no defaults, no closure over another's names."""

    def __init__(self, node: ast.FunctionDef):
        plain = node.args
        extra = plain.posonlyargs, plain.kwonlyargs, plain.defaults, plain.vararg, plain.kwarg, node.decorator_list
        if any(extra) or getattr(node, "type_params", None):
            raise OutsideSubset("a function with more than positional arguments")
        names = {kind.__name__ for kind in _TYPES}
        for note in (node.returns, *(argument.annotation for argument in plain.args)):
            if note is not None and not (isinstance(note, ast.Name) and note.id in names):
                raise OutsideSubset("an annotation that would be evaluated")
        self.name, self.body, self.parameters = node.name, node.body, [argument.arg for argument in plain.args]
        if any(name in _BUILTINS or name.startswith("__") for name in self.parameters):
            raise OutsideSubset("a builtin's name for something else")
        self.locals = _assigned(node.body) | set(self.parameters)


class _Machine:
    def __init__(self):
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.printed: list[str] = []
        self.work, self.written, self.depth = 0, 0, 0
        self.deadline, self.looked = time.thread_time() + MAX_SECONDS, 0
        self.alike: dict[int, list[object]] = {}

    # -- budgets

    def spend(self, units: int = 1) -> None:
        self.work += units
        if self.work > MAX_WORK:
            raise OutsideSubset("much work")
        self.looked += 1
        if self.looked % 256 == 0 and time.thread_time() > self.deadline:
            raise OutsideSubset("much computing")

    def made(self, value: object) -> object:
        """Pays for a value that has just been made, and keeps whole numbers small."""
        if type(value) in _SEQUENCES:
            self.spend(len(value))
            self.few_keys(value)
        elif type(value) is int and abs(value) >= MAX_INT:
            raise OutsideSubset("a large number")
        elif type(value) is complex:
            raise OutsideSubset("a complex number")
        return value

    # -- statements

    def block(self, statements: list[ast.stmt], names: dict) -> None:
        for statement in statements:
            self.spend()
            method = getattr(self, "do_" + type(statement).__name__, None)
            if method is None:
                raise OutsideSubset(type(statement).__name__)
            method(statement, names)

    def do_Expr(self, node, names):
        self.value(node.value, names)

    def do_Pass(self, node, names):
        pass

    def do_Break(self, node, names):
        raise _Stop("break")

    def do_Continue(self, node, names):
        raise _Stop("continue")

    def do_Return(self, node, names):
        raise _Stop("return", None if node.value is None else self.value(node.value, names))

    def do_Assign(self, node, names):
        value = self.value(node.value, names)
        for target in node.targets:
            self.bind(target, value, names)

    def do_AugAssign(self, node, names):
        target = node.target
        if isinstance(target, ast.Name):
            before, place = self.value(ast.Name(target.id, ast.Load()), names), None
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            place = self.value(target.value, names), self.value(target.slice, names)
            before = self.item(*place)
        else:
            raise OutsideSubset("augmented assignment to " + type(target).__name__)
        if type(before) in (list, set, dict):
            raise OutsideSubset("augmented assignment in place")
        after = self.binary(type(node.op), before, self.value(node.value, names), _IN_PLACE)
        if place is None:
            self.bind(target, after, names)
        else:
            self.put(*place, after)

    def do_If(self, node, names):
        self.block(node.body if self.value(node.test, names) else node.orelse, names)

    def do_For(self, node, names):
        for item in self.iterate(self.value(node.iter, names, once=True)):
            self.bind(node.target, item, names)
            if self.once(node.body, names):
                return
        self.block(node.orelse, names)

    def do_While(self, node, names):
        while self.value(node.test, names):
            self.spend()
            if self.once(node.body, names):
                return
        self.block(node.orelse, names)

    def do_FunctionDef(self, node, names):
        if names is not self.names:
            raise OutsideSubset("a function inside of a function")
        if node.name in _BUILTINS or node.name.startswith("__"):
            raise OutsideSubset("a builtin's name for something else")
        names[node.name] = _Function(node)

    def once(self, body: list[ast.stmt], names: dict) -> bool:
        """One round of a loop; True when it was broken off."""
        try:
            self.block(body, names)
        except _Stop as stop:
            if stop.kind == "return":
                raise
            return stop.kind == "break"
        return False

    def bind(self, target: ast.expr, value: object, names: dict) -> None:
        if isinstance(target, ast.Name):
            if target.id in _BUILTINS or target.id.startswith("__"):
                raise OutsideSubset("a builtin's name for something else")
            names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            if any(isinstance(part, ast.Starred) for part in target.elts):
                raise OutsideSubset("a starred target")
            values = list(self.iterate(value))
            if len(values) != len(target.elts):
                raise OutsideSubset("unpacking another number of values")
            for part, item in zip(target.elts, values, strict=True):
                self.bind(part, item, names)
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            self.put(self.value(target.value, names), self.value(target.slice, names), value)
        else:
            raise OutsideSubset("assignment to " + type(target).__name__)

    def put(self, holder: object, key: object, value: object) -> None:
        if type(holder) not in (list, dict):
            raise OutsideSubset("assignment into something else than a list or dict")
        self.weigh(key)
        if type(holder) is dict:
            self.key(key)
        holder[key] = value
        self.few_keys(holder)

    def few_keys(self, holder: object) -> None:
        if type(holder) in (dict, set) and len(holder) > MAX_KEYS:
            raise OutsideSubset("many keys")

    def key(self, value: object) -> None:
        """Counts, before it is hashed, what becomes a key, however deep it lies.

        Tuples can be chosen so that all have one hash; then every look-up meets all of them. (Whole numbers as small
        as ours cannot; texts can only by chance.)
        """
        if type(value) is float and value != value:
            raise OutsideSubset("no number as a key")  # its hash differs from run to run
        if type(value) not in (tuple, range):
            return
        for part in value if type(value) is tuple else ():
            self.key(part)
        try:
            alike = self.alike.setdefault(hash(value), [])
        except TypeError:
            return  # no key at all, as CPython will say
        if value not in alike:
            alike.append(value)
        if len(alike) > MAX_ALIKE:
            raise OutsideSubset("keys of one hash")

    def item(self, holder: object, key: object) -> object:
        if type(holder) not in (str, list, tuple, dict, range):
            raise OutsideSubset("subscript of " + type(holder).__name__)
        self.weigh(key)
        return holder[key]

    # -- expressions

    def value(self, node: ast.expr, names: dict, *, once: bool = False) -> object:
        """An expression's value; `once` where what `zip` and the like give may stand: they are looped over at once."""
        self.spend()
        method = getattr(self, "get_" + type(node).__name__, None)
        if method is None:
            raise OutsideSubset(type(node).__name__)
        result = method(node, names)
        if isinstance(result, _Function | Iterator) or (isinstance(result, _Once) and not once):
            raise OutsideSubset("a function or an iterator as a value")
        return result

    def get_Constant(self, node, names):
        if type(node.value) not in (int, float, str, bool, type(None)):
            raise OutsideSubset(type(node.value).__name__)
        return self.made(node.value)

    def get_Name(self, node, names):
        found = self.look_up(node.id, names)
        if found is not _MISSING:
            return found
        if node.id in _BUILTINS or node.id.startswith("__"):
            raise OutsideSubset(f"{node.id} as a value")
        raise NameError(f"name '{node.id}' is not defined")

    def look_up(self, name: str, names: dict) -> object:
        if name in names:
            return names[name]
        if names is not self.names and name in names[""]:
            if "in a comprehension" in names:
                raise OutsideSubset("a name of the function around that has no value")
            raise UnboundLocalError(f"cannot access local variable '{name}' where it is not associated with a value")
        return self.names.get(name, _MISSING)

    def get_BinOp(self, node, names):
        return self.binary(type(node.op), self.value(node.left, names), self.value(node.right, names))

    def binary(self, kind: type, a: object, b: object, table: dict[type, Callable] = _BINARY) -> object:
        if kind not in table:
            raise OutsideSubset(kind.__name__)
        if kind is ast.Mult and (type(a) in _SEQUENCES or type(b) in _SEQUENCES):
            length, times = (len(a), b) if type(a) in _SEQUENCES else (len(b), a)
            if type(times) in (int, bool):
                self.spend(max(0, length * times))
        if kind is ast.Mod and type(a) is str:
            raise OutsideSubset("formatting")
        if kind is ast.Pow and not (type(a) in (int, float, bool) and type(b) in (int, bool) and 0 <= b <= 64):
            raise OutsideSubset("a power")
        if type(a) in _SEQUENCES and type(b) in _SEQUENCES:
            self.spend(len(a) + len(b))
        if type(a) in (set, dict):  # their keys are compared
            self.weigh(a)
            self.weigh(b)
        return self.made(table[kind](a, b))

    def get_UnaryOp(self, node, names):
        return _UNARY[type(node.op)](self.value(node.operand, names))

    def get_BoolOp(self, node, names):
        for part in node.values:
            value = self.value(part, names)
            if bool(value) is isinstance(node.op, ast.Or):
                break
        return value

    def get_Compare(self, node, names):
        left = self.value(node.left, names)
        for kind, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part, names)
            self.weigh(left)
            self.weigh(right)
            if type(left) is type(right) is str and isinstance(kind, ast.In | ast.NotIn):
                self.searched(right, left)
            if type(right) is range and isinstance(kind, ast.In | ast.NotIn) and type(left) not in (int, bool):
                self.spend(len(right))  # whole numbers are looked up by arithmetic, all else one by one
            if isinstance(kind, ast.Is | ast.IsNot) and left is not None and right is not None:
                raise OutsideSubset("identity")
            result = _COMPARE[type(kind)](left, right)
            if not result:
                return result
            left = right
        return result

    def get_IfExp(self, node, names):
        return self.value(node.body if self.value(node.test, names) else node.orelse, names)

    def get_List(self, node, names):
        if any(isinstance(part, ast.Starred) for part in node.elts):
            raise OutsideSubset("a starred value")
        return [self.value(part, names) for part in node.elts]

    def get_Tuple(self, node, names):
        return tuple(self.get_List(node, names))

    def get_Set(self, node, names):
        values = self.get_List(node, names)
        self.weigh(values)
        for value in values:
            self.key(value)
        return self.made(set(values))

    def get_Dict(self, node, names):
        if None in node.keys:
            raise OutsideSubset("a dict from a dict")
        pairs = [(self.value(k, names), self.value(v, names)) for k, v in zip(node.keys, node.values, strict=True)]
        made: dict = {}
        for key, part in pairs:
            self.put(made, key, part)
        return made

    def get_Subscript(self, node, names):
        holder = self.value(node.value, names)
        if not isinstance(node.slice, ast.Slice):
            return self.item(holder, self.value(node.slice, names))
        if type(holder) not in (str, list, tuple):
            raise OutsideSubset("a slice of " + type(holder).__name__)
        ends = (node.slice.lower, node.slice.upper, node.slice.step)
        return self.made(holder[slice(*(None if end is None else self.value(end, names) for end in ends))])

    def get_ListComp(self, node, names):
        return list(self.comprehend(node, names))

    def get_GeneratorExp(self, node, names):
        raise OutsideSubset("a generator outside of a call")

    def comprehend(self, node: ast.ListComp | ast.GeneratorExp, names: dict) -> Iterator[object]:
        """Items one by one, as they are asked for; what they are made of is looked up at once.

        The loop's own names are not seen outside.
        """
        if len(node.generators) != 1 or node.generators[0].is_async:
            raise OutsideSubset("nested comprehensions")
        loop, inner = node.generators[0], dict(names)
        self.spend(len(names) // 8)
        inner.setdefault("", frozenset())
        inner["in a comprehension"] = True
        return self.comprehended(node.elt, loop, inner, self.iterate(self.value(loop.iter, names, once=True)))

    def comprehended(self, element: ast.expr, loop: ast.comprehension, names: dict, items: Iterator) -> Iterator:
        for item in items:
            self.bind(loop.target, item, names)
            if all(self.value(test, names) for test in loop.ifs):
                yield self.value(element, names)

    def get_JoinedStr(self, node, names):
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if part.format_spec is not None or part.conversion != -1:
                    raise OutsideSubset("formatting")
                parts.append(self.text(self.value(part.value, names)))
            else:
                parts.append(part.value)
        return self.made("".join(parts))

    def get_Call(self, node, names):
        if isinstance(node.func, ast.Attribute):
            return self.method(node, names)
        if not isinstance(node.func, ast.Name):
            raise OutsideSubset("a call of something else than a name")
        name = node.func.id
        known = self.look_up(name, names)
        if isinstance(known, _Function):
            if node.keywords:
                raise OutsideSubset("arguments by name")
            return self.call(known, self.arguments(node, names))
        if name == "print":
            return self.print(node, names)
        if name not in _FUNCTIONS or known is not _MISSING:
            raise OutsideSubset(f"calling {name}")
        if name == "isinstance":
            return self.is_instance(node, names)
        if name in ("any", "all") and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            return self.until(name, node, names)
        arguments, options = self.arguments(node, names, once=name in _CONSUMERS), self.options(node, names, name)
        return self.builtin(name, arguments, options)

    def until(self, name: str, node: ast.Call, names: dict) -> bool:
        """any and all of a generator stop at the first item that decides."""
        if node.keywords:
            raise OutsideSubset("arguments by name")
        for item in self.comprehend(node.args[0], names):
            if bool(item) is (name == "any"):
                return name == "any"
        return name == "all"

    def arguments(self, node: ast.Call, names: dict, *, once: bool = False) -> list:
        """`once`: a generator or what `zip` and the like give may stand here, for it is looped over at once.

        They come as iterators, so that who takes them stops at the item where CPython does.
        """
        found = []
        for part in node.args:
            if isinstance(part, ast.Starred):
                raise OutsideSubset("a starred argument")
            if isinstance(part, ast.GeneratorExp):
                if not once:
                    raise OutsideSubset("a generator as a value")
                found.append(self.weighed(self.comprehend(part, names)))
            else:
                value = self.value(part, names, once=once)
                found.append(self.weighed(self.iterate(value)) if isinstance(value, _Once) else value)
        return found

    def weighed(self, items: Iterator[object]) -> Iterator[object]:
        for item in items:
            self.weigh(item)
            yield item

    def options(self, node: ast.Call, names: dict, name: str) -> dict:
        """Arguments by name: the one that sorting takes."""
        if any(keyword.arg != "reverse" for keyword in node.keywords) or (node.keywords and name[:4] != "sort"):
            raise OutsideSubset("arguments by name")
        return {keyword.arg: self.value(keyword.value, names) for keyword in node.keywords}

    def builtin(self, name: str, arguments: list, options: dict) -> object:
        for value in arguments:
            if isinstance(value, Iterator):
                continue
            self.weigh(value)
            if type(value) is range:
                self.spend(len(value) if name in _CONSUMERS else 1)
            if type(value) is set and name not in ("len", "sorted", "min", "max", "set", "bool"):
                raise OutsideSubset("the order of a set")
        if name == "round" and any(type(places) is int and abs(places) > 30 for places in arguments[1:]):
            raise OutsideSubset("rounding to many places")
        if name in ("int", "float") and any(type(value) is str and len(value) > 100 for value in arguments):
            raise OutsideSubset("a long number")
        if name in ("sum", "set", "dict") and arguments:
            arguments[0] = self.taken(name, arguments[0])
        if name == "str":
            return self.text(arguments[0]) if len(arguments) == 1 else self.made(str(*arguments))
        result = _FUNCTIONS[name](*arguments, **options)
        return _Once(result) if name in ("reversed", "enumerate", "zip") else self.made(result)

    def taken(self, name: str, value: object) -> object:
        """What `sum`, `set` or `dict` is made of, item by item, each looked at before it is taken."""
        if type(value) in (set, dict, range, str) or not isinstance(value, Iterator | list | tuple):
            return value  # its items have been looked at, or it is none

        def items() -> Iterator[object]:
            for item in value:
                if name == "sum" and type(item) in _SEQUENCES:
                    raise OutsideSubset("a sum of sequences")
                if name == "set":
                    self.key(item)
                elif name == "dict" and type(item) is set:
                    raise OutsideSubset("the order of a set")
                elif name == "dict" and type(item) in (tuple, list) and len(item) == 2:
                    self.key(item[0])
                yield item

        return items()

    def is_instance(self, node, names):
        if len(node.args) != 2 or node.keywords:
            raise OutsideSubset("isinstance")
        wanted = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
        kinds = {kind.__name__: kind for kind in _TYPES}
        if not all(isinstance(part, ast.Name) and part.id in kinds for part in wanted):
            raise OutsideSubset("isinstance")
        return isinstance(self.value(node.args[0], names), tuple(kinds[part.id] for part in wanted))

    def method(self, node, names):
        holder, name = self.value(node.func.value, names), node.func.attr
        if name not in _METHODS.get(type(holder), ()):
            raise OutsideSubset(f"the method {name} of {type(holder).__name__}")
        arguments = self.arguments(node, names, once=name in ("join", "extend"))
        options = self.options(node, names, name)
        if name not in ("append", "insert"):
            for value in arguments:
                if isinstance(value, Iterator):
                    continue
                self.weigh(value)
                if type(value) in (set, range) and name in ("join", "extend"):
                    raise OutsideSubset(f"{name} of a {type(value).__name__}")
        if name not in ("append", "get", "add"):
            self.weigh(holder)
        if name == "join" and arguments:
            if isinstance(arguments[0], Iterator):
                arguments[0] = list(arguments[0])  # as CPython does before it looks at the first
            if type(arguments[0]) in (list, tuple, str, dict):
                self.spend(len(holder) * len(arguments[0]))
        if type(holder) is str and name in _SEARCHES and arguments and type(arguments[0]) is str:
            self.searched(holder, arguments[0])
        if type(holder) is set and name == "add" and arguments:
            self.key(arguments[0])
        result = getattr(holder, name)(*arguments, **options)
        self.few_keys(holder)
        return _Once(result) if name in ("keys", "values", "items") else self.made(result)

    def searched(self, text: str, wanted: str) -> None:
        """Pays for a search in a text: at worst every character is compared with all that is wanted."""
        self.spend(len(text) * len(wanted) // 64)

    def call(self, function: _Function, arguments: list) -> object:
        if len(arguments) != len(function.parameters):
            raise OutsideSubset("another number of arguments")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise OutsideSubset("deep recursion")
        try:
            local = dict(zip(function.parameters, arguments, strict=True))
            local[""] = function.locals  # no name is empty: a place for what belongs to the function
            self.block(function.body, local)
        except _Stop as stop:
            if stop.kind != "return":
                raise
            return stop.value
        finally:
            self.depth -= 1
        return None

    def print(self, node, names):
        ends, values = {"sep": " ", "end": "\n"}, self.arguments(node, names)
        for keyword in node.keywords:
            if keyword.arg not in ends:
                raise OutsideSubset(f"print with {keyword.arg}")
            value = self.value(keyword.value, names)
            if value is not None:
                if type(value) is not str:
                    raise OutsideSubset("print with other than text")
                ends[keyword.arg] = value
        texts = [self.text(value) for value in values]
        self.spend(len(ends["sep"]) * len(texts) + len(ends["end"]))
        text = ends["sep"].join(texts) + ends["end"]
        try:
            self.written += len(text.encode())
        except UnicodeEncodeError:
            raise OutsideSubset("half a character") from None
        if self.written > MAX_OUTPUT:
            raise OutsideSubset("much output")
        self.printed.append(text)

    def text(self, value: object) -> str:
        """str(value), paid for before it is made; sets have no order of their own and are left out."""
        self.weigh(value, ordered=True)
        return self.made(str(value))

    def weigh(self, value: object, depth: int = 0, *, ordered: bool = False) -> None:
        """Pays for all that hangs on a value, as often as it hangs there: what to compare, hash or print it can cost.

        (Ten lists, each ten times in the next, are a thousand million numbers.)
        """
        if depth > 20:
            raise OutsideSubset("deep nesting")
        if type(value) not in _PLAIN or (ordered and type(value) is set):
            raise OutsideSubset("use of " + type(value).__name__)
        self.spend(1 + len(value) // 8 if type(value) is str else 1)
        if type(value) in (list, tuple, set):
            for part in value:
                self.weigh(part, depth + 1, ordered=ordered)
        elif type(value) is dict:
            for pair in value.items():
                self.weigh(pair, depth + 1, ordered=ordered)

    def iterate(self, value: object) -> Iterator[object]:
        if isinstance(value, _Once):
            for item in value.items:
                self.spend(len(item) if type(item) is tuple else 1)  # which `zip` has made just now
                yield item
            return
        elif type(value) is set:
            raise OutsideSubset("the order of a set")
        elif type(value) not in (str, list, tuple, dict, range):
            raise OutsideSubset("a loop over " + type(value).__name__)
        for item in value:
            self.spend()
            yield item


class _Once:
    """What `zip`, `dict.items` and the like give. It can only be looped over where it is made."""

    def __init__(self, items: Iterable[object]):
        self.items = items


def _assigned(body: list[ast.stmt]) -> set[str]:
    """The names that a function's body binds, which are its own; a comprehension's stay in the comprehension."""
    found, left = set(), list(body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if not isinstance(node, ast.ListComp | ast.GeneratorExp):
            left.extend(ast.iter_child_nodes(node))
    return found
