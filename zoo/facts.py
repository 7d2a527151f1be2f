"""What a data set tells a network about itself, stored with the weights so that the network can be rebuilt.

Each task says which facts it has, beside its interface in `zoo.tasks`; a family that has to know more adds to them in
a class of its own.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

ONCE_COMMON = frozenset({"channels", "height", "width", "classes"})
"""What models of every task recorded before tasks had facts of their own."""


class Facts(BaseModel):
    """Of data that tells a network nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def recorded(cls, told: Mapping[str, Any]) -> Self:
        """The facts that a sealed model holds, without what older ones hold beside.

        Raises:
            ValueError: they are not this task's.
        """
        return cls.model_validate({k: v for k, v in told.items() if k in cls.model_fields or k not in ONCE_COMMON})
