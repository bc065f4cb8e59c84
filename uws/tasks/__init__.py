"""The task interface: a computation that is declared once becomes jobs, pages, commands and documentation.

The package knows no particular task; they come by the entry points ``vo.tasks``. To be read in this order:

=========================  =============================================================================================
`uws.tasks.declaration`    what a task is: the class that declares one
`uws.tasks.given`          what it is given while it runs, and gives
`uws.tasks.parameters`     from a client's strings to the declared model, and the model described
`uws.tasks.recognition`    which columns of an input a task means
`uws.tasks.selections`     what inputs are made of; who reads them is handed in
`uws.tasks.request`        all that a client asks of a task
`uws.tasks.catalogue`      which tasks there are
`uws.tasks.planning`       a run before it begins: selections described, columns recognised, the task's plan
`uws.tasks.kept`           columns of inputs that come into the result
`uws.tasks.running`        a run: selections → plan → process → results
`uws.tasks.outputs`        tables and files on their way into results
`uws.tasks.jobs`           runs as jobs
`uws.tasks.journal`        rows that a run has made, kept for whoever goes on with it; `resuming` is help for tasks
`uws.tasks.process`        the process of a run as its parent sees it, fed by `feeding`; its ends in words are `endings`
`uws.tasks.events`         what it tells, as `frames` that nobody has to trust; `order` is what it is told
`uws.tasks.nursery`        keeps the `forkserver` alive that it is born from
`uws.tasks.isolation`      what it gives up; `cell` knows what of that is possible here
`uws.tasks.keeper`         watches its memory, disk and processes; its folder is a `run_folder`
`uws.tasks.child`          the process itself; `context` is what the task is given
`uws.tasks.engines`        the processes that chunks of its work run in, here or on a `cluster`
`uws.tasks.handlers`       HTTP: lists, descriptions, estimates; `sync` is a job that is waited for
`uws.tasks.documents`      what tasks say of themselves; `pages` is for people, `openapi` for programs
`uws.tasks.testing`        running a task without a service, for tests of tasks
=========================  =============================================================================================
"""

from uws.tasks.declaration import (
    DEC,
    RA,
    Kind,
    Neighbours,
    Plan,
    Recovery,
    Reference,
    Role,
    Rows,
    SelectionFacts,
    Task,
    TaskInput,
    TaskOutput,
    TaskParameters,
    parameter,
)
from uws.tasks.given import Input, Output, TaskContext, in_order

__all__ = [
    "DEC",
    "RA",
    "Input",
    "Kind",
    "Neighbours",
    "Output",
    "Plan",
    "Recovery",
    "Reference",
    "Role",
    "Rows",
    "SelectionFacts",
    "Task",
    "TaskContext",
    "TaskInput",
    "TaskOutput",
    "TaskParameters",
    "in_order",
    "parameter",
]
