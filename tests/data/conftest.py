"""The made data sets, made once."""

import socket
from pathlib import Path
from typing import NoReturn

import pytest

from zoo.data.made import MADE, make


@pytest.fixture(scope="session")
def made_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all made data sets; a network connection while making them is an error."""

    def refuse(*_args: object, **_options: object) -> NoReturn:
        raise AssertionError("making a data set asked for the network")

    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        for name in MADE:
            make(name, folder / name)
    return folder
