"""Units that are compared in pairs have to be the same things in the same order."""

from typing import Any

import numpy as np
import pytest

from zoo.scoring.units import NAMING, Units


@pytest.mark.parametrize("column", NAMING)
@pytest.mark.parametrize("names", [["cat", "dog", "cow"], [139, 724, 872]])
def test_a_naming_column_of_any_kind_is_compared(column: str, names: list[Any]) -> None:
    mine = Units({column: np.array(names), "value": np.arange(3.0)})
    mine.check_paired(Units({column: np.array(names), "value": np.zeros(3)}))
    for theirs in ({column: np.array(names[::-1])}, {column: np.array([*names[:2], names[1]])}, {}):
        with pytest.raises(ValueError, match=f"column '{column}' differs"):
            mine.check_paired(Units({**theirs, "value": np.arange(3.0)}))
    with pytest.raises(ValueError, match=f"column '{column}' differs"):
        Units({"value": np.arange(3.0)}).check_paired(mine)


def test_without_names_their_number_has_to_do() -> None:
    Units({"value": np.arange(3.0)}).check_paired(Units({"value": np.zeros(3)}))
    with pytest.raises(ValueError, match="got 3 and 2"):
        Units({"value": np.arange(3.0)}).check_paired(Units({"value": np.zeros(2)}))
