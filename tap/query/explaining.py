"""One query while it is planned."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from tap.query.explain import Explanation, document, explanation_of
from tap.query.running import RunningQuery
from vo.core import metrics
from vo.core.errors import LimitError, ServiceError
from vo.core.streaming import CANCEL_EVERY

PLANNING_SECONDS = 10.0
"""Most time that a plan may take: a query of many joins has more plans than PostgreSQL can look at."""


class RunningExplanation(RunningQuery):
    """One query that is planned and not run, from its text to what is said of it.

    Attributes
    ----------
    explanation : Explanation, optional
        After `begin`.
    """

    explanation: Explanation | None = None

    def begin(self) -> Sequence[Any]:
        """Plan the query and return the whole answer.

        Raises
        ------
        ServiceError
            What is wrong with the query, or with the database.
        """
        self._begun = True
        metrics.RUNNING.inc()
        self.load_uploads()
        ended, late = threading.Event(), threading.Event()
        threading.Thread(target=self._watch, args=(ended, late), name="planning").start()
        try:
            translation, stream, catalogue = self._service.open(self.request, self)
            plan = "".join(text for batch in stream for text in batch.column(0).to_pylist())
        except ServiceError as error:
            self._outcome = error.code
            if late.is_set():
                raise LimitError(
                    f"Planning the query took longer than {PLANNING_SECONDS:g} s and was given up.",
                    hint="Join fewer tables.",
                ) from error
            raise
        finally:
            ended.set()
        service = self._service
        self.warnings = translation.warnings
        self.explanation = explanation_of(
            plan,
            translation,
            catalogue,
            maxrec=self.request.maxrec,
            sync_time=service.time_limit,
            limits=service.limits,
        )
        self.done = True
        return self._count([document(self.explanation, self.request, self._infos())])

    def _watch(self, ended: threading.Event, late: threading.Event) -> None:
        """Cancel the planning when it takes too long, again and again until it has ended."""
        if ended.wait(PLANNING_SECONDS):
            return
        late.set()
        while not ended.wait(CANCEL_EVERY):
            if self.stream is not None:
                self.stream.cancel()
