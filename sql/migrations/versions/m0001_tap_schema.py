"""TAP_SCHEMA and the record of published tables."""

from alembic import op

from sql import read_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the migration's SQL file."""
    op.get_bind().exec_driver_sql(read_sql("migrations/0001_tap_schema.sql"))
