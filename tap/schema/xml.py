"""VOSI tables (VOSI 1.1, section 2.3; VODataService 1.2, section 3.3)."""

from __future__ import annotations

from lxml import etree

from tap.schema.models import ForeignKey, PublishedColumn, PublishedSchema, PublishedTable, Tableset
from vo.core.vosi import TYPE, VODATASERVICE, XSI

VOSI_TABLES = "http://www.ivoa.net/xml/VOSITables/v1.0"
NAMESPACES = {"vosi": VOSI_TABLES, "vs": VODATASERVICE, "xsi": XSI}


def tableset_document(tableset: Tableset, *, detail: bool) -> bytes:
    """Return the document of /tables; without `detail` it names the tables but not their columns and keys."""
    root = etree.Element(f"{{{VOSI_TABLES}}}tableset", nsmap=NAMESPACES)
    for schema in tableset.schemas:
        root.append(_schema(schema, detail))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def table_document(table: PublishedTable) -> bytes:
    """Return the document of /tables/{name}."""
    root = etree.Element(f"{{{VOSI_TABLES}}}table", nsmap=NAMESPACES)
    _fill_table(root, table, True)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _text(parent: etree._Element, tag: str, value: object) -> None:
    """Add a child with text; an empty one would say less than none."""
    if value is not None and value != "":
        etree.SubElement(parent, tag).text = str(value)


def _schema(schema: PublishedSchema, detail: bool) -> etree._Element:
    element = etree.Element("schema")
    _text(element, "name", schema.name)
    _text(element, "description", schema.description)
    _text(element, "utype", schema.utype)
    for table in schema.tables:
        _fill_table(etree.SubElement(element, "table"), table, detail)
    return element


def _fill_table(element: etree._Element, table: PublishedTable, detail: bool) -> None:
    element.set("type", "view" if table.table_type == "view" else "base_table")
    _text(element, "name", table.name)
    _text(element, "title", table.curation.get("title"))
    _text(element, "description", table.description)
    _text(element, "utype", table.utype)
    _text(element, "nrows", table.rows)
    if detail:
        for column in table.columns:
            _column(element, column)
        for key in table.keys:
            _key(element, key)


def _column(parent: etree._Element, published: PublishedColumn) -> None:
    column = published.column
    element = etree.SubElement(parent, "column")
    if published.std:
        element.set("std", "true")
    _text(element, "name", published.query_name)
    _text(element, "description", column.description)
    _text(element, "unit", column.unit)
    _text(element, "ucd", column.ucd)
    _text(element, "utype", column.utype)
    datatype = etree.SubElement(element, "dataType")
    datatype.set(TYPE, "vs:VOTableType")
    if column.arraysize is not None:
        datatype.set("arraysize", column.arraysize)
    if column.xtype is not None:
        datatype.set("extendedType", column.xtype)
    datatype.text = column.datatype.value
    if published.indexed:
        _text(element, "flag", "indexed")
    if published.unique:
        _text(element, "flag", "primary")


def _key(parent: etree._Element, key: ForeignKey) -> None:
    element = etree.SubElement(parent, "foreignKey")
    _text(element, "targetTable", key.target_table)
    for from_column, target_column in key.columns:
        pair = etree.SubElement(element, "fkColumn")
        _text(pair, "fromColumn", from_column)
        _text(pair, "targetColumn", target_column)
    _text(element, "description", key.description)
    _text(element, "utype", key.utype)
