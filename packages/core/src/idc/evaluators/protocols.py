"""Published recipes for training on a synset, by name and year."""

from typing import Any

PROTOCOLS: dict[str, dict[str, Any]] = {
    # How IDC's public code evaluates on everything but ImageNet.
    "idc-2022": {
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
    },
}
"""Fields of `idc.evaluators.retrain.Retrain` that each protocol fixes."""
