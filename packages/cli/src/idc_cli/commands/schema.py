"""``idc schema``."""


def schema() -> None:
    """Print the JSON Schema of a pipeline file, for editors.

    It covers all installed types.
    """
    import json

    from idc.config.pipeline import Pipeline

    print(json.dumps(Pipeline.model_json_schema(), indent=2))
