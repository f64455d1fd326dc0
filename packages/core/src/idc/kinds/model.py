"""The kind of stage that builds a network."""

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.stage import Stage

if TYPE_CHECKING:
    import torch
    from torch import nn

    from idc.network.network import Network
    from idc.seeding import Streams
    from idc.spec import ImageSpec


class Model(Stage):
    """An architecture."""

    group: ClassVar[str] = "idc.models"

    @abstractmethod
    def build(self, spec: "ImageSpec") -> "nn.Module":
        """A new module with initial weights drawn from the global generator, which the caller seeds.

        Returns:
            A module from normalised images (n, channels, height, width) to logits (n, classes). A module
            that also has ``features(images) -> list[Tensor]``, one tensor per layer from first to last,
            can be used by objectives that match features; one with ``maps(images) -> list[Tensor]``, the maps
            (n, channels, …) of each layer before pooling, by those that match maps. Its tensors must be
            parameters or buffers: others become constants when steps are compiled, the same for all networks
            of the architecture.

        Raises:
            InputError: the architecture does not fit the images.
        """

    def fresh(self, spec: "ImageSpec", streams: "Streams", device: "torch.device | None" = None) -> "Network":
        """A new network with initial weights from the streams.

        Args:
            spec: the images it is for.
            streams: the network's own: of its initial weights, its training batches and their augmentation.
            device: to compute on; the CPU by default.
        """
        # Not at the top: commands that start without torch import the kinds.
        from idc.network.network import Network
        from idc.runtime.compiler import Like

        with streams.seeded("weights"):
            module = self.build(spec)
        network = Network.of(module, streams, device, Like(self, spec.shape, len(spec.classes)))
        return replace(network, label=self.label())
