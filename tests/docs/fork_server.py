"""The ``idc`` command without its start-up: a process that has imported everything forks for each call.

``serve SOCKET`` answers on a socket; ``call SOCKET ARGUMENTS...`` is the command, in the caller's folder,
environment and streams. What is run is the command line as installed; only its budgets are cut, so that a
call takes about a second.
"""

import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

MOST = {
    "compile": False,
    "draws": 2,
    "epochs": 1,
    "first_epoch": 1,
    "images": 16,
    "inner_steps": 2,
    "iterations": 2,
    "min_batches": 1,
    "networks": 2,
    "runs": 2,
    "snapshot_every": 1,
    "warmup_epochs": 1,
    "width": 8,
}
"""Fields of a pipeline that decide how long it takes → the most that is done."""


def call(address: str, arguments: list[str]) -> int:
    """Run a command in a fork of the server; its exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"+"], [0, 1, 2])
        told = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
        connection.sendall(json.dumps(told).encode())
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(16) or b"1")


def serve(address: str) -> NoReturn:
    """Import everything, then answer calls until killed."""
    from idc_cli.main import app

    _import_the_rest()
    _cut_budgets()
    _start_no_processes()
    _accept_small_files()
    # Finished children need not be waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.begun")
        server.listen()
        Path(f"{address}.begun").rename(address)
        while True:
            connection, _ = server.accept()
            with connection:
                _, streams, _, _ = socket.recv_fds(connection, 1, 3)
                if not os.fork():
                    server.close()
                    connection.sendall(str(_answer(app, connection, streams)).encode())
                    os._exit(0)
                for each in streams:
                    os.close(each)


def _answer(app: Any, connection: socket.socket, streams: list[int]) -> int:
    told = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the server may have been files, which buffer otherwise.
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, closefd=False)  # noqa: SIM115 (open as long as the process)
        for number, mode in enumerate(("r", "w", "w"))
    )
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    code: Any = 1
    try:
        app(told["arguments"], prog_name="idc")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0)


def _import_the_rest() -> None:
    import importlib
    import pkgutil

    for name in ("idc", "idc_augment", "idc_models", "idc_cli"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    for name in ("matplotlib.figure", "scipy.io.wavfile", "sklearn.datasets", "torchvision.datasets"):
        importlib.import_module(name)
    import torch

    # Threads do not outlive a fork.
    torch.set_num_threads(1)


def _cut_budgets() -> None:
    from idc.config.pipeline import Pipeline

    def parse(cls: type[Pipeline], table: Any) -> Pipeline:
        return whole(cut(whole(table).table()))

    # What is refused is refused for what was written.
    whole = Pipeline.parse
    setattr(Pipeline, "parse", classmethod(parse))  # noqa: B010 (to pyright a method is not to be assigned)


def cut(value: Any, key: str = "") -> Any:
    """A pipeline's table with no more work than `MOST`, and one candidate of a grid."""
    if key == "grid":
        return {name: cut(values, name)[:1] for name, values in value.items()}
    if isinstance(value, dict):
        return {name: cut(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [cut(each, key) for each in value]
    # An evaluator's epochs may be a word.
    return (MOST[key] if isinstance(value, str) else min(value, MOST[key])) if key in MOST else value


def _start_no_processes() -> None:
    from idc_cli import launch

    # They would compute the whole budget.
    setattr(launch, "_available", lambda device: 1)  # noqa: B010 (likewise)


def _accept_small_files() -> None:
    from torchvision.datasets import cifar, svhn

    for module in (cifar, svhn):
        setattr(module, "check_integrity", lambda *_: True)  # noqa: B010 (likewise)


if __name__ == "__main__":
    command, where, *rest = sys.argv[1:]
    if command == "serve":
        serve(where)
    sys.exit(call(where, rest))
