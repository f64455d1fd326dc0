"""Pure functions of tensors as one compiled graph each.

A step (matching a class, training on a batch) is traced by running it once on tensors without data, through
its backward and double-backward passes. What is compiled is therefore a flat list of tensor operations,
gradients of gradients included, in whatever Python a plugin is written. Where that cannot be done (no C++
compiler, an operation that looks at values, a fault of the compiler) the step is computed eagerly, with one
line that says why.
"""

import logging
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from idc.errors import Notice, first_line
from idc.runtime.device import out_of_memory
from idc.runtime.execution import current_execution

T = TypeVar("T")
Flat = Callable[..., Any]


class ComputedEagerly(Notice):
    """A step could not be compiled and is computed eagerly: slower, with the same result up to rounding."""


MOST_GRAPHS = 64
"""Graphs that are kept; those not used for longest go first."""

_graphs: OrderedDict[Hashable, Flat | None] = OrderedDict()
# None for what cannot be compiled.


class Like:
    """A key for `compute` that equals others made of equal values, hashable or not.

    Stages are equal if they are of the same class and have the same fields.
    """

    def __init__(self, *values: object) -> None:
        self._values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Like) and self._values == other._values

    def __hash__(self) -> int:
        # Cheap, because it is taken at every step; what differs in fields alone is told apart by equality.
        return hash(tuple(map(type, self._values)))


def compute(name: str, key: Hashable, function: Callable[..., T], *inputs: Any) -> T:
    """Call a pure function of tensors, as a compiled graph where `idc.runtime.execution` says so.

    Args:
        name: what messages call the function.
        key: everything but the inputs that its result depends on; calls with equal keys, and inputs of the
            same structure, shapes, types and devices, share a graph.
        function: of tensors, or of dictionaries, tuples and lists of them, to the same.
        inputs: what it is called with.

    Returns:
        What the function returns; in float32 the compiled graph rounds otherwise than the eager function.
    """
    execution = current_execution()
    if not execution.compiled:
        return function(*inputs)
    leaves, structure = pytree.tree_flatten(inputs)
    kinds = tuple((leaf.shape, leaf.stride(), leaf.dtype, leaf.device) for leaf in leaves)
    signature = (name, key, execution, structure, kinds)
    if signature in _graphs:
        _graphs.move_to_end(signature)
        known = _graphs[signature]
        return _eagerly(function, inputs) if known is None else known(leaves)

    def unflattened(leaves: list[Tensor]) -> T:
        return function(*pytree.tree_unflatten(leaves, structure))

    try:
        graph, result = _first_call(unflattened, leaves)
    # Whatever the tracer or the compiler raises: if the function itself is at fault, it raises it again.
    except Exception as error:
        if out_of_memory(error):
            raise
        graph, result = None, _eagerly(function, inputs)
        message = f"{name} is computed eagerly, because it cannot be compiled ({_reason(error)})"
        warnings.warn(message, ComputedEagerly, 2)
    _graphs[signature] = graph
    if len(_graphs) > MOST_GRAPHS:
        _graphs.popitem(last=False)
    return result


def _eagerly(function: Callable[..., T], inputs: tuple[Any, ...]) -> T:
    with current_execution().eager().active():
        return function(*inputs)


def _first_call(
    function: Callable[[list[Tensor]], T], leaves: list[Tensor]
) -> tuple[Callable[[list[Tensor]], T], T]:
    """A compiled function and what it returns; called once, because layers that draw would draw again."""
    with _without_chatter():
        graph = _compiled(function, leaves)
        try:
            return graph, graph(leaves)
        except Exception as error:
            # Where an earlier process was stopped while it wrote to the compiler's cache.
            damaged = re.match(r"(/.+\.so): ", _reason(error))
            if damaged is None:
                raise
            Path(damaged[1]).unlink(missing_ok=True)
        graph = _compiled(function, leaves)
        return graph, graph(leaves)


def _reason(error: Exception) -> str:
    return first_line(getattr(error, "inner_exception", error))[:200]


def _compiled(function: Callable[[list[Tensor]], T], leaves: list[Tensor]) -> Callable[[list[Tensor]], T]:
    structure: Any = None

    def flat(*leaves: Tensor) -> list[Tensor]:
        nonlocal structure
        outputs, structure = pytree.tree_flatten(function(list(leaves)))
        return outputs

    # Constants that the function closes over, such as mean and sd, become constants of the graph.
    graph = make_fx(flat, tracing_mode="fake", _allow_non_fake_inputs=True)(*leaves)
    recorded = leaves[0].is_cuda
    # Layers that draw (dropout) then draw from torch's generators, which the caller has seeded. On a GPU the
    # kernels are recorded once and launched together, because launching each costs more than small ones take.
    options: dict[str, Any] = {"fallback_random": True, "triton.cudagraphs": recorded}
    compiled = torch.compile(graph, fullgraph=True, dynamic=False, options=options)

    def call(leaves: list[Tensor]) -> T:
        outputs = compiled(*leaves)
        if recorded:
            # The next launch writes to the same memory.
            outputs = [output.clone() for output in outputs]
        return cast(T, pytree.tree_unflatten(outputs, structure))

    return call


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Without what torch logs of machines that have a CUDA build but no GPU, and of itself."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"torch\.")
            yield
    finally:
        logger.setLevel(before)
