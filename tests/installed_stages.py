"""Every installed stage, with the fields that it needs."""

from typing import Any

from idc.kinds import KINDS, registry
from idc.kinds.stage import Stage

FIELDS: dict[str, dict[str, Any]] = {
    "dataset.image-folder": {"path": "pets", "size": 16},
    "dataset.tensors": {"path": "shapes.npz"},
    "dataset.hugging-face": {"path": "saved"},
    "augment.kornia": {"name": "RandomAffine", "arguments": {"degrees": 15.0, "p": 0.5}},
    "decoder.ddif": {"width": 4, "fit_steps": 3},
    "decoder.fred": {"frequencies": 20},
    "decoder.gsdd": {"gaussians": 10, "fit_steps": 3},
    "init.herding": {"features": {"epochs": 1}},
    "dataset.imagenet": {"size": 16},
    "init.k-center": {"features": {"epochs": 1}},
    "dataset.domains": {"parts": [{"type": "digits"}, {"type": "digits"}]},
    "evaluate.architecture-search": {
        "grid": {"width": [2, 4]},
        "models": [{"type": "convnet", "depth": 1}],
        "epochs": 2,
        "runs": 2,
    },
    "evaluate.class-incremental": {"steps": 2, "epochs": 2, "runs": 2},
    "evaluate.dd-ranking": {"epochs": 2, "whole_epochs": 1, "runs": 2, "learning_rates": [0.01, 0.1]},
    "evaluate.domain-incremental": {"steps": 2, "epochs": 2, "runs": 2},
    "evaluate.retrain": {"epochs": 2, "runs": 2},
    "labels.teacher": {"pool": {"networks": 2, "epochs": [1]}},
    "networks.between": {"pool": {"networks": 2, "epochs": [0, 1]}},
    "networks.synthetic": {"epochs": 2},
    "objective.sum": {
        "terms": [{"objective": {"type": "feature"}}, {"objective": {"type": "cross-entropy"}}]
    },
    "optimizer.adam": {"learning_rate": 0.1},
    "optimizer.adamw": {"learning_rate": 0.1},
    "optimizer.sgd": {"learning_rate": 0.1},
    "model.torchvision": {"name": "resnet18"},
}
"""What a type cannot do without, or would take too long with."""


BY_VALUES = {
    # Chosen by distances, once or now and then.
    *("init.herding", "init.k-center", "init.k-means", "sampler.k-means"),
    # Kornia's crop reads its borders from the device.
    "augment.imagenet",
}
"""Types that do what depends on values."""


def installed(table: str) -> list[Stage]:
    kind = KINDS[table]
    return [
        kind.implementation(name).model_validate(FIELDS.get(f"{table}.{name}", {}))
        for name in registry.names(kind.group)
    ]


def without_values(table: str) -> list[Stage]:
    """Those that can compute on ``meta``, where there are shapes and no values."""
    return [stage for stage in installed(table) if f"{table}.{stage.type}" not in BY_VALUES]


def by_type(stage: Stage) -> str:
    return stage.type
