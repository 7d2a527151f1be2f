"""Checks shapes while tests run: what the types in `zoo` say of arrays and tensors is held against what comes.

All other types are mypy's, which needs to run nothing.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, get_args

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, install_import_hook

CHECKED = BeartypeConf(is_pep484_tower=True)  # an int is a float, as mypy has it

Function = TypeVar("Function", bound=Callable[..., Any])


@cache  # several test runs in one process (tests/mutation) share one hook
def check_shapes() -> None:
    """Have every function of `zoo` checked that is imported from now on."""
    install_import_hook("zoo", f"sys.modules[{__name__!r}].only_shapes")


def only_shapes(function: Function) -> Function:
    """A function that is checked where its types say a shape, and costs nothing where they say none."""
    function.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if _says_shape(hint)}
    return beartype(function, conf=CHECKED) if function.__annotations__ else function


def _says_shape(hint: Any) -> bool:
    return (isinstance(hint, type) and issubclass(hint, AbstractArray)) or any(map(_says_shape, get_args(hint)))
