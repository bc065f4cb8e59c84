"""How /gost is joined to the web application."""

from __future__ import annotations

from gaia.gost.handlers import GostHandlers
from vo.core.pages import page_environment
from vo.core.settings import Settings


def gost(settings: Settings) -> GostHandlers:
    """Build the endpoints of one process; the kernel is loaded when somebody asks it."""
    return GostHandlers(settings, page_environment(settings, "gaia.gost"))
