"""Runs the parse table that Lark has built.

Lark's own loop spends most of its time on rules that only pass a value on: between a literal and the condition that it
stands in there are five. Here such steps are taken at once and remembered, and each rule's children are picked by a
function made for it. The table, and so the language, is Lark's; so are the errors, for which its own parser is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lark import Lark, Token, Transformer
from lark.grammar import NonTerminal, Rule, Terminal
from lark.parsers.lalr_analysis import Shift

from tap.adql.syntax.lexer import Word

_END = "$END"
_PASSED = object()
"""Stands for the function of a rule that passes its only value on."""


@dataclass(frozen=True, slots=True)
class _Reduction:
    """What a rule does: take so many values from the stack, make one of them, go on under the rule's name."""

    size: int
    name: str
    make: Any


class TableParser:
    """Parses tokens by Lark's table.

    Parameters
    ----------
    lark : lark.Lark
        The grammar, made for LALR without a transformer.
    builder : lark.Transformer
        Its methods bear the names of the rules and make their values.
    """

    def __init__(self, lark: Lark, builder: Transformer[Token, Any]) -> None:
        table = lark.parser.parser.parser.parse_table
        (self._start,) = table.start_states.values()
        (self._end,) = table.end_states.values()
        reductions: dict[int, _Reduction] = {}
        self._actions: dict[int, dict[str, Any]] = {}
        for state, row in table.states.items():
            actions = self._actions[state] = {}
            for name, (action, target) in row.items():
                actions[name] = (
                    target if action is Shift else reductions.setdefault(id(target), _reduction(target, builder))
                )
        self._passed: dict[tuple[int, int, str], int] = {}

    def parse(self, words: Iterable[Word]) -> Any:
        """Return the value of the start rule; None where the tokens are no sentence of the grammar."""
        actions, passed = self._actions, self._passed
        states: list[int] = [self._start]
        values: list[Any] = []
        try:
            for token in (*words, Word(_END, "", 0)):
                kind = token.type
                state = states[-1]
                while not isinstance(action := actions[state][kind], int):
                    if action.make is _PASSED:
                        key = (states[-2], state, kind)
                        if key not in passed:
                            passed[key] = self._pass_on(*key)
                        state = states[-1] = passed[key]
                        continue
                    size = action.size
                    if size:
                        children = values[-size:]
                        del values[-size:], states[-size:]
                    else:
                        children = []
                    values.append(action.make(children))
                    state = actions[states[-1]][action.name]
                    states.append(state)
                    if state == self._end:
                        return values[-1]
                states.append(action)
                values.append(token)
        except KeyError:
            pass
        return None

    def _pass_on(self, below: int, state: int, kind: str) -> int:
        """Return the state after all the rules that pass a value on, given the state below it and the next token."""
        while not isinstance(action := self._actions[state].get(kind, 0), int) and action.make is _PASSED:
            state = self._actions[below][action.name]
        return state


def _reduction(rule: Rule, builder: Transformer[Token, Any]) -> _Reduction:
    """Return what a rule does."""
    name = str(rule.alias or rule.origin.name)
    pick = _children_of(rule)
    if _is_inline(rule.origin):
        size = len(rule.expansion)
        if size == 1 and _is_inline(rule.expansion[0]):
            return _Reduction(1, rule.origin.name, _PASSED)
        return _Reduction(size, rule.origin.name, pick)
    method: Callable[[list[Any]], Any] = getattr(builder, name, None) or (lambda children: children)
    if rule.options.expand1:

        def make(values: list[Any]) -> Any:
            children = pick(values)
            return children[0] if len(children) == 1 else method(children)
    else:

        def make(values: list[Any]) -> Any:
            return method(pick(values))

    return _Reduction(len(rule.expansion), rule.origin.name, make)


def _is_inline(symbol: NonTerminal | Terminal | Any) -> bool:
    """Whether a rule has no value of its own: its children become those of the rule around it."""
    return not symbol.is_term and str(symbol.name).startswith("_")


def _children_of(rule: Rule) -> Callable[[list[Any]], list[Any]]:
    """Return what picks a rule's children from the values of its symbols.

    Terminals whose name begins with ``_`` are dropped, lists of inline rules are spliced in, and a part in brackets
    that is absent leaves None.
    """
    missing = [len(ones) for ones in "".join(str(int(b)) for b in rule.options.empty_indices).split("0")]
    if not rule.options.empty_indices:
        missing = [0] * (len(rule.expansion) + 1)
    steps: list[tuple[int, bool, int]] = []
    nones = 0
    for place, symbol in enumerate(rule.expansion):
        nones += missing[place]
        if not (isinstance(symbol, Terminal) and symbol.filter_out):
            steps.append((place, _is_inline(symbol), nones))
            nones = 0
    nones += missing[len(rule.expansion)]
    return _picker(steps, nones)


def _picker(steps: Sequence[tuple[int, bool, int]], nones: int) -> Callable[[list[Any]], list[Any]]:
    if not nones and not any(before for _, _, before in steps):
        match steps:
            case [(place, True, _)]:
                return lambda values: values[place]
            case [(place, False, _)]:
                return lambda values: [values[place]]
            case _:
                pass

    def pick(values: list[Any]) -> list[Any]:
        children: list[Any] = []
        for place, inline, before in steps:
            if before:
                children += [None] * before
            if not inline:
                children.append(values[place])
            elif children:
                children += values[place]
            else:  # a list that grows at its end is not copied at each step
                children = values[place]
        if nones:
            children += [None] * nones
        return children

    return pick
