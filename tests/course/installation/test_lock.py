"""Two installs at once."""

from __future__ import annotations

import threading

from lib.course.installation.lock import only_one


def test_a_second_install_waits_for_the_first(tmp_path, capsys):
    entered = threading.Event()

    def second() -> None:
        with only_one(tmp_path / "lock"):
            entered.set()

    with only_one(tmp_path / "lock"):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(5)
    waiting.join()
    assert "another install is under way" in capsys.readouterr().out
