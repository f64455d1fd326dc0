"""Published recipes for training on a synset, by name and year."""

from typing import Any

IDC: dict[str, Any] = {
    "epochs": 1000,
    "milestones": [2 / 3, 5 / 6],
    "decay": 0.2,
    "training": {
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "batch_size": 64,
        "cutmix": 0.5,
        "augment": [{"type": "dsa", "strategy": "color_crop_flip_scale_rotate"}],
    },
}
INCREMENTAL: dict[str, Any] = {**IDC, "milestones": [0.6, 0.8]}
IMAGENET: dict[str, Any] = {
    **IDC,
    "epochs": "by-images",
    "training": {**IDC["training"], "cutmix": 1.0, "augment": [{"type": "imagenet"}]},
}
# DC's code trains one epoch more than configured.
DC: dict[str, Any] = {
    "epochs": 301,
    "milestones": "after-half",
    "decay": 0.1,
    "restart": True,
    "training": {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 256},
}
DSA: dict[str, Any] = {
    **DC,
    "epochs": 1001,
    "training": {
        **DC["training"],
        "augment": [
            {"type": "dsa", "mode": "single", "strategy": "color_crop_cutout_flip_scale_rotate"},
        ],
    },
}

DANCE: dict[str, Any] = {**IDC, "epochs": 1500}
NCFM: dict[str, Any] = {
    "epochs": 2000,
    "milestones": [1 / 5, 2 / 5, 3 / 5, 4 / 5],
    "decay": 0.5,
    "training": {
        "optimizer": "adamw",
        "learning_rate": 0.001,
        # PyTorch's default: the configurations say 5e-4, but the code does not pass it on.
        "weight_decay": 0.01,
        "batch_size": 128,
        "cutmix": 0.5,
        # Its configurations list cutout too, which the code removes wherever there is CutMix.
        "augment": [{"type": "dsa", "strategy": "color_crop_flip_scale_rotate"}],
    },
}
DD_RANKING: dict[str, Any] = {
    "epochs": 1000,
    "milestones": [1 / 2],
    "decay": 0.1,
    "training": DSA["training"],
}

PROTOCOLS: dict[str, dict[str, Any]] = {
    # IDC's public code, on everything but ImageNet and speech; on ImageNet with ten classes; with a hundred.
    "idc-2022": IDC,
    "idc-2022-imagenet": IMAGENET,
    "idc-2022-imagenet-100": {
        **IMAGENET,
        "training": {
            **IMAGENET["training"],
            "learning_rate": 0.1,
            "weight_decay": 1e-4,
            "batch_size": 128,
        },
    },
    # IDC's public code for class-incremental learning. DSA does better there without CutMix, with 256 images
    # in a batch (its README).
    "idc-2022-incremental": INCREMENTAL,
    # DC's public code without augmentation, and as it evaluates DSA and DM.
    "dc-2021": DC,
    "dsa-2021": DSA,
    "dm-2023": DSA,
    # DANCE's public code, on everything but ImageNet; without flips on numbers, as IDC's.
    "dance-2024": DANCE,
    # NCFM's public code, on everything but Tiny ImageNet with 10 (300 epochs) and 50 images per class (40).
    "ncfm-2025": NCFM,
    # DD-Ranking's public package, as its example for methods with hard labels sets it.
    "dd-ranking-2025": DD_RANKING,
}
"""Fields of the evaluators that each protocol fixes."""

BY_IMAGES = {1: 3000, 10: 2000, 50: 1500, 200: 1000, 500: 500}
"""Maximum number of training images per class → epochs on ImageNet subsets (IDC's code); 300 for more."""


def epochs_by_images(images: int, classes: int) -> int:
    """Epochs for an ImageNet subset, as in IDC's code.

    Args:
        images: decoded training images per class.
        classes: if exactly 100, two thirds of the epochs, rounded down to hundreds.
    """
    epochs = next((epochs for most, epochs in BY_IMAGES.items() if images <= most), 300)
    return epochs * 2 // 3 // 100 * 100 if classes == 100 else epochs
