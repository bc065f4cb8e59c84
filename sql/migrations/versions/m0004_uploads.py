"""Tables of callers, and files that come with jobs."""

from alembic import op

from sql import read_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the migration's SQL file."""
    op.get_bind().connection.cursor().execute(read_sql("migrations/0004_uploads.sql"))
