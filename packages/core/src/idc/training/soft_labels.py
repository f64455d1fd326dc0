"""Soft labels: a teacher's logits for images, and how a temperature softens labels and predictions."""

import torch
from torch import nn

from idc.network.network import Logits
from idc.shapes import ClassNumbers, Labels


def teacher_logits(logits: Logits, labels: ClassNumbers) -> Logits:
    """A teacher's logits where its guess is right, else the one-hot label (NCFM's public code).

    The one-hot label is read as logits: its softmax gives the right class of ten a probability of 0.23, so
    images that the teacher gets wrong have nearly uniform labels. The honest default is the teacher's logits
    as they are, for every image.

    Args:
        logits: of the teacher, (n, classes).
        labels: the right classes, (n,).

    Returns:
        Logits (n, classes), of which the softmax is the soft label.
    """
    right = logits.argmax(1) == labels
    one_hot = nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return torch.where(right[:, None], logits, one_hot)


def softened(logits: Logits, labels: Labels, temperature: float) -> tuple[Logits, Labels]:
    """Logits and soft labels for a loss at a temperature (Hinton et al. 2015, section 2).

    Args:
        logits: of the network, (n, classes).
        labels: hard labels, which stay as they are; or probabilities (n, classes), which are softened as if
            their own logits had been divided by the temperature.
        temperature: above 0; 1 changes nothing.

    Returns:
        The logits divided by the temperature, and the labels. The loss of them is not multiplied by the
        temperature's square.
    """
    if temperature == 1.0:
        return logits, labels
    # Zero has the logarithm minus infinity, and stays zero.
    soft = (labels.log() / temperature).softmax(1) if labels.is_floating_point() else labels
    return logits / temperature, soft
