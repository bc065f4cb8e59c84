"""ADQL 2.1: from the text of a query to one SELECT of PostgreSQL with Q3C, with the metadata of its columns."""

from tap.adql.catalogue import Catalogue, CatalogueColumn, CatalogueTable
from tap.adql.dialect import Dialect
from tap.adql.errors import ADQLError
from tap.adql.features import FEATURES, Feature, features
from tap.adql.translate import Translation, translate

__all__ = [
    "FEATURES",
    "ADQLError",
    "Catalogue",
    "CatalogueColumn",
    "CatalogueTable",
    "Dialect",
    "Feature",
    "Translation",
    "features",
    "translate",
]
