"""The TAP service's capabilities (TAPRegExt 1.0 with erratum 1)."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from tap.adql import Dialect, features
from tap.schema.models import PublishedTable
from vo.core.limits import Limits
from vo.core.settings import Settings
from vo.core.tables.writers import FORMATS
from vo.core.vosi import Capability, E, capabilities_document

STANDARDS = "ivo://ivoa.net/std/"


def tap_capabilities(settings: Settings, dialect: Dialect, tables: Iterable[PublishedTable] = ()) -> bytes:
    """Return the document of /tap/capabilities: only what this service really does, with what it publishes."""
    base = f"{settings.public_url}/tap"
    return capabilities_document(
        [
            Capability(
                "ivo://ivoa.net/std/TAP",
                base,
                version="1.1",
                use="base",
                capability_type="tr:TableAccess",
                extra=[*_data_models(tables), _language(dialect), *_formats(), *_uploads(), *_limits(settings)],
            ),
            Capability("ivo://ivoa.net/std/VOSI#capabilities", f"{base}/capabilities", version="1.0"),
            Capability("ivo://ivoa.net/std/VOSI#availability", f"{base}/availability", version="1.0"),
            Capability("ivo://ivoa.net/std/VOSI#tables-1.1", f"{base}/tables", version="1.1"),
            Capability("ivo://ivoa.net/std/DALI#examples", f"{base}/examples", interface="vr:WebBrowser"),
        ]
    )


def _data_models(tables: Iterable[PublishedTable]) -> list[etree._Element]:
    """Declare the data models of tables whose utype names one, such as that of ``ivoa.obsplan``."""
    models = {table.utype: table for table in tables if (table.utype or "").lower().startswith(STANDARDS)}
    return [
        E.dataModel({"ivo-id": utype}, table.curation.get("title") or table.name)
        for utype, table in models.items()
        if utype is not None
    ]


OLD_SPELLING = {
    f"ivo://ivoa.net/std/tapregext#features-{key}": f"ivo://ivoa.net/std/TAPRegExt#features-{key}"
    for key in ("udf", "adqlgeo")
}
"""TAPRegExt 1.0 wrote these two in mixed case, ADQL 2.1 wants lower case; TOPCAT before 4.9 knows the old form only."""


def _language(dialect: Dialect) -> etree._Element:
    declared = features(dialect)
    declared |= {old: declared[new] for new, old in OLD_SPELLING.items() if new in declared}
    lists = [
        E.languageFeatures(
            {"type": feature_type},
            *(
                E.feature(E.form(feature.form), *([E.description(feature.description)] if feature.description else []))
                for feature in group
            ),
        )
        for feature_type, group in declared.items()
    ]
    element: etree._Element = E.language(
        E.name("ADQL"),
        E.version({"ivo-id": "ivo://ivoa.net/std/ADQL#v2.1"}, "2.1"),
        E.version({"ivo-id": "ivo://ivoa.net/std/ADQL#v2.0"}, "2.0"),
        E.description("The Astronomical Data Query Language, with positions served by a Q3C index."),
        *lists,
    )
    return element


def _formats() -> list[etree._Element]:
    return [
        E.outputFormat(
            {"ivo-id": form.ivo_id} if form.ivo_id else {},
            E.mime(form.media_type),
            E.alias(form.name),
            *(E.alias(alias) for alias in form.aliases),
        )
        for form in FORMATS
    ]


def _uploads() -> list[etree._Element]:
    return [
        E.uploadMethod({"ivo-id": f"ivo://ivoa.net/std/TAPRegExt#upload-{method}"})
        for method in ("inline", "http", "https")
    ]


def _limits(settings: Settings) -> list[etree._Element]:
    limits = Limits.of(settings)
    return [
        E.retentionPeriod(E.default(str(limits.retention)), E.hard(str(limits.max_retention))),
        E.executionDuration(E.default(str(limits.job_time)), E.hard(str(limits.max_job_time))),
        E.outputLimit(
            E.default({"unit": "row"}, str(settings.default_maxrec)), E.hard({"unit": "row"}, str(settings.hard_maxrec))
        ),
        E.uploadLimit(
            E.default({"unit": "byte"}, str(limits.max_upload)), E.hard({"unit": "byte"}, str(limits.max_upload))
        ),
    ]
