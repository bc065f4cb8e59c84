"""VOSI 1.1: the documents by which a service describes itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree
from lxml.builder import ElementMaker  # type: ignore[import-not-found]
from vo_models.vosi.availability import Availability

from vo.core.errors import ServiceError

VOSI_CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
VODATASERVICE = "http://www.ivoa.net/xml/VODataService/v1.1"
VORESOURCE = "http://www.ivoa.net/xml/VOResource/v1.0"
TAPREGEXT = "http://www.ivoa.net/xml/TAPRegExt/v1.0"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
NAMESPACES = {"vosi": VOSI_CAPABILITIES, "vs": VODATASERVICE, "vr": VORESOURCE, "tr": TAPREGEXT, "xsi": XSI}
"""Prefixes as old parsers expect them literally."""
TYPE = f"{{{XSI}}}type"

E = ElementMaker(nsmap=NAMESPACES)


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability with one anonymous interface (VOResource 1.2, section 3.3).

    Attributes
    ----------
    standard_id : str, optional
        IVOA identifier of the standard; None where none says what it does.
    url : str
        Where it answers.
    version : str, optional
        Version of the standard; None leaves it out.
    use : str
        How the URL is used: ``full`` or ``base``.
    interface : str
        ``vs:ParamHTTP`` for programs, ``vr:WebBrowser`` for people.
    capability_type : str, optional
        xsi:type of the capability.
    extra : sequence of elements
        What the capability's type adds after the interface.
    extra_interface : sequence of elements
        What the interface's type adds to its address.
    description : str, optional
        What it does, for people.
    """

    standard_id: str | None
    url: str
    version: str | None = None
    use: str = "full"
    interface: str = "vs:ParamHTTP"
    capability_type: str | None = None
    extra: Sequence[etree._Element] = ()
    extra_interface: Sequence[etree._Element] = ()
    description: str | None = None

    def element(self) -> etree._Element:
        """Return the capability as XML."""
        attributes = {} if self.standard_id is None else {"standardID": self.standard_id}
        if self.capability_type:
            attributes[TYPE] = self.capability_type
        interface = {TYPE: self.interface}
        if self.interface == "vs:ParamHTTP" and self.standard_id is not None:
            interface["role"] = "std"
        if self.version:
            interface["version"] = self.version
        access = E.accessURL({"use": self.use}, self.url)
        described = [] if self.description is None else [E.description(self.description)]
        element: etree._Element = E.capability(
            attributes, *described, E.interface(interface, access, *self.extra_interface), *self.extra
        )
        return element


def capabilities_document(capabilities: Sequence[Capability]) -> bytes:
    """Return the VOSI capabilities document."""
    root = etree.Element(f"{{{VOSI_CAPABILITIES}}}capabilities", nsmap=NAMESPACES)
    root.extend([capability.element() for capability in capabilities])
    etree.cleanup_namespaces(root, keep_ns_prefixes=list(NAMESPACES))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the service that availability tests.

    Attributes
    ----------
    name : str
        Of the part.
    run : callable
        Raises a ServiceError when the part does not work; may return a remark on how it is.
    vital : bool
        Whether the service is of no use without the part.
    """

    name: str
    run: Callable[[], str | None]
    vital: bool = True


def run_checks(checks: Sequence[Check]) -> tuple[bool, list[str]]:
    """Run the checks.

    Returns
    -------
    bool
        Whether all vital parts work.
    list of str
        One note on each part that does not, or that has something to remark.
    """
    available = True
    notes = []
    for check in checks:
        try:
            remark = check.run()
        except ServiceError as error:
            available = available and not check.vital
            remark = str(error)
        if remark is not None:
            notes.append(f"{check.name}: {remark}")
    return available, notes


def availability_document(available: bool, notes: Sequence[str], up_since: datetime) -> bytes:
    """Return the VOSI availability document."""
    model = Availability(
        available=available, up_since=up_since.astimezone(UTC) if available else None, note=list(notes) or None
    )
    document = model.to_xml(xml_declaration=True, encoding="UTF-8", skip_empty=True)
    return document if isinstance(document, bytes) else document.encode()


def check_disk(folder: Path, least: int) -> None:
    """Raise a ServiceError when less than `least` bytes are free on a folder's disk."""
    free = shutil.disk_usage(folder).free
    if free < least:
        raise ServiceError(
            f"{free // 2**20} MiB are free on the disk of the data folder, {least // 2**20} MiB are needed."
        )
