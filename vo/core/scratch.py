"""Where temporary files are: on a disk that the operator has chosen, whatever library makes them."""

from __future__ import annotations

import shutil
import tempfile

from vo.core.errors import ConfigurationError
from vo.core.settings import Settings


def use_scratch(settings: Settings) -> None:
    """Have this process make its temporary files in the folder of the settings.

    The files have no names there, so that nothing of them is left whatever happens to the process.

    Raises
    ------
    ConfigurationError
        If the folder cannot be made.
    """
    folder = settings.scratch_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder for temporary files, {folder}, cannot be made: {error.strerror}.", hint="Set VO_SCRATCH."
        ) from None
    tempfile.tempdir = str(folder)


def free_scratch() -> int:
    """Return the free bytes of the disk with temporary files."""
    return shutil.disk_usage(tempfile.gettempdir()).free
