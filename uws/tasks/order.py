"""What a task's process is told at its beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uws.tasks.recognition import Recognised
from vo.core.tables import Column


@dataclass(frozen=True)
class Order:
    """One run of a task.

    Attributes
    ----------
    task : str
        Its class: ``module:Class``.
    parameters : str
        Its parameters in JSON.
    inputs : mapping of str to tuple of Column
        What the inputs of its plan have, by their names.
    recognised : mapping of str to Recognised
        Columns with roles, by names of inputs.
    rows : mapping of str to int
        How many rows inputs have, roughly, of which that is known.
    outputs : mapping of str to tuple of Column
        What its tables will have, by names.
    files : tuple of str
        Names of the outputs that are files.
    memory, disk : int
        Bytes that it may use.
    cores : int
        Chunks that run at the same time.
    checkpoint : bytes, optional
        What an earlier attempt saved last.
    cluster : str
        Address of a Ray cluster on which chunks run; empty for processes here.
    network : bool
        Whether it has the network.
    sites : mapping of str to str
        Addresses of services elsewhere, by names, for a task that has it.
    wanted : tuple of str, optional
        Names of the outputs that anybody gets; None for all.
    """

    task: str
    parameters: str
    inputs: Mapping[str, tuple[Column, ...]]
    recognised: Mapping[str, Recognised]
    outputs: Mapping[str, tuple[Column, ...]]
    files: tuple[str, ...] = ()
    memory: int = 2**31
    disk: int = 10 * 2**30
    cores: int = 1
    checkpoint: bytes | None = None
    cluster: str = ""
    network: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)
    sites: Mapping[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] | None = None
