"""The one table type of the stack: a stream of Arrow record batches whose schema carries the column metadata."""

from vo.core.tables.columns import Column, Datatype, columns_of, schema_of
from vo.core.tables.stream import TableMetadata, TableStream

__all__ = ["Column", "Datatype", "TableMetadata", "TableStream", "columns_of", "schema_of"]
