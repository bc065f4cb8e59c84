"""Descriptions of the archive's tables, with which ``vo ingest`` publishes its bulk files."""
