"""Networks trained beforehand and kept in a folder, for condensations to start from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from idc.artifact import write_atomically
from idc.data import Split
from idc.errors import InputError
from idc.kinds import Model
from idc.network import Network
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.stage import Table
from idc.training import Training

KEY = "idc.network"


class Pretrained(Table):
    """A folder of networks, each kept after several epochs; ``idc pretrain`` makes it (IDC, ImageNet-100)."""

    path: Path
    """The folder; relative to the working directory."""
    networks: Annotated[int, Field(ge=1)] = 10
    """Networks trained, each from its own seed."""
    first_epoch: Annotated[int, Field(ge=1)] = 5
    """Passes over the real data after which a network is first kept."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """Epochs after which it is kept: this and those that follow."""

    def files(self) -> list[Path]:
        """Every file the folder should hold."""
        return [
            self.path / f"network-{number}-epoch-{epoch}.safetensors"
            for number in range(self.networks)
            for epoch in range(self.first_epoch, self.first_epoch + self.epochs)
        ]

    def refuse_unfit(self, model: Model, spec: ImageSpec) -> None:
        """Refuse a folder that lacks networks, or whose first is of another kind.

        Raises:
            InputError: which file, and how to make it.
        """
        for file in self.files():
            if not file.is_file():
                raise InputError(
                    f"networks.pretrained.path: there is no {file}; make it with idc pretrain PIPELINE"
                )
        self._read(self.files()[0], model, spec)

    def make(
        self,
        training: Training,
        model: Model,
        real: Split,
        streams: Streams,
        progress: Callable[[float], None],
    ) -> None:
        """Train the networks and write the files; those that are there already are kept.

        Args:
            training: the recipe.
            model: the architecture.
            real: what to train on.
            streams: where random draws come from.
            progress: called with the share done, 0 to 1.
        """
        last = self.first_epoch + self.epochs - 1
        preprocessing = training.preprocessing(real)
        files = iter(self.files())
        for number in range(self.networks):
            kept = [next(files) for _ in range(self.epochs)]
            network = Network.fresh(model, real.spec, streams.child(number), real.pixels.device)
            for epoch in range(1, last + 1) if not all(file.is_file() for file in kept) else ():
                for _ in range(training.batches_per_epoch(real)):
                    network = training.step(network, real, preprocessing)
                if epoch >= self.first_epoch:
                    self._write(kept[epoch - self.first_epoch], network, model, real.spec)
                progress((number + epoch / last) / self.networks)

    def pick(self, model: Model, spec: ImageSpec, streams: Streams) -> dict[str, Tensor]:
        """Weights and buffers of one of the networks, drawn at random, by name, on the CPU."""
        files = self.files()
        drawn = int(torch.randint(len(files), (), generator=streams.generator("pretrained")))
        return self._read(files[drawn], model, spec)

    def _write(self, file: Path, network: Network, model: Model, spec: ImageSpec) -> None:
        state = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in {**network.weights, **network.buffers}.items()
        }
        write_atomically(file, lambda path: save_file(state, path, {KEY: _identity(model, spec)}))

    def _read(self, file: Path, model: Model, spec: ImageSpec) -> dict[str, Tensor]:
        try:
            with safe_open(file, "pt") as opened:
                identity = (opened.metadata() or {}).get(KEY)
                state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
        except (OSError, SafetensorError) as error:
            raise InputError(f"networks.pretrained.path: {file} cannot be read ({error})") from None
        if identity != _identity(model, spec):
            raise InputError(
                f"networks.pretrained.path: {file} is not a {model.label()} for images of {spec.shape} in "
                f"{len(spec.classes)} classes; choose another folder or make it with idc pretrain PIPELINE"
            )
        return state


def _identity(model: Model, spec: ImageSpec) -> str:
    facts = {"model": model.model_dump(mode="json"), "shape": spec.shape, "classes": spec.classes}
    return json.dumps(facts, sort_keys=True)
