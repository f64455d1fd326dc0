"""Pretrained networks in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file

from idc.errors import within
from idc.files.atomic import write_atomically
from idc.files.tensorfile import FileHeader, read_header, write_tensors
from idc.kinds import InputError, Model, Network, Split, Streams, Table, Tensors
from idc.runtime.execution import current_execution
from idc.training.recipe import Training


class Pretrained(Table):
    """A folder of networks saved at several epochs, created by ``idc pretrain`` (IDC, ImageNet-100)."""

    path: Path
    """The folder; relative to the working directory."""
    networks: Annotated[int, Field(ge=1)] = 10
    """Number of networks, each trained from its own seed."""
    first_epoch: Annotated[int, Field(ge=1)] = 5
    """First epoch after which each network is saved."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """Number of successive epochs after which each network is saved, beginning with `first_epoch`."""

    def files(self) -> list[Path]:
        """All files of the folder, whether or not they exist."""
        return [
            self.path / f"network-{number}-epoch-{epoch}.safetensors"
            for number in range(self.networks)
            for epoch in range(self.first_epoch, self.first_epoch + self.epochs)
        ]

    def refuse_unfit(self, model: Model, real: Split, training: Training) -> None:
        """Check that all files exist, and that the first fits.

        Raises:
            InputError: names the file and how to create it.
        """
        for file in self.files():
            if not file.is_file():
                raise InputError(
                    f"networks.pretrained.path: there is no file {file}; create it with idc pretrain PIPELINE"
                )
        self._read(self.files()[0], NetworkHeader.of(model, real, training))

    def make(
        self,
        training: Training,
        model: Model,
        real: Split,
        streams: Streams,
        progress: Callable[[float], None],
    ) -> str:
        """Train the networks and write the files; existing ones are kept.

        Args:
            training: the recipe.
            model: the architecture.
            real: the training split.
            streams: of random draws.
            progress: called with the fraction done, 0 to 1.

        Returns:
            A sentence: how many were trained, how many existed, and where.

        Raises:
            InputError: an existing file has another architecture, data or recipe.
        """
        header = NetworkHeader.of(model, real, training)
        for file in filter(Path.is_file, self.files()):
            self._read(file, header)
        last, trained = self.first_epoch + self.epochs - 1, 0
        per_epoch = training.batches_per_epoch(real)
        files = iter(self.files())
        for number in range(self.networks):
            kept = [next(files) for _ in range(self.epochs)]
            if all(file.is_file() for file in kept):
                progress((number + 1) / self.networks)
                continue
            trained += 1
            network = model.fresh(real.spec, streams.child(number), real.device)
            execution = training.execution(network, real, self.networks * last * per_epoch)
            for epoch in range(1, last + 1):
                with execution.active():
                    network = training.steps(network, real, per_epoch)
                if epoch >= self.first_epoch:
                    _write(kept[epoch - self.first_epoch], network, header)
                progress((number + epoch / last) / self.networks)
        return f"networks in {self.path}: {trained} trained, {self.networks - trained} already existed"

    def pick(self, model: Model, real: Split, training: Training, streams: Streams) -> Tensors:
        """Weights and buffers of a random one of the networks, by name, on the CPU."""
        files = self.files()
        drawn = int(torch.randint(len(files), (), generator=streams.generator("pretrained")))
        return self._read(files[drawn], NetworkHeader.of(model, real, training))

    def _read(self, file: Path, wanted: "NetworkHeader") -> Tensors:
        """Weights and buffers of a file.

        Raises:
            InputError: it cannot be read, or has another header.
        """
        with within("networks.pretrained.path"):
            header = read_header(file, NetworkHeader).header
        if header != wanted:
            raise InputError(
                f"networks.pretrained.path: {file} is a network of another architecture, or trained on other "
                "data, by another recipe or in another precision; set another folder, or remove it and "
                "create it again with idc pretrain PIPELINE"
            )
        try:
            return load_file(file)
        except (OSError, SafetensorError) as error:
            raise InputError(f"networks.pretrained.path: {file} cannot be read ({error})") from None


class NetworkHeader(FileHeader):
    """Everything that determines the weights of a pretrained network, except its seed."""

    key: ClassVar[str] = "idc.network"
    what: ClassVar[str] = "pretrained network"

    model: dict[str, Any]
    data: str
    """Fingerprint of the training split."""
    training: dict[str, Any]
    precision: str

    @classmethod
    def of(cls, model: Model, real: Split, training: Training) -> "NetworkHeader":
        """The header of networks trained with these."""
        return cls(
            model=model.model_dump(mode="json"),
            data=real.fingerprint(),
            training=training.model_dump(mode="json"),
            precision=current_execution().precision,
        )


def _write(file: Path, network: Network, header: NetworkHeader) -> None:
    state = {name: tensor.detach().cpu() for name, tensor in {**network.weights, **network.buffers}.items()}
    write_atomically(file, lambda path: write_tensors(path, state, header))
