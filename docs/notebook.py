"""Computes the notebook beside it; ``OMP_NUM_THREADS=1 uv run python docs/notebook.py`` renews it."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FILE = Path(__file__).with_suffix(".ipynb")


def computed() -> NotebookNode:
    """The notebook with new outputs, computed in its folder by a kernel of its own.

    Raises:
        CellExecutionError: a cell has raised an exception.
    """
    notebook = nbformat.read(FILE, as_version=4)
    # Each frame of a bar is printed over the one before, and when a cell was run differs each time.
    client = NotebookClient(
        notebook,
        timeout=300,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(FILE.parent)}},
    )
    return client.execute()


if __name__ == "__main__":
    nbformat.write(computed(), FILE)
