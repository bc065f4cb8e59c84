"""What all pages for people share: one environment of templates around ``base.html``."""

from __future__ import annotations

from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape

from vo import __version__
from vo.core.settings import Settings

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""Of pages that show what users have written. All of it is escaped; should something not be, nothing of it runs."""


def page_environment(settings: Settings, *packages: str) -> Environment:
    """Return an environment that finds ``base.html`` and the templates of some packages.

    Parameters
    ----------
    settings : Settings
        Title and address, which every page may show.
    packages : str
        Packages with a folder ``templates``, such as ``uws``; the first that has a template gives it.

    Notes
    -----
    Templates know `url`, `title` and `version` of the service, `root`, the address that links into the service start
    with, and `path`, which quotes a part of a path. A page whose own address is known may be rendered with a relative
    `root` instead.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "vo.core")]),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        url=settings.public_url,
        root=f"{settings.public_url}/",
        title=settings.title,
        version=__version__,
        path=lambda name: quote(name, safe=""),
    )
    return environment
