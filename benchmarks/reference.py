"""A user's own checkout of IDC's public code, made to run here: nothing of it is in this repository.

It is patched only as far as it needs to start: another device than ``cuda``, views of tensors whose strides
differ on a CPU, ``np.int``, which NumPy no longer has, and packages that it imports but
that are not used here.
"""

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from torch import Tensor, nn

ARGUMENTS: dict[str, Any] = {
    # CIFAR-10, 10 images per class, as its --reproduce has it.
    "dataset": "cifar10",
    "nclass": 10,
    "nch": 3,
    "size": 32,
    "net_type": "convnet",
    "depth": 3,
    "width": 1.0,
    "norm_type": "instance",
    "ipc": 10,
    "factor": 2,
    "decode_type": "single",
    "match": "grad",
    "metric": "mse",
    "bias": False,
    "fc": False,
    "aug_type": "color_crop_cutout",
    "mixup_net": "cut",
    "mix_p": 0.5,
    "beta": 1.0,
    "batch_real": 64,
    "batch_syn_max": 128,
    "n_data": 2000,
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "print_freq": 10,
    "epoch_print_freq": 10**9,
    "verbose": False,
    "batch_size": 64,
    "workers": 0,
}


class _Patched(SourceFileLoader):
    device = "cpu"

    def get_data(self, path: str) -> bytes:
        text = super().get_data(path).decode()
        if self.device != "cuda":
            text = text.replace("'cuda'", repr(self.device)).replace(".cuda()", f".to({self.device!r})")
        for view in ("x.view(x.shape[0], -1)", "x.view(x.size(0), -1)"):
            text = text.replace(view, "x.flatten(1)")
        return text.replace("np.int(", "int(").encode()

    def path_stats(self, path: str) -> Any:
        raise OSError("no bytecode of patched files")


class _Finder(MetaPathFinder):
    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        place = self._root.joinpath(*fullname.split("."))
        file = place.with_suffix(".py")
        if file.is_file():
            return spec_from_file_location(fullname, file, loader=_Patched(fullname, str(file)))
        if place.is_dir():
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        return None


class Reference:
    """The modules of a checkout, and the arguments that its code passes around."""

    def __init__(self, checkout: Path, device: str, **arguments: Any) -> None:
        if not (checkout / "condense.py").is_file():
            sys.exit(f"--reference: {checkout} has no condense.py; give a checkout of IDC's public code")
        _Patched.device = device
        sys.meta_path.insert(0, _Finder(checkout.resolve()))
        for name in ("efficientnet_pytorch", "matplotlib", "matplotlib.pyplot"):
            sys.modules.setdefault(name, MagicMock())
        sys.modules.pop("test", None)
        # Any: what a checkout holds is not known here.
        modules: list[Any] = [import_module(name) for name in ("condense", "coreset", "data", "train")]
        self.condense, self.coreset, self.data, self.train = modules
        self.augment: Any = import_module("misc.augment")
        self.device = device
        self.arguments = SimpleNamespace(**(ARGUMENTS | arguments))

    def network(self) -> nn.Module:
        """A network of the arguments' architecture, in training mode."""
        return self.train.define_model(self.arguments, self.arguments.nclass).to(self.device).train()

    def sgd(self, network: nn.Module) -> torch.optim.SGD:
        """The optimizer that its code trains networks with."""
        given = self.arguments
        return torch.optim.SGD(
            network.parameters(), given.lr, momentum=given.momentum, weight_decay=given.weight_decay
        )

    def loader(self, images: Tensor, labels: Tensor) -> Any:
        """Its loader of real images, with the data on the device."""
        dataset = _Images(images, labels, self.arguments.nclass)
        return self.data.ClassMemDataLoader(dataset, batch_size=self.arguments.batch_real, device=self.device)

    def synset(self, codes: Tensor) -> Any:
        """Its synthetic images: (classes, images, channels, height, width)."""
        classes, _, channels, height, width = codes.shape
        with quiet():
            synset = self.condense.Synthesizer(
                self.arguments, classes, channels, height, width, device=self.device
            )
        synset.data.data = codes.flatten(0, 1).clone().to(self.device)
        return synset

    def augmentations(self) -> tuple[Any, Any]:
        """Of the matching (one draw a batch) and of the network's training (a draw an image)."""
        with quiet():
            return self.condense.diffaug(self.arguments, device=self.device)

    def sweep(self, loader: Any, synset: Any, network: nn.Module, optimizer: Any, augment: Any) -> None:
        """One inner step of its loop: every class matched and stepped, in its order."""
        for label in range(self.arguments.nclass):
            real, real_labels = loader.class_sample(label)
            syn, syn_labels = synset.sample(label, max_size=self.arguments.batch_syn_max)
            both = augment(torch.cat([real, syn]))
            loss = self.condense.matchloss(
                self.arguments, both[: len(real)], both[len(real) :], real_labels, syn_labels, network
            )
            # As in its loop, which logs the loss.
            loss.item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def update(self, loader: Any, network: nn.Module, optimizer: Any, augment: Any, images: int) -> None:
        """One training of the network: batches until so many images are seen, or all if -1."""
        self.train.train_epoch(
            self.arguments,
            loader,
            network,
            nn.CrossEntropyLoss(),
            optimizer,
            n_data=images,
            aug=augment,
            mixup=self.arguments.mixup_net,
        )


class _Images:
    def __init__(self, images: Tensor, labels: Tensor, classes: int) -> None:
        self._images, self.targets, self.nclass = images, labels.tolist(), classes

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index >= len(self):
            raise IndexError
        return self._images[index], self.targets[index]


@contextlib.contextmanager
def dealt(uniforms: Sequence[float], integers: Sequence[int]) -> Iterator[None]:
    """NumPy's uniform and randint give these numbers, one after another."""
    reals, wholes = iter(uniforms), iter(integers)
    with (
        patch("numpy.random.uniform", lambda *_, **__: next(reals)),
        patch("numpy.random.randint", lambda *_, **__: next(wholes)),
    ):
        yield
    if [*reals, *wholes]:
        raise AssertionError("not all draws were used")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What is printed within the block is not."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
