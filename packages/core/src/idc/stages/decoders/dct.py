"""The two-dimensional discrete cosine transform, as products with matrices."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Norm = Literal["backward", "ortho"]
"""As in ``scipy.fft.dct``. ``ortho``: the transform keeps lengths. ``backward``: coefficient k is
2 Σ x_n cos(πk(2n+1)/2N), and the inverse divides by 2N."""


def dct_matrix(size: int, norm: Norm, like: Tensor) -> Float[Tensor, "frequency place"]:
    """The matrix of the DCT-II of ``size`` numbers; row k gives coefficient k.

    Args:
        size: N, how many numbers are transformed.
        norm: of the transform.
        like: a tensor of the dtype and device wanted.
    """
    matrix = 2 * _cosines(size, like)
    if norm == "backward":
        return matrix
    return matrix * _by_frequency(math.sqrt(1 / (4 * size)), math.sqrt(1 / (2 * size)), size, like)


def inverse_dct_matrix(size: int, norm: Norm, like: Tensor) -> Float[Tensor, "place frequency"]:
    """The inverse of `dct_matrix`, with the same arguments."""
    if norm == "ortho":
        return dct_matrix(size, norm, like).T
    # The first cosine is constant, and its squared length twice that of each other one.
    return (_cosines(size, like) * _by_frequency(0.5 / size, 1 / size, size, like)).T


def dct(images: Float[Tensor, "*n height width"], norm: Norm) -> Float[Tensor, "*n height width"]:
    """Coefficients of images: the DCT-II along both axes, the lowest frequencies at the top left."""
    height, width = images.shape[-2:]
    return dct_matrix(height, norm, images) @ images @ dct_matrix(width, norm, images).T


def inverse_dct(
    coefficients: Float[Tensor, "*n height width"], norm: Norm
) -> Float[Tensor, "*n height width"]:
    """The images that have these coefficients."""
    height, width = coefficients.shape[-2:]
    vertical = inverse_dct_matrix(height, norm, coefficients)
    return vertical @ coefficients @ inverse_dct_matrix(width, norm, coefficients).T


def _cosines(size: int, like: Tensor) -> Float[Tensor, "frequency place"]:
    number = torch.arange(size, device=like.device)
    # Whole turns are removed while the angle is a whole number, so that float32 loses nothing.
    steps = (number[:, None] * (2 * number + 1)) % (4 * size)
    return (steps.to(like.dtype) * (math.pi / (2 * size))).cos()


def _by_frequency(first: float, others: float, size: int, like: Tensor) -> Float[Tensor, "frequency 1"]:
    return torch.cat([like.new_full((1, 1), first), like.new_full((size - 1, 1), others)])
