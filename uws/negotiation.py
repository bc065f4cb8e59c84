"""Whether a client wants a page or XML, told by its Accept header."""

from __future__ import annotations

HTML, XHTML = "text/html", "application/xhtml+xml"
XML = frozenset({"application/xml", "text/xml"})


def wants_html(accept: str | None) -> bool:
    """Return whether an Accept header is a browser's, or that of someone who names HTML and nothing else.

    The order of preference alone does not tell: Java puts ``text/html`` first, and with it TOPCAT and STILTS, which
    read XML only (``text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2``). What browsers name and Java does not is
    XHTML.
    """
    quality = _qualities(accept or "")
    html = quality.pop(HTML, 0.0)
    if html <= max([quality.pop(name, 0.0) for name in XML]):
        return False
    return XHTML in quality or not quality


def _qualities(accept: str) -> dict[str, float]:
    """Return the media types that the client accepts at all, each with its best quality."""
    qualities: dict[str, float] = {}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _quality(value.strip())
        if name and quality > 0:
            qualities[name] = max(quality, qualities.get(name, 0.0))
    return qualities


def _quality(text: str) -> float:
    """Return a quality between 0 and 1; what is none counts as 0."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
