"""FYI's mirror images against the golden tensors (float64)."""

import pytest
import torch

from golden_cases import assert_exact, golden_convnet, load_golden
from idc.errors import InputError
from idc.kinds import Batch, NetworkView
from idc.seeding import Streams
from idc.stages.decoders.mirror import Mirror
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.decoders.raw import Raw
from idc.stages.objectives.feature import Feature
from idc.stages.optimizers.sgd import SGD
from idc.testing import SPEC
from messages import assert_names


def test_a_step_of_dm_is_the_public_codes() -> None:
    case = load_golden("fyi_dm")
    header = {**case.header, "channels": "3", "image_size": case.header["size"], "depth": "3"}
    classes, per_class = int(header["n_classes"]), int(header["ipc"])
    view = NetworkView(golden_convnet(case._replace(header=header), classes), {})
    codes = {"images": case["codes"].unflatten(0, (classes, per_class))}
    losses: list[torch.Tensor] = []
    gradients: list[torch.Tensor] = []
    for label, real in enumerate(case["real_images"]):
        leaf = codes["images"][label].clone().requires_grad_()
        batch = Mirror().decode({"images": leaf}, torch.full((per_class,), label), SPEC)
        assert batch.labels.tolist() == [label] * 2 * per_class
        where = case["decoded_labels"] == label
        assert_exact(batch.images, case["decoded"][where])
        wanted = Batch(real, torch.full((len(real),), label))
        losses.append(Feature().distance(view, wanted, batch))
        gradients.append(torch.autograd.grad(losses[-1], leaf)[0])
    assert_exact(sum(losses, torch.zeros((), dtype=torch.float64)), case["loss_sum"])
    assert_exact(torch.cat(gradients), case["codes_grad"])
    sgd = SGD(learning_rate=float(header["lr_img"]), momentum=float(header["momentum"]), step="joint")
    state = sgd.initial_state(codes)
    moved, _ = sgd.update(codes, state, {"images": torch.stack(gradients)}, 0)
    assert_exact(moved["images"].flatten(0, 1), case["codes_after"])


def test_the_score_is_without_mirror_images() -> None:
    assert Mirror().for_evaluation() == Raw()
    assert Mirror(factor=2).for_evaluation() == MultiFormation(factor=2)
    images = torch.rand(1, 8, *SPEC.shape)
    codes = Mirror(factor=2).encode(images, 2, SPEC, Streams(0))
    one = {"images": codes["images"][0]}
    both = Mirror(factor=2).decode(one, torch.tensor([1, 1]), SPEC)
    alone = Mirror(factor=2).for_evaluation().decode(one, torch.tensor([1, 1]), SPEC)
    assert torch.equal(both.images, torch.cat([alone.images, alone.images.flip(3)]))
    assert both.labels.tolist() == [1] * 16


def test_as_many_images_as_tiles() -> None:
    assert Mirror().capacity(3, SPEC) == 3
    assert Mirror(factor=2).capacity(3, SPEC) == 12
    with pytest.raises(InputError) as error:
        Mirror(factor=9).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.factor: 9 ", "larger", "8x8", "1, 2, 3, 4, 8")
