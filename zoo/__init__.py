"""nightzoo's models: what they are, how they learn, how they are scored. Plain torch, no platform.

>>> import zoo
>>> tracker = zoo.load("siamfc")          # a folder that `zoo pull` wrote
>>> tracker.start(frame, box)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.artifact import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    # Lazily, because `import zoo.catalogue` must not cost the three seconds of importing torch.
    if name == "load":
        from zoo.artifact import load

        return load
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")
