"""Many jobs: one after the other in this process, or shared out among worker processes.

::

    jobs -> worker: work(job, args, codec, outbox) -> what it reported -> reporter -> the user

A picture alone uses all cores, but waits at each layer for the slowest of them, and reading and
coding use one. Processes of one thread each do about twice as much on two cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol

from gencodec.cli.failures import (
    AbortError,
    UsageError,
    describe,
    exit_on_signal,
    is_fatal,
    wants_traceback,
)
from gencodec.cli.loading import CodecOnDemand, tell_of_coder
from gencodec.cli.plan import Job
from gencodec.cli.reporter import Record, Reporter
from gencodec.cli.resume import bears_time_of
from gencodec.errors import GencodecError
from gencodec.processes import can_share_work, follow_parent, usable_cores, usable_memory

# Each worker loads torch and the weights, about two seconds and 350 MB, and takes more than a
# gigabyte for a photograph of 12 megapixels; more than eight would wait for the disk or the memory
# instead of the processor. Other programs want memory too.
LEAST_FILES_A_WORKER = 8
MOST_WORKERS = 8
MEMORY_A_WORKER = 2 * 10**9
_MOST_ON_WINDOWS = 61  # it waits for no more at a time, and Python refuses to begin them
_AHEAD = 2  # jobs a worker has been given, so that it never waits for the next


class Teller(Protocol):
    """What a job may tell; see `Reporter`."""

    def done(self, line: str, record: Record) -> None: ...
    def skipped(self, name: str, target: str) -> None: ...
    def note(self, name: str, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def progress(self) -> Callable[[float], None]: ...


Work = Callable[[Job, argparse.Namespace, CodecOnDemand, Teller], None]


@dataclass
class Outbox:
    """What a job told in a worker, to be told again by the process that has the terminal."""

    said: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    why: str | None = None
    error_type: str = ""
    trace: str = ""
    fatal: bool = False

    def done(self, line: str, record: Record) -> None:
        self.said.append(("done", (line, dict(record))))

    def skipped(self, name: str, target: str) -> None:
        self.said.append(("skipped", (name, target)))

    def note(self, name: str, text: str) -> None:
        self.said.append(("note", (name, text)))

    def detail(self, text: str) -> None:
        self.said.append(("detail", (text,)))

    def progress(self) -> Callable[[float], None]:
        return lambda share: None  # there are other files, and a bar for them

    def deliver(self, job: Job, reporter: Reporter) -> None:
        """Tell it; AbortError if no other job would fare better."""
        for verb, values in self.said:
            getattr(reporter, verb)(*values)
        if self.why is not None and self.fatal:
            raise AbortError(self.why)
        if self.why is not None:
            reporter.failed_because(job.name, self.why, self.error_type, trace=self.trace)


class WorkerDiedError(GencodecError):
    """A worker process ended in the middle of a job."""


def run_jobs(jobs: Sequence[Job], work: Work, args: argparse.Namespace, reporter: Reporter) -> None:
    """Do every job and report each; a failure ends one job, an AbortError all of them."""
    tell_of_coder(reporter)
    workers = worker_count(args.jobs, len(jobs), args.threads)
    if workers > 1 and not can_share_work():
        reporter.detail("one file at a time: processes cannot share memory here (/dev/shm)")
        workers = 1
    reporter.expect(len(jobs))
    if workers > 1:
        _run_in_workers(jobs, work, args, reporter, workers)
        return
    codec = CodecOnDemand(model=args.model, device=args.device, threads=args.threads)
    for job in jobs:
        with reporter.attempt(job.name):
            work(job, args, codec, reporter)


def worker_count(asked: int | None, jobs: int, threads: int | None) -> int:
    """Worker processes for so many jobs; 1 means none but this process."""
    if asked is not None:
        most = _MOST_ON_WINDOWS if sys.platform == "win32" else asked
        return max(1, min(asked, most, jobs))
    most = min(threads or MOST_WORKERS, usable_cores(), MOST_WORKERS)
    memory = usable_memory()
    if memory is not None:
        most = min(most, memory // MEMORY_A_WORKER)
    return max(1, min(most, jobs // LEAST_FILES_A_WORKER))


def _run_in_workers(
    jobs: Sequence[Job], work: Work, args: argparse.Namespace, reporter: Reporter, workers: int
) -> None:
    suspects: list[Job] = []
    waiting = iter(jobs)
    while True:
        broken = _run_pool(waiting, work, args, reporter, workers)
        if broken is None:
            break
        suspects += broken
    # A worker died while these were under way (of memory, most likely). Alone, each is judged for
    # itself.
    for suspect in suspects:
        job = replace(suspect, done=suspect.done or _was_written(suspect, args))
        if _run_pool(iter([job]), work, args, reporter, 1) is not None:
            reporter.failed(job.name, WorkerDiedError("the process died (out of memory?)"))
            reporter.advance()


def _run_pool(
    jobs: Iterator[Job], work: Work, args: argparse.Namespace, reporter: Reporter, workers: int
) -> list[Job] | None:
    """Do jobs until there are none, then None; or until a worker dies, then those under way."""
    threads = max(1, (args.threads or usable_cores()) // workers)
    under_way: dict[Future[Outbox], Job] = {}
    with _pool(workers, work, args, threads) as pool:
        while True:
            try:
                for job in islice(jobs, workers * _AHEAD - len(under_way)):
                    under_way[pool.submit(_do, job)] = job
            except BrokenProcessPool:
                return [job, *under_way.values()]
            if not under_way:
                return None
            ready, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ready:
                try:
                    outbox = future.result()
                except BrokenProcessPool:
                    return _unfinished(under_way, reporter)
                outbox.deliver(under_way.pop(future), reporter)
                reporter.advance()


def _unfinished(under_way: dict[Future[Outbox], Job], reporter: Reporter) -> list[Job]:
    """The jobs whose results are lost; those that were done are told."""
    lost = []
    for future, job in under_way.items():
        if future.done() and future.exception() is None:
            future.result().deliver(job, reporter)
            reporter.advance()
        else:
            lost.append(job)
    return lost


def _was_written(job: Job, args: argparse.Namespace) -> bool:
    """Whether a job came as far as its result, or as deleting its source after that; when all
    began there was no result."""
    if job.source is None or job.target is None or args.force or not job.target.exists():
        return False
    return not job.source.exists() or bears_time_of(job.target, job.source)


@contextmanager
def _pool(
    workers: int, work: Work, args: argparse.Namespace, threads: int
) -> Iterator[ProcessPoolExecutor]:
    # spawn: a fork would copy whatever threads of numeric libraries are in the middle of.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(work, args, threads)
    )
    try:
        yield pool
    finally:
        # What is under way ends by itself: files are written whole or not at all.
        pool.shutdown(wait=True, cancel_futures=True)


# In the worker -----------------------------------------------------------------------------------

EXIT_ENDED = 128 + int(signal.SIGTERM)

_task: tuple[Work, argparse.Namespace, CodecOnDemand]


def _begin(work: Work, args: argparse.Namespace, threads: int) -> None:
    global _task
    from gencodec.cli.main import prepare_process

    follow_parent()
    _task = work, args, CodecOnDemand(model=args.model, device=args.device, threads=threads)
    prepare_process(owned=True)


@contextmanager
def _cleaning_up_on_sigterm() -> Iterator[None]:
    """In here SIGTERM raises SystemExit, so that partial files go; outside it ends the process.

    A broken pool ends its workers in this way.  An exception in the middle of the pool's own code
    would leave its locks taken, and the others waiting for ever.
    """
    signal.signal(signal.SIGTERM, exit_on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _do(job: Job) -> Outbox:
    work, args, codec = _task
    outbox = Outbox()
    try:
        with _cleaning_up_on_sigterm():
            work(job, args, codec, outbox)
    except BaseException as error:
        if is_fatal(error):
            os._exit(EXIT_ENDED)  # the pool would take it for the job's result and go on
        outbox.why = describe(error, job.name)
        outbox.error_type = type(error).__name__
        outbox.fatal = isinstance(error, (AbortError, UsageError))
        if wants_traceback():
            outbox.trace = "".join(traceback.format_exception(error))
    return outbox
