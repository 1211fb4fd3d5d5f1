"""Work on threads in the background."""

import threading

import pytest

from mmfuse.ensemble.pool import in_background


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(threads):
    assert list(in_background(lambda k: k * k, range(20), threads)) == [k * k for k in range(20)]


def test_an_error_is_raised_and_no_thread_is_left():
    done = []

    def work(k):
        if k == 3:
            raise ValueError("three")
        done.append(k)

    before = threading.active_count()
    with pytest.raises(ValueError, match="three"):
        list(in_background(work, range(1000), 2))
    assert threading.active_count() == before
    assert len(done) < 1000


def test_who_is_interrupted_does_not_wait():
    """The worker waits for what comes after the interrupt."""
    left = threading.Event()
    found = in_background(lambda k: k or left.wait(30), [1, 0], 1)
    assert next(found) == 1
    with pytest.raises(KeyboardInterrupt):
        found.throw(KeyboardInterrupt())
    left.set()
