"""An interrupt waits once, never twice, and the program's own handler comes back."""

from __future__ import annotations

import signal
import threading

import pytest

from lib.training.interrupt import DeferredInterrupt


@pytest.fixture(autouse=True)
def python_interrupt():
    """Python's own handler, also where the tests run in the background, which ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_waits_and_the_second_does_not():
    with DeferredInterrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_the_handler_of_before_comes_back_also_after_an_error(error):
    mine = lambda *_: None  # noqa: E731
    signal.signal(signal.SIGINT, mine)
    try:
        with DeferredInterrupt():
            assert signal.getsignal(signal.SIGINT) is not mine
            if error:
                raise error
    except RuntimeError:
        pass
    assert signal.getsignal(signal.SIGINT) is mine


def test_behind_it_an_interrupt_is_one_again():
    with DeferredInterrupt() as interrupt:
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not interrupt.requested


def test_in_another_thread_it_does_nothing():
    seen = []

    def work():
        with DeferredInterrupt() as interrupt:
            seen.append((signal.getsignal(signal.SIGINT), interrupt.requested))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(signal.default_int_handler, False)]
