"""What every command needs first: settings, logs, and a database that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vo.core import migrations
from vo.core.cluster import Cluster
from vo.core.logs import configure_logs
from vo.core.scratch import use_scratch
from vo.core.settings import Settings, load_settings, make_home


@contextmanager
def database(*, prepare: bool = False) -> Iterator[Settings]:
    """Hold the database for a command: the private cluster is started if it does not run, and checked.

    Parameters
    ----------
    prepare : bool
        Bring the database to the present migration instead of refusing an old one. A private cluster that does not
        exist yet is always prepared.
    """
    settings = load_settings()
    if not settings.private_cluster:
        make_home(settings)
        use_scratch(settings)
        configure_logs(settings)
        if prepare:
            migrations.migrate(settings)
        migrations.check(settings)
        yield settings
        return
    cluster = Cluster(settings)
    new = not cluster.created
    with cluster.held():
        use_scratch(settings)
        configure_logs(settings)
        migrations.set_up_private(settings)
        if prepare or new:
            migrations.migrate(settings)
        migrations.check(settings)
        yield settings
