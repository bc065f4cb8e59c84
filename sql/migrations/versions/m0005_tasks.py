"""What jobs tell of themselves, and workers at rest."""

from alembic import op

from sql import read_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the migration's SQL file."""
    op.get_bind().connection.cursor().execute(read_sql("migrations/0005_tasks.sql"))
