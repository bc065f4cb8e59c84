"""Tables that come with jobs: kept beside the results until the job needs them no more, and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.conftest import wait_until
from tests.tap.asking import ask
from tests.tap.upload.conftest import left
from tests.tap.upload.sending import form, parquet, send
from tests.uws.asking import refused
from tests.uws.processes import JobService
from uws.folders import inputs_folder

SUM = "SELECT SUM(id) AS total FROM TAP_UPLOAD.mine"
TABLE = parquet(id=np.arange(101))


def create(service: JobService, files: dict[str, bytes], **parameters: str) -> str:
    """Create a job with tables; return its id."""
    answer = send(service, SUM, files, "/tap/async", FORMAT="csv", **parameters)
    assert answer.status == 303, answer.text[:1000]
    return str(answer.headers["Location"]).rpartition("/")[2]


def inputs(service: JobService, job_id: str) -> list[Path]:
    """Return the files of a job that came with it."""
    return [path for path in (service.home / "results" / inputs_folder(job_id)).rglob("*") if path.is_file()]


def used(service: JobService, job_id: str) -> int:
    """Return the bytes that a job counts for, besides its results."""
    [(size,)] = service.fetch("SELECT coalesce(sum((i ->> 'size')::bigint), 0) FROM uws.jobs, "
                              "jsonb_array_elements(inputs) AS i WHERE job_id = %s", job_id)  # fmt: skip
    return int(size)


def test_a_table_is_kept_until_the_job_has_ended(own: JobService) -> None:
    job_id = create(own, {"mine": TABLE})
    [file] = inputs(own, job_id)
    assert file.read_bytes() == TABLE
    assert used(own, job_id) == len(TABLE)
    assert own.phase(job_id) == "PENDING"
    own.post(f"/tap/async/{job_id}/phase", {"PHASE": "RUN"})
    own.until(job_id, "COMPLETED", "ERROR")
    assert own.result(job_id).split() == [b"total", b"5050"]
    wait_until(lambda: not inputs(own, job_id), "the file is gone")
    assert left(own) == []


def test_a_table_goes_with_its_job(own: JobService) -> None:
    job_id = create(own, {"mine": TABLE})
    assert inputs(own, job_id)
    assert ask(own, f"/tap/async/{job_id}", method="DELETE").status == 303
    wait_until(lambda: not inputs(own, job_id), "the file is gone")


def test_a_table_is_added_while_the_job_waits(own: JobService) -> None:
    created = own.post("/tap/async", {"LANG": "ADQL", "QUERY": SUM, "FORMAT": "csv"})
    job_id = created.headers["Location"].rpartition("/")[2]
    body, headers = form({"UPLOAD": "mine,param:part"}, {"part": TABLE})
    answer = ask(own, f"/tap/async/{job_id}/parameters", method="POST", body=body, headers=headers)
    assert answer.status == 303, answer.text
    assert len(inputs(own, job_id)) == 1
    own.post(f"/tap/async/{job_id}/phase", {"PHASE": "RUN"})
    own.until(job_id, "COMPLETED", "ERROR")
    assert own.result(job_id).split() == [b"total", b"5050"]
    refused(ask(own, f"/tap/async/{job_id}/parameters", method="POST", body=body, headers=headers), 403)


def test_a_table_that_did_not_come(own: JobService) -> None:
    job_id = own.submit(SUM, UPLOAD="mine,param:part")
    own.until(job_id, "ERROR", "COMPLETED")
    reason = own.reason(job_id)
    assert "the request has no part 'part' with a file" in reason
    assert "multipart/form-data" in reason


def test_a_malformed_table(own: JobService) -> None:
    job_id = create(own, {"mine.vot": b"<VOTABLE><RESOURCE><TABLE>"}, PHASE="RUN")
    own.until(job_id, "ERROR", "COMPLETED")
    assert own.reason(job_id).startswith("Upload mine: ")
    assert left(own) == []


def test_a_parameter_that_cannot_be_read(own: JobService) -> None:
    job_id = create(own, {"mine": TABLE}, UPLOAD="no comma", PHASE="RUN")
    own.until(job_id, "ERROR", "COMPLETED")
    assert own.reason(job_id).startswith("UPLOAD: 'no comma' is not a name and a URI")


def test_the_result_of_a_job_by_its_address_and_by_a_wrong_one(own: JobService) -> None:
    job_id = create(own, {"mine": TABLE}, PHASE="RUN")
    own.until(job_id, "COMPLETED", "ERROR")
    address = f"{own.url}/tap/async/{job_id}/results/result"
    again = {"LANG": "ADQL", "QUERY": "SELECT total FROM TAP_UPLOAD.sums", "UPLOAD": f"sums,{address}"}
    assert own.post("/tap/sync", {**again, "FORMAT": "csv"}).csv() == [["5050"]]
    assert own.post("/tap/sync", {**again, "UPLOAD": f"sums,{address}s"}).status == 404
