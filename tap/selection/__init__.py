"""Selections: what tasks are given, read from the database and from files (implements `uws.tasks.selections`).

A selection is ADQL, the name of a table, or a table that came with the request. To be read in this order:

=========================  =============================================================================================
`tap.selection.service`    the selections of one run: described, opened, cancelled, closed
`tap.selection.choosing`   what each of them means: a query, or a table that was sent
`tap.selection.sent`       tables that were sent: read from their files, loaded where a query names them
`tap.selection.statements` queries under the role that reads what is published: estimated, begun, read
`tap.selection.neighbours` pairs of rows that are near each other, by the index on the sky
`tap.selection.spool`      rows kept in a temporary file and taken from there by their numbers
`tap.selection.batches`    what is being read, ended from another thread
`tap.selection.errors`     errors that name the parameter
=========================  =============================================================================================
"""

from tap.selection.service import SelectionService

__all__ = ["SelectionService"]
