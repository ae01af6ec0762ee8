"""Create or complete `.venv` with the tested versions; `make` runs this file with the machine's own Python.

`install.py wheelhouse` gathers what was installed in build/wheelhouse, for machines without a network. This file alone
is read by any Python 3; the modules that do the work are imported when the version is known to be right.
"""

from __future__ import annotations

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OLDEST_PYTHON = (3, 11)


def main(arguments=()) -> int:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"Paper Workbench: Python 3.11 or newer is needed, this is {found}; "
            "name another one with `make lab PYTHON=python3.12`."
        )
        return 2
    if ROOT not in sys.path:
        sys.path.insert(0, ROOT)  # `-I` leaves out where this file lies
    from pathlib import Path

    from lib.course.installation import wheelhouse
    from lib.course.installation.environment import Environment
    from lib.course.installation.messages import InstallError, say
    from lib.course.installation.stages import Options, install

    root = Path(ROOT)
    try:
        install(root, Options.of_the_environment())
        if "wheelhouse" in arguments:
            wheelhouse.gather(Environment(root), root / "build" / "wheelhouse")
    except InstallError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"{error.filename or 'the disk'}: {error.strerror}; nothing that was complete before has changed.")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where it stopped.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
