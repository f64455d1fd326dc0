"""The scores of DD-Ranking, from differences of accuracies (Li et al. 2025, arXiv:2505.13300)."""

from math import exp


def label_robust_score(improvement: float, recovery: float, weight: float) -> float:
    """The label-robust score LRS, from 0 to 100: α = w·IOR - (1 - w)·HLR on an exponential scale.

    Args:
        improvement: over random, IOR: the accuracy on the synset minus that on random real images, both with
            labels of the synset's kind, in percentage points.
        recovery: hard-label recovery HLR: the accuracy on the whole set minus that on the synset, both with
            hard labels, in percentage points; the lower, the better.
        weight: w, from 0 to 1.
    """
    return _rescaled(weight * improvement - (1 - weight) * recovery)


def augmentation_robust_score(augmented: float, plain: float, weight: float) -> float:
    """The augmentation-robust score ARS, from 0 to 100: β = γ·(augmented) + (1 - γ)·(plain), scaled as LRS.

    Args:
        augmented: improvement over random with augmentation, in percentage points.
        plain: improvement over random without augmentation, in percentage points.
        weight: γ, from 0 to 1.
    """
    return _rescaled(weight * augmented + (1 - weight) * plain)


def _rescaled(points: float) -> float:
    """(e^x - e^-1) / (e - e^-1) in percent, where x is -1 to 1 for -100 to 100 points."""
    return 100 * (exp(points / 100) - exp(-1)) / (exp(1) - exp(-1))
