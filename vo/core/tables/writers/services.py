"""Service descriptors in VOTable (DataLink 1.1, section 4)."""

from __future__ import annotations

from collections.abc import Mapping

from vo.core.tables.columns import Column
from vo.core.tables.writers.base import ServiceDescriptor, ServiceParameter
from vo.core.xml import attribute, element


def resource(descriptor: ServiceDescriptor, columns: Mapping[str, tuple[Column, str]]) -> str:
    """Return the RESOURCE of a descriptor, or nothing if it asks for a column that there is not.

    Parameters
    ----------
    descriptor : ServiceDescriptor
        The service.
    columns : mapping of str to (Column, str)
        The result's columns by name, each with the ID of its FIELD.
    """
    if any(parameter.column is not None and parameter.column not in columns for parameter in descriptor.parameters):
        return ""
    attributes = attribute("ID", descriptor.identifier) + attribute("name", descriptor.name)
    constants = (
        ("accessURL", descriptor.access_url),
        ("standardID", descriptor.standard_id),
        ("resourceIdentifier", descriptor.resource_identifier),
        ("contentType", descriptor.content_type),
    )
    return (
        f'<RESOURCE type="meta" utype="adhoc:service"{attributes}>\n'
        + element("DESCRIPTION", descriptor.description)
        + "".join(_param(ServiceParameter(name, value=value)) for name, value in constants if value is not None)
        + '<GROUP name="inputParams">\n'
        + "".join(_input(parameter, columns) for parameter in descriptor.parameters)
        + "</GROUP>\n</RESOURCE>\n"
    )


def _input(parameter: ServiceParameter, columns: Mapping[str, tuple[Column, str]]) -> str:
    if parameter.column is None:
        return _param(parameter)
    column, identifier = columns[parameter.column]
    described = ServiceParameter(
        parameter.name,
        datatype=column.datatype,
        arraysize=column.arraysize,
        xtype=column.xtype,
        unit=parameter.unit or column.unit,
        ucd=parameter.ucd or column.ucd,
        description=parameter.description,
    )
    return _param(described, identifier)


def _param(parameter: ServiceParameter, reference: str | None = None) -> str:
    # The schema wants a value even where there is none.
    attributes = (
        attribute("name", parameter.name)
        + f' datatype="{parameter.datatype}"'
        + attribute("arraysize", parameter.arraysize)
        + attribute("xtype", parameter.xtype)
        + attribute("unit", parameter.unit)
        + attribute("ucd", parameter.ucd)
        + attribute("ref", reference)
        + attribute("value", parameter.value or "")
    )
    description = element("DESCRIPTION", parameter.description)
    return f"<PARAM{attributes}>\n{description}</PARAM>\n" if description else f"<PARAM{attributes}/>\n"
