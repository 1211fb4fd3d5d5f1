"""Signals wait for what must not be left half done."""

from __future__ import annotations

import signal
import threading

import pytest

from mmfuse.files.interrupts import undisturbed

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class ToldError(Exception):
    pass


@pytest.fixture(autouse=True)
def handled():
    """Handlers that raise, as those of the command line do."""

    def tell(number, frame):
        raise ToldError(number)

    before = {number: signal.signal(number, tell) for number in SIGNALS}
    yield tell
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_one_that_comes_meanwhile_comes_at_the_end(number, handled):
    done = []

    def work():
        with undisturbed():
            signal.raise_signal(number)
            done.append("all")

    with pytest.raises(ToldError):
        work()
    assert done == ["all"]
    assert all(signal.getsignal(n) is handled for n in SIGNALS)


def test_none_comes_of_itself(handled):
    with undisturbed():
        pass
    assert all(signal.getsignal(n) is handled for n in SIGNALS)


def test_one_comes_after_an_error_too():
    def work():
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            raise ValueError

    with pytest.raises(ToldError) as error:
        work()
    assert isinstance(error.value.__context__, ValueError)


def test_what_python_does_not_handle_stays_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with undisturbed():
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.raise_signal(signal.SIGHUP)


def test_another_thread_leaves_them_alone(handled):
    seen = []

    def work():
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handled]
