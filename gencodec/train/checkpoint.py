"""What a run would lose in a kill, and the file that keeps it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import torch

from gencodec.errors import OutputError, WeightsError
from gencodec.image import atomic_write
from gencodec.model.config import ModelConfig
from gencodec.model.layers import channels_last
from gencodec.model.vae import ImageVae, learned_vae

from .plan import TrainingPlan

CHECKPOINT = "checkpoint.pt"


@dataclass
class RunState:
    """All that a checkpoint holds.

    returns: how often the run went back to a checkpoint because its loss was not finite.
    What of ``vae`` has no gradient is not trained.
    """

    vae: ImageVae
    average: ImageVae
    optimizer: torch.optim.Optimizer
    step: int = 0
    elapsed: float = 0.0
    returns: int = 0

    def __post_init__(self) -> None:
        # Walking the modules anew for every step would cost more than the step on a GPU.
        pairs = zip(self.average.parameters(), self.vae.parameters(), strict=True)
        learning = [(averaged, current) for averaged, current in pairs if current.requires_grad]
        self.averaged = [averaged for averaged, _ in learning]
        self.current = [current for _, current in learning]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.vae.parameters()).device


def new_state(vae: ImageVae, plan: TrainingPlan) -> RunState:
    """A state that starts from ``vae``, on the device where that is."""
    channels_last(vae)
    if plan.encoder_only:
        vae.requires_grad_(False)
        vae.g_a.requires_grad_()
    device = next(vae.parameters()).device
    average = learned_vae(vae.config).requires_grad_(False).to(device)
    average.load_state_dict(vae.state_dict())
    channels_last(average)  # laid out as the weights are, so that one kernel moves them all
    on_gpu = device.type == "cuda"
    optimizer = torch.optim.AdamW(
        [parameter for parameter in vae.parameters() if parameter.requires_grad],
        # As a tensor it can change under a recorded CUDA graph.
        lr=torch.tensor(plan.learning_rate, device=device) if on_gpu else plan.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=0.0,
        fused=True,
        capturable=on_gpu,
    )
    return RunState(vae, average, optimizer)


def save_checkpoint(state: RunState, run: Path) -> None:
    """Write beside, then rename: the last good checkpoint always loads.

    OutputError when it cannot be written; the old one then still stands.
    """
    content = {
        "config": state.vae.config.to_json(),
        "vae": state.vae.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "elapsed": state.elapsed,
        "returns": state.returns,
    }
    buffer = io.BytesIO()  # torch.save answers a full disk with a RuntimeError that names no cause
    torch.save(content, buffer)
    atomic_write(run / CHECKPOINT, buffer.getvalue(), overwrite=True)


def load_checkpoint(run: Path, plan: TrainingPlan, device: torch.device) -> RunState:
    """The state as it was saved, on any device; WeightsError when the file is damaged."""
    path = run / CHECKPOINT
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        vae = learned_vae(ModelConfig.from_json(content["config"])).to(device)
        vae.load_state_dict(content["vae"])
        state = new_state(vae, plan)
        state.average.load_state_dict(content["average"])
        optimizer = content["optimizer"]
        # Rate and kernels are this run's; only the moments are the past's.
        optimizer["param_groups"] = state.optimizer.state_dict()["param_groups"]
        state.optimizer.load_state_dict(optimizer)
        state.step, state.elapsed = int(content["step"]), float(content["elapsed"])
        state.returns = int(content.get("returns", 0))
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # torch answers damage with almost any exception
        raise WeightsError(
            f"{path}: not a checkpoint, or damaged ({type(error).__name__})"
        ) from None
    return state


def is_finite(vae: ImageVae) -> bool:
    """Whether every parameter is a finite number; waits for the device."""
    total = sum(torch.isfinite(parameter).all().logical_not() for parameter in vae.parameters())
    return int(total) == 0
