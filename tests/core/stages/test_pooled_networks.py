"""Networks from a pool: between two ages, at a random age, perturbed."""

import json
import re
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from golden_cases import GOLDEN, assert_exact, load_golden
from idc.config.pipeline import Pipeline
from idc.errors import InputError, explain
from idc.kinds import Networks
from idc.network.network import Network
from idc.seeding import Streams
from idc.stages.networks.between import Between, interpolated
from idc.stages.networks.perturbation import Perturbation, direction
from idc.stages.networks.real import Real
from idc.testing import SPEC, ToyModel, toy_split
from pools import pretrained
from repository import PIPELINES

MODEL, SPLIT = ToyModel(), toy_split()
POOL = {"networks": 2, "epochs": [0, 0.5, 2], "training": {"batch_size": 8}}


def flat(weights: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in weights.values()])


def with_pool(networks: Networks) -> Any:
    pretrained(*networks.pools())
    return networks


def between(**fields: Any) -> Between:
    return with_pool(Between.model_validate({"pool": POOL, **fields}))


def real(**fields: Any) -> Real:
    return with_pool(Real.model_validate({"pool": POOL, **fields}))


def started(networks: Networks, seed: int) -> Network:
    return networks.start(0, None, MODEL, SPLIT, Streams(seed))


def test_weights_in_between_are_ncfms() -> None:
    case = load_golden("ncfm_interpolation")
    of = {
        part: {
            name.partition(".")[2]: tensor for name, tensor in case.tensors.items() if name.startswith(part)
        }
        for part in ("init.", "trained.", "interval.")
    }
    found = interpolated(of["init."], of["trained."], float(case["share"]))
    assert found.keys() == of["interval."].keys()
    for name, wanted in of["interval."].items():
        assert_exact(found[name], wanted)


def test_a_perturbation_is_model_augmentations() -> None:
    case = load_golden("accdd_perturbation")
    for name, weight in case.weights().items():
        moved = weight
        for number, step in enumerate(case["steps"]):
            found = direction(weight, case[f"gauss.{number}.{name}"])
            assert_exact(found, case[f"direction.{number}.{name}"])
            moved = moved + step * found
        assert_exact(moved, case[f"perturbed.{name}"])


def test_perturbations_have_the_length_of_their_steps() -> None:
    weights = MODEL.fresh(SPEC, Streams(0)).weights
    perturbation = Perturbation(low=0.2, high=0.3)
    signs: set[bool] = set()
    for seed in range(8):
        moved = perturbation.perturbed(weights, Streams(seed).generator("perturbation"))
        again = perturbation.perturbed(weights, Streams(seed).generator("perturbation"))
        for name, weight in weights.items():
            assert torch.equal(moved[name], again[name])
            if weight.ndim == 1:
                assert torch.equal(moved[name], weight)
                continue
            rows = (moved[name] - weight).flatten(1).norm(dim=1) / weight.flatten(1).norm(dim=1)
            # Two directions, nearly at right angles where rows are long.
            assert float(rows.min()) > 0.02
            assert float(rows.max()) < 0.6
        signs.add(bool((moved["first.weight"] - weights["first.weight"]).flatten()[0] > 0))
    assert signs == {True, False}


def test_steps_have_random_signs_and_sizes_between_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    from idc.stages.networks import perturbation

    monkeypatch.setattr(perturbation, "direction", lambda weight, gauss: torch.ones_like(weight))
    steps: list[float] = []
    for seed in range(200):
        moved = Perturbation().perturbed({"weight": torch.zeros(1, 1)}, Streams(seed).generator("x"))
        steps.append(float(moved["weight"]))
    assert max(map(abs, steps)) <= 0.18 + 1e-6
    assert abs(sum(steps) / 200) < 0.02
    # Of the same sign and of opposite ones, half each.
    assert 70 < sum(abs(step) < 0.08 for step in steps) < 130


def test_a_network_is_between_its_first_and_its_last_age() -> None:
    networks = between()
    pool = networks.pool.load(MODEL, SPLIT)
    ends = [[flat(each.weights) for each in of.networks] for of in pool]
    shares: list[float] = []
    chosen: set[int] = set()
    for seed in range(30):
        network = started(networks, seed)
        trained = flat({name: network.companions["trained"][name] for name in network.weights})
        (number,) = (number for number, of in enumerate(ends) if torch.equal(of[-1], trained))
        first, _, last = ends[number]
        found = flat(network.weights)
        share = float((found - last) @ (first - last) / ((first - last) @ (first - last)))
        torch.testing.assert_close(found, share * first + (1 - share) * last, rtol=1e-4, atol=1e-5)
        shares.append(share)
        chosen.add(number)
        assert network.streams == Streams(seed)
        assert networks.train(network, SPLIT, lambda: SPLIT) is network
    assert min(shares) < 0.2
    assert max(shares) > 0.8
    assert chosen == {0, 1}
    assert torch.equal(flat(started(networks, 3).weights), flat(started(networks, 3).weights))


def test_the_share_has_bounds() -> None:
    last = between(share=[0, 0])
    network = started(last, 0)
    assert torch.equal(
        flat(network.weights), flat({name: network.companions["trained"][name] for name in network.weights})
    )
    perturbed = started(between(share=[0, 0], perturbation={}), 0)
    assert not torch.equal(flat(perturbed.weights), flat(network.weights))
    assert torch.equal(flat(perturbed.companions["trained"]), flat(network.companions["trained"]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"share": [0.6, 0.4]}, "share: .*lower"),
        ({"share": [0, 1.5]}, "share.1: 1.5 is not allowed"),
        ({"pool": {"epochs": [20]}}, "pool: epochs: .*two"),
        ({"perturbation": {"low": 0.1}}, "perturbation: low: .*at most high, 0.09"),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Between.model_validate(fields)
    assert re.search(message, explain(caught.value))


def test_real_networks_start_from_a_random_age_and_know_its_accuracy() -> None:
    networks = real(images=0)
    assert networks.pool is not None
    wanted = {
        tuple(flat(network.weights).tolist()): accuracy
        for of in networks.pool.load(MODEL, SPLIT)
        for network, accuracy in zip(of.networks, of.accuracies, strict=True)
    }
    found = [started(networks, seed) for seed in range(40)]
    assert {tuple(flat(network.weights).tolist()) for network in found} == wanted.keys()
    for network in found:
        accuracy = float(network.facts["accuracy"])
        assert accuracy == pytest.approx(wanted[tuple(flat(network.weights).tolist())])
    assert networks.train(found[0], SPLIT, lambda: SPLIT) is found[0]
    assert float(started(Real(), 0).facts["accuracy"]) == 0


def test_real_networks_may_be_perturbed_and_train_on() -> None:
    plain, perturbed = real(), real(perturbation={})
    first, second = started(plain, 0), started(perturbed, 0)
    assert not torch.equal(flat(first.weights), flat(second.weights))
    trained = plain.train(first, SPLIT, lambda: SPLIT)
    assert not torch.equal(flat(trained.weights), flat(first.weights))
    assert torch.equal(trained.facts["accuracy"], first.facts["accuracy"])
    # The pool's own tensors are as they were.
    assert torch.equal(flat(started(plain, 0).weights), flat(first.weights))


@pytest.mark.parametrize(
    "networks", [Between.model_validate({"pool": POOL}), Real.model_validate({"pool": POOL})]
)
def test_messages_name_the_place_in_the_pipeline(networks: Between | Real) -> None:
    with pytest.raises(InputError, match=r"^networks: pool\.path: there is no file .* idc pretrain PIPELINE"):
        started(networks, 0)
    with_pool(networks)
    started(networks, 0)


QUEUE = json.loads((GOLDEN / "idm_queue.json").read_text())


class Queue:
    """IDM's queue of networks: number → training steps, oldest first."""

    def __init__(self, longest: int, interval: int, steps: int) -> None:
        self.longest, self.interval, self.steps = longest, interval, steps
        self.pool = dict.fromkeys(range(QUEUE["first_networks"]), 0)

    def begin(self, iteration: int) -> None:
        if iteration % self.interval:
            return
        born = max(self.pool) + 1
        if len(self.pool) == self.longest:
            del self.pool[min(self.pool)]
        self.pool[born] = 0

    def train(self, numbers: list[int]) -> None:
        for number in numbers:
            self.pool[number] += self.steps


def test_the_queue_of_idm() -> None:
    queue = Queue(QUEUE["net_num"], QUEUE["net_generate_interval"], QUEUE["model_train_steps"])
    for row in QUEUE["trace"]:
        queue.begin(row["iteration"])
        assert list(queue.pool) == row["pool"]
        assert list(queue.pool.values()) == row["training_steps_before"]
        assert set(row["matched"]) <= queue.pool.keys()
        assert len(row["trained"]) == QUEUE["fetch_net_num"]
        queue.train(row["trained"])


def test_the_preset_of_idm_draws_the_ages_of_the_queue() -> None:
    networks = Pipeline.load(PIPELINES / "cifar10-ipc10-idm.toml").networks
    assert isinstance(networks, Real)
    assert networks.pool is not None
    assert (networks.images, networks.warmup_epochs, networks.every) == (0, 0, 1)
    # CIFAR-10: a hundred networks, a new one in every 30 iterations, ten steps of 256 images.
    queue, per_epoch = Queue(100, 30, 10), 196
    draws = Streams(0).generator("queue")
    matched: list[float] = []
    for iteration in range(20_000):
        queue.begin(iteration)
        numbers = list(queue.pool)
        if iteration > 3_000:
            matched.append(queue.pool[numbers[int(torch.randint(len(numbers), (), generator=draws))]])
        queue.train([numbers[position] for position in torch.randperm(len(numbers), generator=draws)[:2]])
    ages = torch.tensor(matched).div(per_epoch)
    assert float((ages <= 3).float().mean()) > 0.9
    kept = torch.tensor(networks.pool.epochs)
    assert (float(kept[0]), float(kept[-1])) == (0, 3)
    # As many between each two kept ages, so that each age is as likely.
    shares = torch.histogram(ages, kept)[0] / len(ages)
    torch.testing.assert_close(shares, torch.full_like(shares, 1 / (len(kept) - 1)), atol=0.05, rtol=0)
