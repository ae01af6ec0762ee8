"""The commands behind `make lab`, `fresh`, `run`, `store`, `validate`, `evidence`, `tune`, `scoreboard` and the rest.

Each is a function of a `Course` and its options; what a user got wrong is one sentence on standard error, exit code 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lib.course import gathering, lab, ledger_text, links, scoreboard, student, workspace
from lib.course.headless import NotebookFailed, execute, relative
from lib.course.notebook_file import read
from lib.course.pretraining import make_bases
from lib.course.run_report import RunReport
from lib.course.settings import parameters, typed
from lib.course.store import CellFailed, store
from lib.course.validation import validate
from lib.course.verdicts import write_verdicts
from lib.workbench.course import Course, CourseError, check_scale, check_seed, paper_id, read_ledger, read_record
from lib.workbench.tuning_file import TuningFile


def run(course: Course, name: str, *, scale: str, seed: str, extra: dict[str, object] | None = None) -> Path:
    """Execute one notebook by papermill and return the executed copy under build/runs.

    It says on standard output how far it is, and at its end the minutes and the ledger.
    A text in `extra` becomes a value of the kind of the parameter's default.
    Raises CourseError for an unknown notebook, scale, seed or parameter and for a notebook that takes no scale or seed,
    NotebookFailed when a cell raises.
    """
    notebook = course.notebook(name)
    chosen = {"scale": check_scale(scale), "seed": check_seed(seed)}
    known = parameters_of(notebook)
    listed = ", ".join(known) or "none"
    for key, value in (extra or {}).items():
        if key not in known:
            raise CourseError(f"{notebook.stem} has no parameter {key!r}; its parameters: {listed}.")
        chosen[key] = typed(key, value, known[key]) if isinstance(value, str) else value
    if missing := [name for name in ("scale", "seed") if name not in known]:
        raise CourseError(
            f"{notebook.stem} must assign {' and '.join(missing)} in a cell tagged parameters, else what is asked for "
            f"does not reach it; its parameters: {listed}."
        )
    check_scale(chosen["scale"])
    chosen["seed"] = check_seed(chosen["seed"])
    copy = course.build / "runs" / f"{notebook.stem}-{chosen['scale']}-{chosen['seed']}.ipynb"
    report = RunReport(sys.stdout)
    execute(notebook, copy, chosen, report)
    print(*summary(course, notebook, copy, report.minutes), sep="\n", flush=True)
    return copy


def summary(course: Course, notebook: Path, copy: Path, minutes: float) -> list[str]:
    """How a headless run ends: its ledger as a table, where it has one, and its minutes."""
    took = f"{notebook.stem}: {minutes:.1f} minutes"
    if (ledger := read_ledger(copy)) is None:
        return [took]
    try:
        own = read_record(course.evidence(notebook, ledger["scale"]))
        evidence_of_seeds = own or course.read_evidence(notebook)
    except CourseError as error:
        return ["", *ledger_text.table(ledger, None), f"{error}.", took]
    return ["", *ledger_text.table(ledger, evidence_of_seeds), took]


def parameters_of(notebook: Path) -> dict[str, object]:
    """The names that the notebook's cell tagged `parameters` assigns, in order, and their values where literal."""
    try:
        return parameters(read(notebook))
    except SyntaxError as error:
        where = f"{error.msg} in its line {error.lineno}"
        raise CourseError(f"{notebook.name}: its cell tagged parameters is no Python ({where}).") from None


def record_evidence(course: Course, name: str, seeds: str, scale: str = "laptop") -> Path:
    """Run one notebook per seed and write what its claims showed; the file written.

    Raises CourseError for a wrong name, scale or seed, and as `gathering.gather` does.
    """
    notebook, numbers = course.notebook(name), gathering.seeds_of(seeds)
    course.check_writable("data/evidence")
    return gathering.gather(
        course, notebook, scale, numbers, lambda seed: run(course, notebook.stem, scale=scale, seed=str(seed))
    )


def tune(course: Course, name: str, *, scale: str, names: str) -> Path:
    """Measure the tables of settings that one notebook tunes (`names`, by commas, or all); the file they are in.

    Raises CourseError for a wrong notebook or scale, or a name that the notebook does not tune.
    """
    notebook, before = course.notebook(name), os.environ.get("WORKBENCH_TUNE")
    course.check_writable("data/evidence")
    os.environ["WORKBENCH_TUNE"] = names or "all"
    try:
        run(course, notebook.stem, scale=scale, seed="0")
    finally:
        os.environ.pop("WORKBENCH_TUNE")
        if before is not None:
            os.environ["WORKBENCH_TUNE"] = before
    file = course.root / "data" / "evidence" / f"{paper_id(notebook)}-tuning.json"
    tables = TuningFile(file).names(scale)
    unknown = [part.strip() for part in names.split(",") if part.strip() and part.strip() not in tables]
    if unknown or not tables:
        raise CourseError(
            f"NAMES must name what {notebook.stem} tunes ({', '.join(tables) or 'nothing'}), got {names!r}."
        )
    return file


def number(text: str, name: str, least: float = 0.0) -> float | None:
    """An option's number, None where it is empty. Raises CourseError for what is none, not above 0 or below `least`."""
    try:
        value = float(text) if text.strip() else None
    except ValueError:
        value = 0.0
    if value is not None and not (0 < value < float("inf") and value >= least):
        wanted = f"{least:g} or more" if least else "a number above 0"
        raise CourseError(f"{name} must be {wanted}, got {text!r}.")
    return value


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="workbench", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="execute one notebook headless")
    one.add_argument("notebook")
    one.add_argument("--scale", default="laptop")
    one.add_argument("--seed", default="0")
    one.add_argument("-p", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"), dest="extra")
    check = commands.add_parser("validate", help="notebooks against stored outputs, claims against evidence")
    check.add_argument("notebooks", nargs="?", default="", help="names by spaces; without any, those that changed")
    check.add_argument("--minutes", default="", help="begin no notebook that would not end within them")
    check.add_argument("--all", default="", help="1 runs every notebook, changed or not")
    check.add_argument("--jobs", default="2", help="so many notebooks side by side")
    several = commands.add_parser("evidence", help="one run per seed into data/evidence")
    several.add_argument("notebook")
    several.add_argument("--seeds", default="0 1 2 3 4")
    several.add_argument("--scale", default="laptop")
    settings = commands.add_parser("tune", help="measure one notebook's learning rates and other settings")
    settings.add_argument("notebook")
    settings.add_argument("--scale", default="laptop")
    settings.add_argument("--names", default="")
    bases = commands.add_parser("bases", help="train the pretrained models that ship")
    bases.add_argument("base", nargs="?", default="")
    bases.add_argument("--retrain", default="")
    commands.add_parser("work", help="copy the notebooks that work/ lacks")
    opened = commands.add_parser("lab", help="open the working copies in JupyterLab")
    opened.add_argument("--arguments", default="", help="for JupyterLab")
    commands.add_parser("fresh", help="put a working copy back as the course has it").add_argument("notebook")
    commands.add_parser("store", help="execute a notebook in place at laptop scale").add_argument("notebook")
    again = commands.add_parser("verdicts", help="write what stored notebooks say of the evidence anew")
    again.add_argument("notebook", nargs="*")
    commands.add_parser("links", help="write the links between the notebooks").add_argument("notebook", nargs="*")
    commands.add_parser("scoreboard", help="write the README's table")
    commands.add_parser("student", help="notebooks without solutions into build/student")
    return top


def dispatch(course: Course, options: argparse.Namespace) -> int:
    """Do what one command asks and say what came of it; the exit code."""
    if options.command == "run":
        copy = run(course, options.notebook, scale=options.scale, seed=options.seed, extra=dict(options.extra))
        print(f"executed copy: {relative(copy)}")
    elif options.command == "validate":
        minutes, jobs = number(options.minutes, "MINUTES"), number(options.jobs, "JOBS", least=1) or 2
        everything = options.all not in ("", "0")
        return validate(course, options.notebooks, minutes=minutes, everything=everything, jobs=int(jobs))
    elif options.command == "evidence":
        file = record_evidence(course, options.notebook, options.seeds, options.scale)
        print(f"written: {relative(file)}; `make verdicts` writes what the notebooks say of it anew")
    elif options.command == "tune":
        file = tune(course, options.notebook, scale=options.scale, names=options.names)
        print(f"measured: {relative(file)}")
    elif options.command == "lab":
        print(*say_work(course, options), sep="\n", flush=True)
        lab.start(course, options.arguments)
    else:
        print(*ANSWERS[options.command](course, options), sep="\n")
    return 0


def say_work(course: Course, options: argparse.Namespace) -> list[str]:
    sentences = workspace.prepare(course)
    if course.own != course.root:
        sentences.append(f"your working copies, your builds and what you train lie in {course.own}.")
        return sentences
    return [*sentences, "your working copies lie in work/; notebooks/ stays as it is."]


def say_fresh(course: Course, options: argparse.Namespace) -> list[str]:
    copy, kept = workspace.fresh(course, options.notebook)
    return [f"{relative(copy)} is as the course has it", *([f"your own is kept: {relative(kept)}"] if kept else [])]


def say_store(course: Course, options: argparse.Namespace) -> list[str]:
    path, minutes = store(course, options.notebook)
    return [f"stored: {relative(path)}, {minutes:.1f} minutes; {course.readme.name}'s table is of it"]


def say_bases(course: Course, options: argparse.Namespace) -> list[str]:
    return make_bases(course, options.base, retrain=options.retrain not in ("", "0"))


def named(options: argparse.Namespace) -> list[str]:
    """The notebooks of a command that takes any number of them, also where one word holds several."""
    return [name for given in options.notebook for name in given.split()]


def say_links(course: Course, options: argparse.Namespace) -> list[str]:
    names = named(options) or [path.stem for path in course.notebooks()]
    changed = [path.stem for name in names if links.write_links(course, path := course.notebook(name))]
    return [f"linked anew: {', '.join(changed) or 'nothing; every link is there'}"]


def say_verdicts(course: Course, options: argparse.Namespace) -> list[str]:
    names = named(options) or [path.stem for path in course.notebooks() if read_ledger(path)]
    changed = [course.notebook(name).stem for name in names if write_verdicts(course, name)]
    return [f"verdicts written anew: {', '.join(changed) or 'none; all are those of the evidence'}"]


def say_scoreboard(course: Course, options: argparse.Namespace) -> list[str]:
    return [f"{course.readme.name}: {'table written' if scoreboard.write(course) else 'unchanged'}"]


def say_student(course: Course, options: argparse.Namespace) -> list[str]:
    written = student.write_edition(course.notebooks(), course.build / "student")
    return [f"{len(written)} notebooks without solutions: {relative(course.build / 'student')}"]


ANSWERS = {
    "bases": say_bases,
    "work": say_work,
    "fresh": say_fresh,
    "store": say_store,
    "links": say_links,
    "verdicts": say_verdicts,
    "scoreboard": say_scoreboard,
    "student": say_student,
}


def main(arguments: list[str] | None = None, course: Course | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return dispatch(course or Course(), options)
    except CourseError as error:
        print(f"{str(error).removesuffix('.')}.", file=sys.stderr)
        return 2
    except (NotebookFailed, CellFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{error.filename or 'a file'}: {error.strerror or error}; nothing that was recorded before has changed.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing that was recorded before has changed.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
