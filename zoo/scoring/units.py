"""Per-unit sufficient statistics: what is kept of an evaluation, so that every number can be made from it again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load, save

Array = npt.NDArray[Any]

NAMING = ("id", "image", "sequence", "label")
"""Columns that say which thing a unit is, or what is true of it: where units are paired, these are equal."""


@dataclass(frozen=True)
class Units:
    """Per-unit sufficient statistics.

    `rows`: one row per unit, column name -> array (n, ...); a column of varying length is an object array of 1-d
    arrays. `constants`: what all units share (reference statistics), name -> array of any shape.
    """

    rows: Mapping[str, Array]
    constants: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))

    def check_paired(self, other: "Units") -> None:
        """Check that unit i is the same thing in both.

        What was scored by an older benchmark, `other`, may have fewer columns that name its units; never more.

        Raises:
            ValueError: they are not of one number, or a column of `NAMING` differs.
        """
        if len(self) != len(other):
            raise ValueError(f"expected the same units on both sides, got {len(self)} and {len(other)}.")
        for name in NAMING:
            mine, theirs = self.rows.get(name), other.rows.get(name)
            if theirs is not None and (mine is None or not np.array_equal(mine, theirs)):
                raise ValueError(
                    f"expected the same units in the same order on both sides, but column {name!r} differs. "
                    "Score the champion again under the challenger's protocol and data."
                )

    def write(self, path: Path) -> None:
        """Rows as a Parquet file at `path`, constants (if any) as safetensors beside it."""
        lengths = {name: len(column) for name, column in self.rows.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"units: expected columns of one length, got {lengths}")
        shapes = {name: column.shape[1:] for name, column in self.rows.items() if column.dtype != object}
        table = pa.table({name: _to_arrow(column) for name, column in self.rows.items()})
        pq.write_table(table.replace_schema_metadata({"shapes": json.dumps(shapes)}), path)
        if self.constants:
            path.with_suffix(".safetensors").write_bytes(save(_contiguous(self.constants)))

    @staticmethod
    def read(path: Path) -> "Units":
        """The inverse of `write`."""
        table = pq.read_table(path)
        shapes = json.loads(table.schema.metadata[b"shapes"])
        rows = {name: _from_arrow(table.column(name), shapes.get(name)) for name in table.column_names}
        constants = path.with_suffix(".safetensors")
        return Units(rows, load(constants.read_bytes()) if constants.exists() else {})


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation leaves: what counts, and what a person is shown of it.

    `shown`: the few predictions, tracks or draws that pictures are made from, name -> array of numbers; no metric
    reads them.
    """

    units: Units
    shown: Mapping[str, Array] = field(default_factory=dict)

    @property
    def speed(self) -> float | None:
        """Frames a second, if `shown` has the seconds that each took."""
        seconds = self.shown.get("seconds", ())
        return float(1 / np.mean(seconds)) if len(seconds) else None

    @property
    def kind(self) -> str:
        """What a number made of these units is, where one board holds several kinds: exact, or a bound."""
        exact = self.units.rows.get("exact")
        return "" if exact is None else "exact" if exact.all() else "bound"

    def write(self, folder: Path) -> None:
        """`units.parquet` (and its constants) and `shown.safetensors` into a folder that is there."""
        self.units.write(folder / "units.parquet")
        (folder / "shown.safetensors").write_bytes(save(_contiguous(self.shown)))

    @staticmethod
    def read(folder: Path) -> "Evaluated":
        """The inverse of `write`."""
        return Evaluated(Units.read(folder / "units.parquet"), load((folder / "shown.safetensors").read_bytes()))


def names_of(pictures: Array) -> npt.NDArray[np.str_]:
    """A name for each picture (n, ...) of a data set that has none: a hash of its content, so that it goes with it."""
    return np.array([hashlib.blake2b(picture.tobytes(), digest_size=8).hexdigest() for picture in pictures])


def _contiguous(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """As safetensors needs them: it would write a transposed array as it lies in memory."""
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}


def _to_arrow(column: Array) -> pa.Array:
    if column.dtype == object:
        return pa.array([np.asarray(value) for value in column])
    if column.ndim == 1:
        return pa.array(column)
    size = int(np.prod(column.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(column).ravel()), size)


def _from_arrow(column: pa.ChunkedArray, shape: list[int] | None) -> Array:
    if shape is None:
        values = np.empty(len(column), dtype=object)
        for i, value in enumerate(column):
            values[i] = np.asarray(value.values.to_numpy(zero_copy_only=False))
        return values
    flat = column.combine_chunks()
    if not shape:
        values = np.asarray(flat.to_numpy(zero_copy_only=False))
        return values.astype(str) if values.dtype == object else values  # as they were written
    return np.asarray(flat.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), *shape)
