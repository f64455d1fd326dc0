"""Checks of datasets, decoders, initializers, augmentations and samplers."""

from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from idc.data.split import Split
from idc.kinds import Augmentation, Dataset, Decoder, Initializer, Sampler
from idc.shapes import Batch, Codes, Draw, class_numbers
from idc.spec import ImageSpec
from idc.stages.decoders.raw import Raw
from idc.synset.codes import SOFT_LABELS, decode_class, labels_of_class, of_class
from idc.testing.assertions import (
    META,
    assert_in_range,
    check_stage,
    computed_anywhere,
    equal,
    global_generator_untouched,
    moved,
)
from idc.testing.toy import SPEC, STREAMS, ToyModel, toy_split


def check_dataset(dataset: Dataset, root: Path) -> None:
    """Both splits have the same image format, labels are class numbers, and loading is reproducible."""
    check_stage(dataset)
    with global_generator_untouched():
        data = dataset.load(root)
    assert data.train.spec == data.test.spec, "the splits have different image formats"
    for name, split in (("train", data.train), ("test", data.test)):
        assert split.pixels.shape == (len(split), *data.spec.shape), (
            f"{name}: pixels do not have the spec's shape"
        )
        assert split.labels.dtype == torch.int64, f"{name}: labels are {split.labels.dtype}, not int64"
        inside = (split.labels >= 0) & (split.labels < len(data.spec.classes))
        assert bool(inside.all()), f"{name}: a label is not a class number"
        assert_in_range(split.images(torch.arange(min(len(split), 100))), data.spec, name)
    assert all(len(members) for members in data.train.members), "a class has no training images"
    same = dataset.load(root).train.fingerprint() == data.train.fingerprint()
    assert same, "loading twice gives different data"


def check_decoder(decoder: Decoder, spec: ImageSpec = SPEC, images_per_class: int = 2) -> None:
    """Shapes, value range, purity, first and second derivatives, saving and loading."""
    check_stage(decoder)
    classes = len(spec.classes)
    capacity = decoder.capacity(images_per_class, spec)
    unpacked = decoder.unpacked(images_per_class, spec)
    assert min(capacity, unpacked) >= 1, f"capacity {capacity} and unpacked {unpacked} must be at least 1"
    shared = set(decoder.shared)
    for count in {unpacked, capacity}:
        images = torch.rand(classes, count, *spec.shape, generator=STREAMS.generator("decoder", count))
        with global_generator_untouched():
            encoded, same = (decoder.encode(images, images_per_class, spec, STREAMS) for _ in range(2))
        assert equal(encoded, same), "the same images and streams give different codes"
        _check_unfitted(decoder.unfitted().encode(images, images_per_class, spec, STREAMS), encoded)
        codes = decoder.project(encoded, spec)
        assert shared | decoder.fixed <= set(codes), "a shared or fixed tensor is not among the codes"
        assert set(codes) - decoder.fixed, "all codes are fixed, so there is nothing to optimise"
        for name, code in codes.items():
            assert name in shared or len(code) == classes, f"{name} has no leading class axis"
        batch = decode_class(decoder, codes, 1, images_per_class, spec)
        assert batch.images.shape[1:] == spec.shape, (
            f"decoded images have the shape {tuple(batch.images.shape)}"
        )
        _check_labels(batch, classes)
        soft = batch.labels.is_floating_point()
        assert soft == decoder.soft_labels(), f"soft_labels() is {not soft}, but decode() returns others"
        assert SOFT_LABELS not in codes, f"a stored tensor may not be named {SOFT_LABELS}"
        assert bool(batch.images.isfinite().all()), "a decoded value is not finite"
        _check_storage(decoder, codes, images_per_class, spec)
        _check_projection(decoder, codes, spec, images_per_class)
        _check_decoder_derivatives(decoder, codes, images_per_class, spec)
        _check_decoder_elsewhere(decoder, codes, images_per_class, spec)


def _check_decoder_elsewhere(decoder: Decoder, codes: Codes, images_per_class: int, spec: ImageSpec) -> None:
    with computed_anywhere("decode(), project() or penalty()"):
        projected = decoder.project(moved(codes), spec)
        batch = decode_class(decoder, projected, 0, images_per_class, spec)
        decoder.penalty(of_class(decoder, projected, 0))
    found = {each.device for each in (*projected.values(), batch.images, batch.labels)}
    assert found == {META}, "codes, images or labels are on another device than the codes"


def _check_unfitted(unfitted: Codes, codes: Codes) -> None:
    unfit, fit = (
        {name: (code.shape, code.dtype) for name, code in each.items()} for each in (unfitted, codes)
    )
    assert unfit == fit, "unfitted() makes codes of other names, shapes or dtypes"


def _check_storage(decoder: Decoder, codes: Codes, images_per_class: int, spec: ImageSpec) -> None:
    stored = decoder.for_storage(codes)
    shapes, same = ({name: code.shape for name, code in each.items()} for each in (codes, stored))
    assert shapes == same, "for_storage() changes names or shapes"
    assert equal(decoder.for_storage(stored), stored), "for_storage() changes stored codes"
    wanted, before, after = (
        decode_class(decoder, each, 1, images_per_class, spec).images
        for each in (codes, stored, _saved_and_loaded(stored))
    )
    assert torch.equal(before, after), "saved and loaded codes decode to different images"
    assert after.dtype == wanted.dtype, f"stored codes decode to {after.dtype}, others to {wanted.dtype}"


def _check_labels(batch: Batch, classes: int) -> None:
    """Check the labels of decoded images of class 1."""
    labels = batch.labels
    if labels.is_floating_point():
        expected = (len(batch.images), classes)
        assert labels.shape == expected, f"soft labels have the shape {tuple(labels.shape)}, not {expected}"
        assert bool((labels >= 0).all()), "a soft label has a negative probability"
        assert torch.allclose(labels.sum(1), torch.ones(len(labels))), "soft labels do not sum to 1"
    assert bool((class_numbers(labels) == 1).all()), "a decoded image has the label of another class"


def _check_projection(decoder: Decoder, codes: Codes, spec: ImageSpec, images_per_class: int) -> None:
    projected = decoder.project(_stretched(decoder, codes), spec)
    for name in decoder.fixed:
        assert torch.equal(projected[name], codes[name]), f"project() changes {name}, which is fixed"
    if _keeps_range(decoder, codes, spec):
        images = decode_class(decoder, projected, 1, images_per_class, spec).images
        assert_in_range(images, spec, "decoded from projected codes", tolerance=1e-5)


def _stretched(decoder: Decoder, codes: Codes) -> Codes:
    """Codes whose pixels, if they are pixels, leave the value range."""
    return {name: code if name in decoder.fixed else 3 * code - 1 for name, code in codes.items()}


def _keeps_range(decoder: Decoder, codes: Codes, spec: ImageSpec) -> bool:
    """Whether `Decoder.project` limits what is decoded; if not, a synset's images are clamped anyway."""
    # A decoder that projects each step does so to keep its codes where decoding is defined.
    stretched = _stretched(decoder, codes)
    return not (equal(decoder.project(stretched, spec), stretched) or decoder.projects_each_step)


def _check_decoder_derivatives(
    decoder: Decoder, codes: Codes, images_per_class: int, spec: ImageSpec
) -> None:
    one = of_class(decoder, codes, 0)
    fixed = {name: code for name, code in one.items() if name in decoder.fixed}
    moving = {name: code.double().requires_grad_() for name, code in one.items() if name not in fixed}
    labels = labels_of_class(codes, 0, images_per_class)

    def decode(*tensors: Tensor) -> Tensor:
        codes = {**dict(zip(moving, tensors, strict=True)), **fixed}
        batch = decoder.decode(codes, labels, spec)
        # Squared, so that linear decoders have a second derivative too.
        value = (batch.images**2).sum()
        value = value + (batch.labels**2).sum() if batch.labels.is_floating_point() else value
        penalty = decoder.penalty(codes)
        return value if penalty is None else value + penalty

    inputs = tuple(tensor.detach().requires_grad_() for tensor in moving.values())
    value = decode(*inputs)
    assert value.requires_grad, "the images do not depend on the codes"
    gradients = torch.autograd.grad(value, inputs)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients), "a gradient is not finite"
    assert any(bool(gradient.any()) for gradient in gradients), (
        "all gradients of the images with respect to the codes are zero"
    )
    torch.autograd.gradcheck(decode, inputs)
    torch.autograd.gradgradcheck(decode, inputs)


def check_initializer(
    initializer: Initializer, decoder: Decoder | None = None, split: Split | None = None
) -> None:
    """Codes for every class that decode to images, within the value range if they are pixels, and are
    reproducible."""
    check_stage(initializer)
    decoder, split = decoder or Raw(), split or toy_split()
    with global_generator_untouched():
        codes, again = (initializer.codes(decoder, 2, split, ToyModel(), STREAMS) for _ in range(2))
    assert equal(codes, again), "the same streams give different codes"
    batch = decode_class(decoder, codes, 1, 2, split.spec)
    assert batch.images.shape[1:] == split.spec.shape, "the codes do not decode to the dataset's images"
    assert bool(batch.images.isfinite().all()), "initial images: a value is not finite"
    if _keeps_range(decoder, codes, split.spec):
        assert_in_range(batch.images, split.spec, "initial images", tolerance=1e-5)


def check_augmentation(
    augmentation: Augmentation, spec: ImageSpec = SPEC, *, reads_values: bool = False
) -> None:
    """Draws depend only on the generator, siamese draws treat all images alike, gradients are finite.

    Args:
        augmentation: to check.
        spec: of the images.
        reads_values: whether it may look at what was drawn, for which a GPU waits in every match.
    """
    check_stage(augmentation)
    images = toy_split(2, spec).images()
    for attempt in range(8):
        for count in (1, len(images)):
            with global_generator_untouched():
                draw, again = (
                    augmentation.draw(count, spec.shape, STREAMS.generator("augment", attempt))
                    for _ in range(2)
                )
            assert equal(draw.parameters, again.parameters), "the same generator gives different parameters"
            leaf = images.clone().requires_grad_()
            changed = augmentation.apply(leaf, draw)
            assert changed.shape == images.shape, f"the shape changes to {tuple(changed.shape)}"
            same = torch.equal(changed, augmentation.apply(leaf, draw))
            assert same, "applying a draw twice gives different images"
            if count == 1:
                _check_siamese(augmentation, images, draw)
            if not reads_values:
                with computed_anywhere("apply()"):
                    elsewhere = augmentation.apply(images.to(META), draw.to(META))
                assert elsewhere.shape == images.shape, "the shape differs on another device than the CPU"
            if changed.requires_grad:
                (gradient,) = torch.autograd.grad(changed.sum(), leaf)
                assert bool(gradient.isfinite().all()), "the gradient is not finite"


def _check_siamese(augmentation: Augmentation, images: Tensor, draw: Draw) -> None:
    together = augmentation.apply(images, draw)
    one_by_one = torch.cat([augmentation.apply(image[None], draw) for image in images])
    same = torch.allclose(together, one_by_one, atol=1e-5)
    assert same, "a siamese draw treats the images of a batch differently"


def check_sampler(sampler: Sampler) -> None:
    """Distinct images of the class, reproducible for a step, for large and small classes.

    A sampler that refreshes does so at step 0, reproducibly for a step and network.
    """
    check_stage(sampler)
    network = ToyModel().fresh(SPEC, STREAMS)
    for size in (3, 200):
        split = toy_split(size)
        members = split.members[1]
        refreshed = None
        for step in range(4):
            with global_generator_untouched():
                if sampler.refreshes(step):
                    refreshed, same = (
                        sampler.refresh(members, split, network, step, STREAMS) for _ in range(2)
                    )
                    assert torch.equal(refreshed, same), "refreshing twice in a step gives different results"
                assert step or (refreshed is not None) == any(map(sampler.refreshes, range(1000))), (
                    "a sampler that refreshes must do so at step 0"
                )
                chosen, again = (sampler.real(members, step, STREAMS, refreshed) for _ in range(2))
                before_the_run = sampler.real(members, step, STREAMS)
                selected = sampler.synthetic(size, step, STREAMS)
            assert len(before_the_run) == len(chosen), "the number of images depends on refreshing"
            syn = torch.arange(size) if selected is None else selected
            assert torch.equal(chosen, again), "the same step gives different images"
            assert set(chosen.tolist()) <= set(members.tolist()), "an image of another class is selected"
            assert len(set(chosen.tolist())) == len(chosen) > 0, "an image is selected twice, or none is"
            assert set(syn.tolist()) <= set(range(size)), "a selected decoded image does not exist"
            assert len(set(syn.tolist())) == len(syn) > 0, "a decoded image is selected twice, or none is"


def _saved_and_loaded(codes: Codes) -> Codes:
    return load(save({name: code.contiguous() for name, code in codes.items()}))
