"""nightzoo's models: what they are, how they learn, how they are scored. Plain torch, no platform.

>>> import zoo
>>> tracker = zoo.load("siamfc")          # a folder that `zoo pull` wrote
>>> tracker.start(frame, box)

>>> model = zoo.use("fcn8s")              # the same for people: paths in, class names out, drawn
>>> model("street.jpg").row()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.artifact import load
    from zoo.using.models import use

__all__ = ["load", "use"]


def __getattr__(name: str) -> Any:
    # Lazily, because `import zoo.catalogue` must not cost the three seconds of importing torch.
    if name == "load":
        from zoo.artifact import load

        return load
    if name == "use":
        from zoo.using.models import use

        return use
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")
