"""Image sizes: extra padding of one-channel images, and minimum sizes of architectures."""

from idc.kinds import ImageSpec, InputError


def border(spec: ImageSpec) -> int:
    """Extra padding of the first convolution on every side, in pixels.

    DC's code enlarges one-channel images of any size by four pixels, so that 28 become 32.
    """
    return 2 if spec.channels == 1 else 0


def refuse_smaller(spec: ImageSpec, least: int, name: str, because: str) -> None:
    """Refuse images with a side of less than ``least`` pixels.

    Raises:
        InputError: they are smaller; the message names the architecture and the reason.
    """
    if min(spec.height, spec.width) < least:
        raise InputError(
            f"model.type: {name!r} needs images of at least {least}x{least} pixels, because {because}; these "
            f"are {spec.height}x{spec.width}; enlarge them, or choose a shallower model such as 'convnet'"
        )
