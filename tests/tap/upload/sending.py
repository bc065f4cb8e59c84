"""Sending tables along with queries."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import Service
from tests.tap.asking import Answer, ask

BOUNDARY = "frontier of a body"


def form(parameters: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """Return a multipart body with parameters and files, each part and its file of the same name, and its headers."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in parameters.items()
    ]
    for name, content in files.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    body = b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return body, {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}


def send(service: Service, query: str, files: Mapping[str, bytes], target: str = "/tap/sync", **more: str) -> Answer:
    """POST a query with tables; ``t.csv`` becomes ``TAP_UPLOAD.t`` unless UPLOAD says something else."""
    uploads = ";".join(f"{name.partition('.')[0]},param:{name}" for name in files)
    parameters = {"LANG": "ADQL", "QUERY": query, "UPLOAD": uploads, **more}
    body, headers = form(parameters, files)
    return ask(service, target, method="POST", body=body, headers=headers)


def ask_with(service: Service, query: str, tables: Mapping[str, bytes], **more: str) -> Answer:
    """POST a query with tables by their names; the answer is CSV unless another format is asked for."""
    return send(service, query, tables, **{"RESPONSEFORMAT": "csv", **more})


def parquet(**columns: Any) -> bytes:
    """Return a table as Parquet."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()
