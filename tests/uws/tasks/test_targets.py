"""One position as clients write it."""

from __future__ import annotations

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord

from tests.uws.tasks.declared import MOTION, Shift, ShiftParameters
from uws.tasks import DEC, RA, Input, TaskInput, parameter
from uws.tasks.catalogue import TaskCatalogue, TaskError
from uws.tasks.documents import task_document
from uws.tasks.openapi import task_paths
from uws.tasks.recognition import recognise
from uws.tasks.request import TaskRequest
from uws.tasks.targets import COLUMNS, Target, angle, understood
from vo.core.dali.parameters import Parameters
from vo.core.errors import ParameterError
from vo.core.settings import Settings
from vo.core.tables import columns_of


class Pointed(Shift):
    """Takes a position."""

    inputs = (TaskInput("", "target", (RA, DEC, MOTION), position=True),)


class Optional(Shift):
    """Takes a table, or none."""

    inputs = (TaskInput("1", "target", (RA, DEC), position=True), TaskInput("2", "other table", (RA,), required=False))


def ask(task: Shift, **parameters: str) -> TaskRequest:
    return TaskRequest.from_parameters(task, Parameters([("ROUNDS", "1"), *parameters.items()]), Settings())


def target(**parameters: str) -> Target:
    found = ask(Pointed(), **parameters).selections.selections[""].target
    assert isinstance(found, Target)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "217.42895 -62.67948",
        "217.42895, -62.67948",
        "2.1742895e2 -62.67948",
        "217.42895-62.67948",
        "217.42895deg -62.67948deg",
        "14:29:42.9 -62:40:46",
        "14 29 42.9 −62 40 46",
        "14h29m42.9s -62d40m46s",
        "14h29m42.9s-62°40′46″",
        "2MASS J14294291-6240465",
        "SDSS J142942.95-624046.1",
    ],
)
def test_coordinates_in_all_spellings(text: str) -> None:
    found = understood(text, "TARGET")
    assert found is not None
    there = SkyCoord(found.ra, found.dec, unit="deg")
    assert there.separation(SkyCoord("14h29m42.9s", "-62d40m46s")) < 1 * u.arcsec
    [row] = found.batch().to_pylist()
    assert (row["ra"], row["dec"]) == (found.ra, found.dec)


def test_names_say_how_good_their_position_is() -> None:
    names = {"PSR J0534+2200": "15 arcmin", "4FGL J0534.5+2201": "1.5 arcmin", "2MASS J05343194+2200521": "0.15 arcsec"}
    for name, step in names.items():
        found = understood(name, "TARGET")
        assert found is not None
        assert (found.name, found.source.endswith(f"steps of {step}")) == (name, True)
        assert abs(found.dec - 22.01) < 0.02


@pytest.mark.parametrize(
    "name",
    ["HIP 70890", "3C 273", "B0531+21", "J05345+2200", "J9934+2200", "M 31", "10 20 30", f"J1234.{'5' * 400}+2200"],
)
def test_other_names_have_no_position(name: str) -> None:
    assert understood(name, "TARGET") is None
    asked = ask(Pointed(), TARGET=f" {name} ").selections.selections[""]
    assert (asked.parameter, asked.target) == ("TARGET", name)


@pytest.mark.parametrize("text", ["", "x", "1:2", "1:60:00", "25h61m00s", "1e", "--1", "1_0", "٣"])
def test_no_angle(text: str) -> None:
    assert angle(text, hours=True) is None


def test_coordinates_as_parameters() -> None:
    proxima = target(RA="14:29:42.9", DEC="-62:40:46", TARGET="Proxima")
    assert (proxima.name, proxima.source) == ("Proxima", "position 217.42875 -62.6794444444 (Proxima)")
    assert (proxima.ra, proxima.dec) == pytest.approx((217.42875, -62.67944444), abs=1e-8)
    assert (target(RA="360", DEC="-0.5").ra, target(ra="12h", dec="90").ra) == (0, 180)
    asked = ask(Pointed(), RA="1", DEC="2", PMRA="motion")
    assert asked.named == {"": {"pmra": "motion"}}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"RA": "361", "DEC": "0"}, "RA: '361' is not between 0 and 360 degrees"),
        ({"RA": "10", "DEC": "-90.1"}, "DEC: '-90.1' is not between"),
        ({"RA": "10"}, "DEC: is missing, and RA is given"),
        ({"RA": "raj2000", "DEC": "dej2000"}, "RA: 'raj2000' is no coordinate"),
        ({"TARGET": "10 100"}, "TARGET: '100' is not between -90 and 90"),
        ({"TARGET": "M 31", "TABLE": "a.b"}, "TABLE: TARGET is given too"),
        ({"RA": "1", "DEC": "2", "TARGET": "x" * 1001}, "TARGET: it has 1,001 characters"),
        ({}, "TARGET: nothing says what the target is"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_position(parameters: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        ask(Pointed(), **parameters)
    assert caught.value.message.startswith(words)
    assert caught.value.hint or "between" in words


def test_with_a_table_ra_and_dec_are_names_of_columns() -> None:
    for given in ({"TABLE": "a.b"}, {"UPLOAD": "mine,param:file"}):
        asked = ask(Pointed(), **given, RA="raj2000", DEC="dej2000")
        assert asked.named == {"": {"ra": "raj2000", "dec": "dej2000"}}
        assert asked.selections.selections[""].target is None


def test_a_task_may_have_a_parameter_called_target() -> None:
    class Aimed(ShiftParameters):
        target: str = parameter("", description="At what.")

    class Aiming(Shift):
        parameters = Aimed

    asked = ask(Aiming(), TABLE="a.b", TARGET="the wall")
    assert (asked.selections.selections[""].table, asked.parameters.model_dump()["target"]) == ("a.b", "the wall")


def test_a_position_needs_roles_for_its_coordinates() -> None:
    class Lost(Shift):
        inputs = (TaskInput("", "target", (MOTION,), position=True),)

    with pytest.raises(TaskError, match="has no roles for its coordinates"):
        TaskCatalogue([Lost()])


def test_an_input_that_is_not_required() -> None:
    alone = ask(Optional(), RA_1="1", DEC_1="2")
    assert list(alone.selections.selections) == ["1"]
    both = ask(Optional(), RA_1="1", DEC_1="2", TABLE_2="a.b")
    assert list(both.selections.selections) == ["1", "2"]
    with pytest.raises(ParameterError, match=r"RA_2: names a column, and nothing says of which other table"):
        ask(Optional(), RA_1="1", DEC_1="2", RA_2="raj2000")
    with pytest.raises(ParameterError, match="TARGET_1: nothing says"):
        ask(Optional(), TABLE_2="a.b")


def test_roles_are_found_in_the_row() -> None:
    batch = target(RA="10", DEC="20", TARGET="x").batch()
    assert columns_of(batch.schema) == COLUMNS
    recognised = recognise(COLUMNS, Pointed.inputs[0], {})
    row = Input(COLUMNS, iter([batch]), recognised)
    assert (row.recognised.numbers(batch, "ra")[0], "pmra" in row.recognised) == (10.0, False)


def test_programs_are_told_of_it() -> None:
    [about] = task_document(Pointed(), Settings()).inputs
    assert (about.target, about.required) == ("TARGET", True)
    assert [each.required for each in task_document(Optional(), Settings()).inputs] == [True, False]
    [path] = [path for name, path in task_paths([Pointed()], Settings()).items() if name.endswith("/shift/sync")]
    asked = {each["name"]: each for each in path["get"]["parameters"]}
    assert "coordinates" in asked["TARGET"]["description"]
    assert asked["RA"]["description"].startswith("The right ascension of a single position in degrees or sexagesimal")
