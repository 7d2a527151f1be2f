"""The one loop for all families, and the parts that learners are built from."""

from zoo.training.curves import Curves
from zoo.training.ema import EMA
from zoo.training.loop import Diverged, Progress, Trained, train
from zoo.training.order import shuffled
from zoo.training.updater import Updater

__all__ = ["EMA", "Curves", "Diverged", "Progress", "Trained", "Updater", "shuffled", "train"]
