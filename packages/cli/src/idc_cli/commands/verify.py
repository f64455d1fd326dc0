"""``idc verify``."""

from idc_cli.app import SynsetFile


def verify(file: SynsetFile) -> None:
    """Check a synset's tensors against the hash in its header."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from idc.data.fingerprint import digest
    from idc.errors import InputError, RunError
    from idc.synset import header

    path = header.locate(file)
    found = header.read(path)
    if found.header.tensors is None:
        raise InputError(f"{path}: has no hash to check; it was written by an older idc")
    try:
        same = digest(load_file(path)) == found.header.tensors
    except (OSError, ValueError, RuntimeError, SafetensorError):
        same = False
    if not same:
        raise RunError(f"{path}: damaged; its tensors are not those that were written")
    print(f"{path}: {len(found.tensors)} tensors, {found.header.budget:,} numbers, as they were written")
