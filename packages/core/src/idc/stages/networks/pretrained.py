"""Networks trained beforehand and kept in a folder, for condensations to start from."""

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

    def refuse_unfit(self, model: Model, real: Split, training: Training) -> None:
        """Refuse a folder that lacks networks, or whose first is of another kind.

        Raises:
            InputError: which file, and how to make it.
        """
        for file in self.files():
            if not file.is_file():
                raise InputError(
                    f"networks.pretrained.path: there is no {file}; make it with idc pretrain PIPELINE"
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
        """Train the networks and write the files; those that are there already are kept.

        Args:
            training: the recipe.
            model: the architecture.
            real: what to train on.
            streams: where random draws come from.
            progress: called with the share done, 0 to 1.

        Returns:
            How many were trained and kept, and where.

        Raises:
            InputError: a file that is there holds another network, or one trained on other data or otherwise.
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
        return f"networks in {self.path}: {trained} trained, {self.networks - trained} there already"

    def pick(self, model: Model, real: Split, training: Training, streams: Streams) -> Tensors:
        """Weights and buffers of one of the networks, drawn at random, by name, on the CPU."""
        files = self.files()
        drawn = int(torch.randint(len(files), (), generator=streams.generator("pretrained")))
        return self._read(files[drawn], NetworkHeader.of(model, real, training))

    def _read(self, file: Path, wanted: "NetworkHeader") -> Tensors:
        """Weights and buffers of a file with this header.

        Raises:
            InputError: it cannot be read, or holds another network.
        """
        with within("networks.pretrained.path"):
            header = read_header(file, NetworkHeader).header
        if header != wanted:
            raise InputError(
                f"networks.pretrained.path: {file} holds another network, or one trained on other data or by "
                "another recipe; choose another folder, or remove it and make it with idc pretrain PIPELINE"
            )
        try:
            return load_file(file)
        except (OSError, SafetensorError) as error:
            raise InputError(f"networks.pretrained.path: {file} cannot be read ({error})") from None


class NetworkHeader(FileHeader):
    """Everything that the weights of a pretrained network follow from, beside its seed."""

    key: ClassVar[str] = "idc.network"
    what: ClassVar[str] = "pretrained network"

    model: dict[str, Any]
    data: str
    """Fingerprint of the training split."""
    training: dict[str, Any]
    precision: str

    @classmethod
    def of(cls, model: Model, real: Split, training: Training) -> "NetworkHeader":
        """The header of networks trained like this."""
        return cls(
            model=model.model_dump(mode="json"),
            data=real.fingerprint(),
            training=training.model_dump(mode="json"),
            precision=current_execution().precision,
        )


def _write(file: Path, network: Network, header: NetworkHeader) -> None:
    state = {name: tensor.detach().cpu() for name, tensor in {**network.weights, **network.buffers}.items()}
    write_atomically(file, lambda path: write_tensors(path, state, header))
