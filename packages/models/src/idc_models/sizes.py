"""Image sizes: the border that one-channel images get, and which images are too small for an architecture."""

from idc.kinds import ImageSpec, InputError


def border(spec: ImageSpec) -> int:
    """Pixels that the first convolution adds on every side, beyond what it takes away.

    The public code of DC widens one-channel images by four pixels, whatever their size, so that 28 become 32.
    """
    return 2 if spec.channels == 1 else 0


def refuse_smaller(spec: ImageSpec, least: int, name: str, because: str) -> None:
    """Refuse images with a side of less than ``least`` pixels.

    Raises:
        InputError: they are smaller; the message names the architecture and says ``because`` of what.
    """
    if min(spec.height, spec.width) < least:
        raise InputError(
            f"model.type: {name!r} takes images of {least}x{least} pixels or more, because {because}; these "
            f"are {spec.height}x{spec.width}; enlarge them, or choose a shallower model such as 'convnet'"
        )
