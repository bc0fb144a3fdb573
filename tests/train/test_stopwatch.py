"""What counts as a run's time: work however long, waiting up to a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.train import stopwatch
from gencodec.train.stopwatch import LONGEST_WAIT, Stopwatch

SECONDS = st.floats(0.0, 1e4)


class Clocks:
    """Stands in for `time`: both clocks say what they are told to."""

    def __init__(self) -> None:
        self.wall = self.cpu = 100.0

    def perf_counter(self) -> float:
        return self.wall

    def process_time(self) -> float:
        return self.cpu


def counted(wall: float, cpu: float) -> float:
    """Seconds by a watch whose process had so much of the processor meanwhile."""
    clocks = Clocks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stopwatch, "time", clocks)
        watch = Stopwatch()
        clocks.wall += wall
        clocks.cpu += cpu
        return watch.seconds()


@pytest.mark.parametrize(
    ("wall", "cpu", "expected"),
    [
        (0.3, 0.6, 0.3),  # a step on two cores
        (3600.0, 0.2, LONGEST_WAIT),  # a step during which the machine slept
        (150.0, 140.0, 140.0),  # one that had to be compiled, a little of it by other processes
        (150.0, 290.0, 150.0),
        (12.0, 0.0, 12.0),  # a wait for the device
    ],
)
def test_a_stopped_process_loses_nothing(wall: float, cpu: float, expected: float) -> None:
    assert counted(wall, cpu) == pytest.approx(expected)


@given(SECONDS, SECONDS)
def test_time_is_never_made(wall: float, cpu: float) -> None:
    seconds = counted(wall, cpu)
    assert min(wall, LONGEST_WAIT) - 1e-6 <= seconds <= wall + 1e-6
