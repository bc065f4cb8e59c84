"""UWS 1.1: jobs that outlive a request; their record, their queue, their workers and their REST interface.

The package knows no particular service. One hands in how its jobs are run (`uws.executor.Executor`; TAP's is
`tap.query.jobs`), and `vo.app.parts` joins the two. To be read in this order:

=========================  =============================================================================================
``0002_uws.sql``           the table ``uws.jobs``, which is record, queue and truth; in ``sql/migrations``
`uws.models`               a job and what belongs to it, in the standard's words
`uws.store`                the table for clients: create, read, list, queue, abort, delete. `change_phase` is here
`uws.service`              the rules of one job list: who may do what, within which limits
`uws.continuing`           a job that goes on with one that was aborted or failed, in a new job
`uws.handlers`             HTTP: one small method for each resource; its documents are made by `uws.xml`, its pages by
                           `uws.pages` (`uws.negotiation` chooses between them)
`uws.waiting`              WAIT: one listening connection wakes all who wait in a process
`uws.queue`                the table for workers: lease, beat, report the end, bury the dead, take over their jobs
`uws.executor`             what a service hands in, and what a running job is given: results, progress, the wish to stop
`uws.checkpoints`          what a job keeps for its next attempt, or for a job that goes on with it
`uws.worker`               the loop that leases jobs and runs them in threads, and the threads beside it
`uws.undertaker`           finds dead workers and has their jobs taken over
`uws.patience`             calls again while the database is away
`uws.cleaning`             destruction, and files that belong to no job
`uws.statistics`           the state of the queue in figures
`uws.overview`             jobs and workers as the operator's commands show them
=========================  =============================================================================================

Where a phase changes
    `uws.store.change_phase` is the only statement that changes one. Clients reach it through ``JobStore.create``,
    ``queue`` and ``abort``; workers through ``Queue.lease``, ``complete``, ``fail``, ``stopped``, ``hand_back`` and
    ``take_over``; time through ``Cleaner``. Which changes there are stands in the table ``uws.phase_changes``, with the
    cause of each. The trigger ``uws.change_phase`` refuses all others whoever asks, writes the times, and notifies.

Whose job it is while it runs
    The worker's whose id the row has (``worker_id``) under the number of the lease (``attempt``). Everything that a
    worker says of a job names both, so that one which was thought dead and comes back changes nothing. Its files lie in
    a folder of that attempt: JOB[:2]/JOB/ATTEMPT.

Who lives
    A worker raises its ``beat`` every second. The others look at it with their own monotonic clocks: no time of day
    decides anything. One whose process the kernel does not know any more, or whose beat stands still for
    `uws.undertaker.LEASE_SECONDS`, is buried (its row goes), which ends its leases; then ``Queue.take_over`` stops the
    backends that its jobs may have left in PostgreSQL, and queues them again.
"""
