"""Threads on which models are made."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from threadpoolctl import threadpool_limits

Task = TypeVar("Task")
Found = TypeVar("Found")


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let libraries have one thread each, and their warnings not be told.

    Every model that is made sets both for itself and then puts back what it found; but they are of
    the whole process, so of models that are made side by side what is put back would be another's,
    and would stay.
    """
    with warnings.catch_warnings(record=True), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


def in_background(
    work: Callable[[Task], Found], tasks: Sequence[Task], threads: int
) -> Iterator[Found]:
    """What `work` makes of every task, in their order, on threads.

    Whoever is interrupted leaves at once: a library at work in its own code does not listen, so
    its thread is left behind, to end with the process. On an error no thread is at work any more.
    """
    left, done = deque(enumerate(tasks)), SimpleQueue[tuple[int, Found | BaseException]]()

    def labour() -> None:
        while left:
            try:
                number, task = left.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                done.put((number, work(task)))
            except BaseException as error:
                done.put((number, error))

    workers = [Thread(target=labour, daemon=True) for _ in range(min(threads, len(tasks)))]
    for worker in workers:
        worker.start()
    early: dict[int, Found | BaseException] = {}
    try:
        for k in range(len(tasks)):
            while k not in early:
                number, found = done.get()
                early[number] = found
            result = early.pop(k)
            if isinstance(result, BaseException):
                raise result
            yield result
    except (Exception, GeneratorExit):
        left.clear()
        for worker in workers:
            worker.join()
        raise
    finally:
        left.clear()
