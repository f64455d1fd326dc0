"""Pixels as pictures: values as shades from black to white."""

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from idc.data.torch_dataset import as_picture
from idc.shapes import Images
from idc.spec import ImageSpec


def white(images: Images, spec: ImageSpec) -> float:
    """The value that is shown white: the end of the range or, without one, the highest of all images."""
    return images.amax().item() if spec.high is None else spec.high


def unit(images: Images, spec: ImageSpec, high: float) -> Images:
    """Images with values from 0 to 1, where 1 is what `white` returned."""
    return ((images - spec.low) / max(high - spec.low, 1e-12)).clamp(0, 1)


def shown(images: Images, spec: ImageSpec, high: float) -> Float[Tensor, "n shown height width"]:
    """Greyscale or RGB images from 0 to 1, spectrograms with low frequencies at the bottom; see `unit`."""
    found = unit(images, spec, high)
    if spec.content == "spectrogram":
        found = found.flip(-2)
    return found if spec.channels in (1, 3) else found.mean(1, keepdim=True)


def as_pictures(images: Images, spec: ImageSpec, high: float) -> list[Image.Image]:
    """PIL images of what is `shown`."""
    return [as_picture(each) for each in shown(images, spec, high)]
