"""The compiler at work in a process of its own, so that a run on a GPU need not wait for it.

What torch.compile makes of a step stays on the disk, by the step's shapes and settings, whatever
the weights.  A rehearsal takes one compiled step of a new network in the run's shapes; where the
run then compiles its own, it finds the parts made (on two CPU cores, `base`: 16 seconds, not 109).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch

from gencodec.model.config import ModelConfig
from gencodec.model.distortion import DISTORTIONS
from gencodec.model.vae import learned_vae

from .checkpoint import RunState, new_state
from .depthwise import use_faster_gradient
from .plan import TrainingPlan
from .update import Stepper, precision_of

ROOM = 32 * 2**30
"""Bytes of a GPU that holds both."""
SHARE = 0.3
"""Of its memory, which the rehearsal may take: it must not be what makes the run fail."""


@contextlib.contextmanager
def rehearsed(
    state: RunState, plan: TrainingPlan, side: int, say: Callable[[str], None]
) -> Iterator[Callable[[], bool]]:
    """Within, a rehearsal of the run goes on where one is of use; yields whether it is over.

    side: of the crops, pixels.
    """
    if not (plan.compiled and _has_room(state.device)):
        yield lambda: True
        return
    say("the compiler is at work in another process; until it is done, steps are plain ones")
    process = begin(state, plan, side)
    try:
        yield lambda: process.poll() is not None
    finally:
        end(process)


def begin(state: RunState, plan: TrainingPlan, side: int) -> subprocess.Popen[bytes]:
    """A process that compiles a step of this run, and ends with 0 when that is done."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gencodec.train.rehearsal"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # with its helpers it can be ended as one
    )
    asked = {
        "config": state.vae.config.to_json(),
        "plan": asdict(plan),
        "device": str(state.device),
        "side": side,
    }
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as pipe:
        pipe.write(json.dumps(asked).encode())
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Make sure that neither it nor what it started goes on."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _has_room(device: torch.device) -> bool:
    # A CPU has no cores to spare: there the run itself takes them all.
    return device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory >= ROOM


def rehearse(asked: dict[str, Any]) -> None:
    """Take one compiled step as the run would; asked: as :func:`begin` writes it."""
    plan, side = TrainingPlan(**asked["plan"]), int(asked["side"])
    device = torch.device(asked["device"])
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(SHARE, device)
    state = new_state(learned_vae(ModelConfig.from_json(asked["config"])).to(device).train(), plan)
    use_faster_gradient(state.vae, plan.crops, side, lambda line: None, compiled=True)
    stepper = Stepper(
        state,
        plan.clip_norm,
        DISTORTIONS[plan.distortion],
        compiled=True,
        recorded=False,
        say=lambda line: None,
    )
    x = torch.rand((plan.crops, 3, side, side), device=device)
    quality = torch.arange(plan.crops, device=device) * 255 // plan.crops
    stepper.step(x.contiguous(memory_format=torch.channels_last), quality, precision_of(device))


if __name__ == "__main__":
    rehearse(json.load(sys.stdin))
