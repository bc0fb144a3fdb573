"""Work spread over processes, such that what one piece of it breaks costs only that piece."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

from gencodec.names import visible
from gencodec.processes import can_share_work, follow_parent

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Why a piece of work came to nothing, in one line."""

    reason: str


@dataclass(frozen=True)
class Guarded(Generic[Task, Result]):
    """A function whose errors of any kind come back as a Failure."""

    work: Callable[[Task], Result]

    def __call__(self, task: Task) -> Result | Failure:
        try:
            return self.work(task)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # Rust's panics are no Exception
            return Failure(reason_of(error))


def reason_of(error: BaseException) -> str:
    """One line for any error."""
    if isinstance(error, ModuleNotFoundError) and error.name and str(error).startswith("No module"):
        return f"the Python package '{error.name}' is not installed"
    text = visible(" ".join(str(error).split()))
    kind = type(error).__name__
    return text if text and isinstance(error, (OSError, RuntimeError)) else f"{kind}: {text}"


def spread(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[tuple[Task, Result | Failure]]:
    """Results as they come, in no order; `work` and `prepare` must be importable functions.

    Each of `jobs` threads owns a process of its own, which takes one task after the other, so a
    process that dies (a codec in C that crashes) is known by its task, and replaced. Where
    processes cannot share work, this one does all, and such a codec ends it.
    """
    if not can_share_work():
        if prepare is not None:
            prepare()
        yield from ((task, Guarded(work)(task)) for task in tasks)
        return
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    done: queue.SimpleQueue[tuple[Task, Result | Failure]] = queue.SimpleQueue()
    stop = threading.Event()
    threads = [
        threading.Thread(target=_drain, args=(Guarded(work), prepare, waiting, done, stop))
        for _ in range(min(jobs, len(tasks)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in tasks:
            yield done.get()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _drain(
    work: Guarded[Task, Result],
    prepare: Callable[[], None] | None,
    waiting: queue.SimpleQueue[Task],
    done: queue.SimpleQueue[tuple[Task, Result | Failure]],
    stop: threading.Event,
) -> None:
    """One thread: hand its process one task after the other."""
    pool: ProcessPoolExecutor | None = None
    while not stop.is_set():
        try:
            task = waiting.get_nowait()
        except queue.Empty:
            break
        if pool is None:
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(
                1, mp_context=context, initializer=_begin, initargs=(prepare,)
            )
        try:
            result: Result | Failure = pool.submit(work, task).result()
        except BrokenProcessPool:
            result, pool = Failure("the process crashed"), None
        except (
            BaseException
        ) as error:  # a result that cannot be sent; never leave the reader waiting
            result = Failure(reason_of(error))
        done.put((task, result))
    if pool is not None:
        pool.shutdown(cancel_futures=True)


def _begin(prepare: Callable[[], None] | None) -> None:
    follow_parent()
    if prepare is not None:
        prepare()
