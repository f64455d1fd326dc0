"""What a synset is and how it was made, in words: for the terminal and for pages."""

from idc.files.tensorfile import Described
from idc.synset.header import Header

Row = tuple[str, str]
"""A property and its value."""


def contents(found: Described[Header]) -> list[Row]:
    """What is stored, and what it is decoded to."""
    header, spec, plan = found.header, found.header.spec, found.header.pipeline
    high = "unbounded" if spec.high is None else f"{spec.high:g}"
    facts = [
        ("pipeline", f"{plan.get('name')} (method {plan.get('method')}, seed {plan.get('seed')})"),
        (
            "iterations",
            f"{header.iterations} of {header.planned}, inner steps {plan.get('inner_steps')}",
        ),
        ("classes", f"{len(spec.classes)}: {', '.join(spec.classes)}"),
        ("images", f"{header.images} from {plan.get('images_per_class')} stored per class"),
        ("image", f"{spec.channels}x{spec.height}x{spec.width}, values {spec.low:g} to {high}"),
        ("normalisation", f"mean {_numbers(spec.mean)}, std {_numbers(spec.std)}"),
        ("stored numbers", f"{header.budget:,}, {stored_bytes(found):,} bytes"),
    ]
    return facts + [
        (f"tensor {name}", f"{'x'.join(map(str, tensor.shape))} {tensor.dtype}")
        for name, tensor in found.tensors.items()
    ]


def stored_bytes(found: Described[Header]) -> int:
    """Bytes that the stored tensors take."""
    return max((tensor.data_offsets[1] for tensor in found.tensors.values()), default=0)


def provenance(found: Described[Header]) -> list[Row]:
    """What the synset was made from, and how it was computed."""
    header = found.header
    return [
        ("trained on", f"sha256 {header.fingerprint}"),
        *_computed(header),
        *([("seconds", f"{header.seconds:,.1f}")] if header.seconds is not None else []),
        *([("commit", header.commit)] if header.commit else []),
        *([("stored tensors", f"sha256 {header.tensors}")] if header.tensors else []),
        ("versions", ", ".join(f"{name} {version}" for name, version in header.versions.items())),
    ]


def _computed(header: Header) -> list[Row]:
    if header.computed is None:
        return []
    how = header.computed
    precision = how.precision or header.pipeline.get("precision", "fp32")
    compiled = "compiled" if how.compiled else "eager"
    return [("computed", f"on {how.device}, {how.threads} threads, {precision}, {compiled}")]


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.8g}" for value in values)
