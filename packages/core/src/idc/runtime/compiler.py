"""Pure functions of tensors, each compiled into one graph.

A step (matching a class, training on a batch) is traced with fake tensors, through its backward and
double-backward passes. The graph is therefore a flat list of tensor operations, including gradients of
gradients, and plugins may use any Python. If compilation fails (no C++ compiler, an operation that depends on
values, a compiler error), the step runs eagerly, with a warning that says why.
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
    """A step could not be compiled and runs eagerly: slower, with the same result up to rounding."""


MAX_GRAPHS = 64
"""Number of cached graphs; the least recently used is dropped first."""

_graphs: OrderedDict[Hashable, Flat | None] = OrderedDict()
# None if it cannot be compiled.


class Like:
    """A key for `compute` with the equality of its values, which need not be hashable.

    Stages are equal if they have the same class and the same fields.
    """

    def __init__(self, *values: object) -> None:
        self._values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Like) and self._values == other._values

    def __hash__(self) -> int:
        # Cheap, because it is computed at every step; __eq__ compares the fields.
        return hash(tuple(map(type, self._values)))


def compute(name: str, key: Hashable, function: Callable[..., T], *inputs: Any) -> T:
    """Call a pure function of tensors, compiled if the current `Execution` says so.

    Args:
        name: of the function, for messages.
        key: everything that the result depends on except the inputs. Calls with equal keys share a graph if
            their inputs have the same structure, shapes, dtypes and devices.
        function: from and to tensors, or dictionaries, tuples and lists of them.
        inputs: its arguments.

    Returns:
        The function's result; rounding differs between compiled and eager.
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
        return _call_eagerly(function, inputs) if known is None else known(leaves)

    def unflattened(leaves: list[Tensor]) -> T:
        return function(*pytree.tree_unflatten(leaves, structure))

    try:
        graph, result = _first_call(unflattened, leaves)
    # Anything the tracer or compiler raises; the eager call raises an error of the function itself again.
    except Exception as error:
        if out_of_memory(error):
            raise
        graph, result = None, _call_eagerly(function, inputs)
        message = f"{name} is computed eagerly, because it cannot be compiled ({_reason(error)})"
        warnings.warn(message, ComputedEagerly, 2)
    _graphs[signature] = graph
    if len(_graphs) > MAX_GRAPHS:
        _graphs.popitem(last=False)
    return result


def _call_eagerly(function: Callable[..., T], inputs: tuple[Any, ...]) -> T:
    with current_execution().eager().active():
        return function(*inputs)


def _first_call(
    function: Callable[[list[Tensor]], T], leaves: list[Tensor]
) -> tuple[Callable[[list[Tensor]], T], T]:
    """A compiled function and its result; called only once, because random layers would draw again."""
    with _quiet_compiler():
        graph = _compiled(function, leaves)
        try:
            return graph, graph(leaves)
        except Exception as error:
            # A process was killed while it wrote to the compiler's cache.
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

    # Tensors that the function closes over, such as mean and std, become constants of the graph.
    graph = make_fx(flat, tracing_mode="fake", _allow_non_fake_inputs=True)(*leaves)
    # CUDA graphs, because launching a small kernel takes longer than running it.
    cuda_graphs = leaves[0].is_cuda
    # With fallback_random, dropout uses torch's generators, which the caller has seeded.
    options: dict[str, Any] = {"fallback_random": True, "triton.cudagraphs": cuda_graphs}
    compiled = torch.compile(graph, fullgraph=True, dynamic=False, options=options)

    def call(leaves: list[Tensor]) -> T:
        outputs = compiled(*leaves)
        if cuda_graphs:
            # The next replay overwrites them.
            outputs = [output.clone() for output in outputs]
        return cast(T, pytree.tree_unflatten(outputs, structure))

    return call


@contextmanager
def _quiet_compiler() -> Iterator[None]:
    """Suppress torch's own warnings, and its log messages on machines with a CUDA build but no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"torch\.")
            yield
    finally:
        logger.setLevel(before)
