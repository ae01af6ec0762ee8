"""Race the kernels and models against their peers: `make bench`, or ARGS="scan norms" for some of the subjects.

Results go to tests/benchmarks/results.csv, whose rows of the same subjects they replace, and from there to
kernels/BENCHMARKS.md. `--quick` calls every candidate once and writes nothing; `--write` measures nothing.
"""

from __future__ import annotations

import argparse
import os

import torch

from tests.benchmarks import records
from tests.benchmarks.registry import SUBJECTS, Bench, subject


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.partition("\n\n")[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; none means all")
    parser.add_argument("--quick", action="store_true", help="call every candidate once, write nothing")
    parser.add_argument("--write", action="store_true", help="only write kernels/BENCHMARKS.md from the stored results")
    arguments = parser.parse_args()
    for name in arguments.subjects:
        if name not in SUBJECTS:
            parser.error(f"SUBJECT must be one of {', '.join(SUBJECTS)}, got {name!r}")
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    for name in [] if arguments.write else arguments.subjects or SUBJECTS:
        measured = []
        for result in subject(name).results(Bench(arguments.quick)):
            print(f"{name}: {result.case}: {records.figure(result)}", flush=True)
            measured.append(result)
        if not arguments.quick:
            records.store(name, measured)
    if not arguments.quick:
        records.write_page()


if __name__ == "__main__":
    main()
