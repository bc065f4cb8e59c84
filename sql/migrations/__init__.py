"""Migrations: one numbered .sql file each; alembic keeps the order and the record."""
