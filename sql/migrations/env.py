"""Alembic's entry: run the migrations on the connection that `vo.core.migrations` hands in, in one transaction."""

from alembic import context

connection = context.config.attributes["connection"]
connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS vo")
context.configure(connection=connection, version_table_schema="vo")
with context.begin_transaction():
    context.run_migrations()
