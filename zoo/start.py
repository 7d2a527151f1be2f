"""Where the command `zoo` begins: it makes sure that what runs is nightzoo, and says in a line what is not installed.

nightzoo's packages are called `cli`, `flows`, `registry` and `zoo`, and a project may have a package of such a name.
Whoever imports `zoo` imports none of the others; the command needs them all, so it looks where they come from before
one is imported.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ABOVE = ("cli", "flows", "registry")
HOME = Path(__file__).resolve().parents[1]
EXTRAS = {
    "boto3": "server",
    "dvc": "train",
    "fastapi": "train",
    "mlflow": "train",
    "prefect": "train",
    "scikit-image": "train",
    "scikit-learn": "train",
    "skimage": "train",
    "sklearn": "train",
}
"""By what a command misses: the extra that brings it."""


def main() -> None:
    """Run the command; it ends the process."""
    for name in ABOVE:
        if fault := shadowed(name):
            sys.exit(f"zoo: {fault}")
    try:
        import_module("cli.app").main()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        sys.exit(
            f"zoo: this command needs {missing}, which is not installed: pip install 'nightzoo[{EXTRAS[missing]}]'"
        )


def shadowed(name: str) -> str:
    """What is wrong with the package that an import of this name would find; empty where it is nightzoo's."""
    ours, spec = HOME / name / "__init__.py", find_spec(name)
    found = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
    if found and Path(found).resolve() == ours:
        return ""
    return (
        f"expected nightzoo's package {name}, {ours}, but an import finds {found or 'nothing'}. Nothing of it was run: "
        "take its folder off PYTHONPATH, or install nightzoo in an environment of its own."
    )
