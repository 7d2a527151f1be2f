"""The types of the zoo are held against the shapes that come, in all tests."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from zoo.evaluation.stage import Stage
