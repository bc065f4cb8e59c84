"""The task interface: a computation that is declared once becomes jobs, pages, commands and documentation.

The package knows no particular task; they come by the entry points ``vo.tasks``. To be read in this order:

=========================  =============================================================================================
`uws.tasks.declaration`    what a task is: the class that declares one, and what it is given while it runs
`uws.tasks.parameters`     from a client's strings to the declared model, and the model described
`uws.tasks.recognition`    which columns of an input a task means
`uws.tasks.selections`     what inputs are made of; who reads them is handed in
`uws.tasks.request`        all that a client asks of a task
`uws.tasks.catalogue`      which tasks there are
=========================  =============================================================================================
"""

from uws.tasks.declaration import (
    DEC,
    RA,
    Input,
    Kind,
    Neighbours,
    Output,
    Plan,
    Recovery,
    Reference,
    Role,
    Rows,
    SelectionFacts,
    Task,
    TaskContext,
    TaskInput,
    TaskOutput,
    TaskParameters,
    in_order,
    parameter,
)

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
