"""SQL of the stack: what an administrator grants once (``setup.sql``) and the migrations, as plain files."""

from importlib.resources import files


def read_sql(name: str) -> str:
    """Return the text of one of the package's .sql files, by its path below ``sql/``."""
    return files("sql").joinpath(name).read_text(encoding="utf-8")
