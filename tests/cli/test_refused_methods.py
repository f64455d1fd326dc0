"""What does not fit a method is refused before anything is trained or written, in one message."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import idc, names, refused, succeeded
from idc.data import cache
from small import small_pipeline

SUM = "objective={type='sum', terms=[%s]}"
IN_TURN = "{type='sum', steps='in-turn', terms=[{objective={type='feature'}}, {objective={type='feature'}}]}"
BETWEEN = "networks={type='between', pool={networks=2, epochs=[0, 1], path='pool'}}"
TEACHER = "labels={type='teacher', pool={networks=2, epochs=[0, 1]%s}%s}"
UNMIXED = "evaluate.0.training.cutmix=0"
"""Images with soft labels are not mixed."""


def trained() -> list[Path]:
    return sorted(cache.folder().rglob("network-*"))


def settings(*assignments: str) -> Iterator[str]:
    for assignment in ("name=small", *assignments):
        yield from ("--set", assignment)


@pytest.mark.parametrize(
    ("assignments", "parts"),
    [
        (["decoder={type='fred', frequencies=65}"], ("decoder.frequencies", "65", "8x8 pixels", "1 to 64")),
        (
            ["decoder={type='multiformation', factor=2, packing='mean'}", "dataset.size=9"],
            ("decoder.packing", "'mean'", "factor = 2", "9x9 pixels", "'nearest'", "1, 3, 9"),
        ),
        (["decoder={type='ddif', width=50}"], ("decoder.width", "50", "128", "1 to 9")),
        (["decoder={type='gsdd', gaussians=99}"], ("decoder.gaussians", "99", "128", "1 to 18")),
        (["decoder={type='mirror', factor=9}"], ("decoder.factor", "9", "8x8 pixels", "1, 2, 3, 4, 8")),
        (
            [SUM % "{network='trained', objective={type='cross-entropy'}}"],
            ("objective.terms.0.network", "'trained'", "known: none", "[networks] type", "'between'"),
        ),
        (
            [BETWEEN, SUM % "{network='traind', objective={type='cross-entropy'}}"],
            ("objective.terms.0.network", "'traind'", "known: trained"),
        ),
        (
            [BETWEEN, SUM % "{times='accuracy', objective={type='cross-entropy'}}"],
            ("objective.terms.0.times", "'accuracy'", "known: none", "'real'", "leave it out"),
        ),
        (
            [SUM % ("{objective={type='feature'}}, {objective=" + IN_TURN + "}")],
            ("objective", "terms.1", "'sum'", "several times", "list its terms in this sum"),
        ),
        ([SUM % ""], ("objective", "terms", "list at least one")),
        (
            ["objective.type=attention", "model={type='mlp'}"],
            ("model", "mlp", "maps", "convnet", "objective.type = 'feature'"),
        ),
        (["objective.type=attention", "model.depth=1"], ("objective", "'attention'", "only one", "deeper")),
        (
            ["init={type='k-means'}", "images_per_class=60"],
            ("images_per_class", "143 training images", "'k-means'", "240", "at most 35"),
        ),
        (
            ["init={type='k-means', per_cluster=3}"],
            ("init.per_cluster", "8 images", "not a multiple of 3", "init.per_cluster = 1"),
        ),
        (["init={type='k-means', features={layer=5}}"], ("init.features.layer", "5", "-2 to 1")),
        (["sampler={type='k-means', layer=5}"], ("sampler.layer", "5", "-2 to 1")),
        (
            ["sampler={type='k-means', batch_size=10, per_cluster=4}"],
            ("sampler", "batch_size 10", "per_cluster 4", "change one"),
        ),
        (["networks={type='between', pool={epochs=[1]}}"], ("networks.pool", "epochs", "[1.0]", "[0, 20]")),
        (["networks={type='between', pool={epochs=[0, 0.01]}}"], ("networks: pool.epochs", "0.01", "leave")),
        ([TEACHER % ("", ", networks=3"), UNMIXED], ("labels.networks", "3", "at most 2")),
        ([TEACHER % ("", "")], ("evaluate", "'idc-2022'", "0.5", "training.cutmix = 0", "hard labels")),
        (
            [TEACHER % ("", ""), UNMIXED, "init.type=random", "decoder={type='raw', labels='soft'}"],
            ("labels.type = 'teacher'", "decoder", "raw", "labels.type = 'hard'"),
        ),
        (
            [TEACHER % ("", ""), UNMIXED, "baseline.0.decoder.labels=soft"],
            ("labels.type = 'teacher'", "baseline.0.decoder", "raw", "labels.type = 'hard'"),
        ),
        (
            [TEACHER % ("", ""), UNMIXED, "baseline.0.decoder={type='fred', frequencies=65}"],
            ("baseline 'random'", "decoder.frequencies", "65", "1 to 64"),
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_before_anything_is_trained(assignments: list[str], parts: tuple[str, ...]) -> None:
    for arguments in (("--dry-run",), ()):
        message = refused(
            "run", "small.toml", "--device", "cpu", "--quiet", *arguments, *settings(*assignments)
        )
        names(message, *parts)
    assert trained() == []
    assert not Path("pool").exists()
    assert not Path("runs").exists()


@pytest.fixture(scope="module")
def pool_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of two networks of ``small.toml``."""
    folder = tmp_path_factory.mktemp("pool")
    (folder / "small.toml").write_text(small_pipeline().toml())
    path = BETWEEN.replace("'pool'", f"'{folder / 'pool'}'")
    succeeded("pretrain", str(folder / "small.toml"), "--device", "cpu", *settings(path))
    return folder / "pool"


@pytest.fixture
def pool(workplace: Path, pool_source: Path) -> Path:
    """The same in the folder ``pool``."""
    return Path(shutil.copytree(pool_source, "pool"))


OF_NETWORKS = (BETWEEN,)
OF_LABELS = (TEACHER % (", path='pool'", ""), UNMIXED)


@pytest.mark.parametrize(("assignments", "table"), [(OF_NETWORKS, "networks"), (OF_LABELS, "labels")])
@pytest.mark.parametrize(
    "other",
    ["model.width=5", "dataset.size=9", "dataset.classes=['0', '1', '2']", "precision=bf16"],
)
def test_a_pool_of_another_model_or_other_data(
    pool: Path, assignments: tuple[str, ...], table: str, other: str
) -> None:
    for arguments in (("run", "--dry-run"), ("run",), ("estimate",), ("pretrain",)):
        message = refused(
            *arguments, "small.toml", "--device", "cpu", "--quiet", *settings(*assignments, other)
        )
        names(message, f"{table}: pool.path", "pool/network-0.safetensors", "another architecture")
        names(message, "set another folder", "remove it", "idc pretrain")


@pytest.mark.parametrize(("assignments", "table"), [(OF_NETWORKS, "networks"), (OF_LABELS, "labels")])
def test_a_truncated_pool(pool: Path, assignments: tuple[str, ...], table: str) -> None:
    file = pool / "network-1.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    for arguments in (("run", "--dry-run"), ("run",), ("estimate",), ("pretrain",)):
        message = refused(*arguments, "small.toml", "--device", "cpu", "--quiet", *settings(*assignments))
        names(message, f"{table}: pool.path", str(file), "truncated", "again")


@pytest.mark.parametrize("assignments", [OF_NETWORKS, OF_LABELS], ids=["networks", "labels"])
def test_a_half_made_pool_is_finished_with_the_same_networks(
    pool: Path, assignments: tuple[str, ...]
) -> None:
    made = {file.name: file.read_bytes() for file in pool.iterdir()}
    (pool / "network-1.safetensors").unlink()
    done = idc("run", "small.toml", "--device", "cpu", *settings(*assignments, "evaluate=[]"))
    assert done.exit_code == 0, done.output
    names(done.stderr, "networks trained: 1, there already: 1")
    assert {file.name: file.read_bytes() for file in pool.iterdir()} == made
