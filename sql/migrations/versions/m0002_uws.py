"""Jobs."""

from alembic import op

from sql import read_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the migration's SQL file."""
    # The driver's own cursor: it leaves the percent signs of PL/pgSQL alone.
    op.get_bind().connection.cursor().execute(read_sql("migrations/0002_uws.sql"))
