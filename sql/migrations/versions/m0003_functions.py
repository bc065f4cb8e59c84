"""Bodies of functions that queries call."""

from alembic import op

from sql import read_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the migration's SQL file."""
    op.get_bind().connection.cursor().execute(read_sql("migrations/0003_functions.sql"))
