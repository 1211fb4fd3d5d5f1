"""Work on threads, its results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Task = TypeVar("Task")
Found = TypeVar("Found")


def in_order(
    work: Callable[[Task], Found],
    tasks: Sequence[Task],
    threads: int,
    take: Callable[[Task, Found], None],
) -> None:
    """Hand the result of every task to `take`, in the order of the tasks; few results wait.

    No generator: on an error of either function, no thread is at work any more when it is raised.
    """
    if threads == 1:
        for task in tasks:
            take(task, work(task))
        return
    from concurrent.futures import ThreadPoolExecutor  # which is slow to import

    waiting: deque[tuple[Task, Future[Found]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for task in tasks:
                waiting.append((task, pool.submit(work, task)))
                if len(waiting) > 2 * threads:
                    first, future = waiting.popleft()
                    take(first, future.result())
            while waiting:
                first, future = waiting.popleft()
                take(first, future.result())
        finally:
            for _, future in waiting:
                future.cancel()
