"""The oracle is held to the rules by hand, rule by rule, and to the laws of any fold on random histories."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime

import msgspec
import pytest

from schemas import events as e
from tests.builders import Book, day, instant, seconds, subject
from tests.properties.answers import OracleAnswer
from tests.properties.histories import generate_history, generate_questions
from tests.properties.oracle import answer, first_of_each_id

NOW = "2026-06-01"


def ask(book: Book, as_at: str, known: str = NOW) -> OracleAnswer:
    return answer(book.history, day(as_at), seconds(known))


def enrolled(*pupils: str, **fields: str) -> Book:
    book = Book()
    for pupil in pupils:
        book.tell(e.PupilEnrolled, "2025-09-01", pupil=pupil, enrolled_on="2025-09-01", **fields)
    return book


# --- Standing ----------------------------------------------------------------------------------------------------


def test_a_withdrawal_may_come_first_and_be_withdrawn() -> None:
    book = enrolled("amy")
    book.tell(e.FactWithdrawn, "2025-10-01", event_id="w1", withdraws="g1")
    book.tell(e.GroupJoined, "2025-10-02", event_id="g1", pupil="amy", group="3A", joined_on="2025-09-01")
    assert ask(book, "2025-10-05").pupils["amy"].groups == set()
    book.tell(e.FactWithdrawn, "2025-11-01", event_id="w2", withdraws="w1")
    assert ask(book, "2025-10-05").pupils["amy"].groups == {"3A"}
    assert ask(book, "2025-10-05", known="2025-10-31").pupils["amy"].groups == set()
    book.tell(e.FactWithdrawn, "2025-12-01", withdraws="g1")
    assert ask(book, "2025-10-05").pupils["amy"].groups == set(), "one of two withdrawals still stands"


def test_withdrawals_in_a_ring_end_and_touch_nothing_else() -> None:
    book = enrolled("amy")
    book.tell(e.FactWithdrawn, "2025-10-01", event_id="w1", withdraws="w2")
    book.tell(e.FactWithdrawn, "2025-10-01", event_id="w2", withdraws="w1")
    book.tell(e.FactWithdrawn, "2025-10-01", event_id="w3", withdraws="w3")
    assert ask(book, "2025-10-05").pupils["amy"].on_roll


def test_of_an_id_told_twice_the_first_in_the_log_stands() -> None:
    book = enrolled()
    book.tell(e.YearGroupSet, "2025-10-02", event_id="y", pupil="amy", year_group="3", starts_on="2025-09-01")
    book.tell(e.YearGroupSet, "2025-10-01", event_id="y", pupil="ben", year_group="4", starts_on="2025-09-01")
    assert set(ask(book, "2025-10-05").pupils) == {"amy"}
    assert ask(book, "2025-10-05", known="2025-10-01").pupils["amy"].year_group is None


def test_of_a_key_the_last_told_that_is_not_withdrawn_stands() -> None:
    book = enrolled("amy", "ben")
    row = {"group": "3A", "joined_on": "2025-09-01", "key": "k"}
    book.tell(e.GroupJoined, "2025-10-01", pupil="amy", revision=1, **row)
    second = book.tell(e.GroupJoined, "2025-10-02", pupil="ben", revision=2, **row)
    found = ask(book, "2025-10-05")
    assert (found.pupils["amy"].groups, found.pupils["ben"].groups) == (set(), {"3A"})
    book.tell(e.FactWithdrawn, "2025-10-03", withdraws=second.event_id)
    found = ask(book, "2025-10-05")
    assert (found.pupils["amy"].groups, found.pupils["ben"].groups) == ({"3A"}, set())


# --- Roll, groups, year groups, characteristics ------------------------------------------------------------------


def test_the_last_day_is_inclusive() -> None:
    book = enrolled("amy", left_on="2025-12-19")
    assert [ask(book, d).pupils["amy"].on_roll for d in ("2025-08-31", "2025-09-01", "2025-12-19", "2025-12-20")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_leaver_closes_the_latest_start_and_of_two_ends_the_last_told_governs() -> None:
    book = enrolled("amy", left_on="2025-12-19")
    book.tell(e.PupilLeft, "2025-10-01", pupil="amy", left_on="2025-11-30")
    assert not ask(book, "2025-12-01").pupils["amy"].on_roll
    assert ask(book, "2025-12-01", known="2025-09-15").pupils["amy"].on_roll
    book.tell(e.PupilEnrolled, "2025-10-02", pupil="amy", enrolled_on="2026-01-05")
    assert ask(book, "2026-01-05").pupils["amy"].on_roll
    book.tell(e.PupilLeft, "2025-10-03", pupil="amy", left_on="2026-02-01")
    assert [ask(book, d).pupils["amy"].on_roll for d in ("2025-11-30", "2025-12-01", "2026-02-02")] == [
        True,
        False,
        False,
    ]


def test_a_fact_without_an_end_does_not_reopen_what_was_closed() -> None:
    book = Book()
    book.tell(e.PupilLeft, "2025-10-01", pupil="amy", left_on="2025-11-30")
    book.tell(e.PupilEnrolled, "2025-10-02", pupil="amy", enrolled_on="2025-09-01")
    assert not ask(book, "2025-12-01").pupils["amy"].on_roll


def test_the_latest_start_governs_and_after_its_end_nothing() -> None:
    book = enrolled("amy", sex="F")
    book.tell(e.CharacteristicSet, "2025-09-02", pupil="amy", name="send", value="yes", starts_on="2025-09-01")
    send = {"pupil": "amy", "name": "send", "value": "support", "starts_on": "2025-10-01", "ends_on": "2025-10-31"}
    book.tell(e.CharacteristicSet, "2025-09-02", **send)
    known = [dict(ask(book, d).pupils["amy"].characteristics) for d in ("2025-09-30", "2025-10-31", "2025-11-01")]
    assert known == [{"sex": "F", "send": "yes"}, {"sex": "F", "send": "support"}, {"sex": "F"}]
    book.tell(e.CharacteristicEnded, "2025-12-01", pupil="amy", name="sex", ends_on="2025-12-01")
    assert ask(book, "2025-12-02").pupils["amy"].characteristics == {}


def test_year_groups_of_an_enrolment_and_of_events_are_one_order() -> None:
    years = (e.YearGroupFrom("3", day("2025-09-01")), e.YearGroupFrom("4", day("2026-01-05")))
    book = enrolled("amy", year_groups=years)
    book.tell(e.YearGroupSet, "2025-10-01", pupil="amy", year_group="5", starts_on="2025-11-01")
    assert [
        ask(book, d).pupils["amy"].year_group for d in ("2025-08-31", "2025-10-01", "2025-11-01", "2026-01-05")
    ] == [
        None,
        "3",
        "5",
        "4",
    ]


# --- Who is who --------------------------------------------------------------------------------------------------


def members(book: Book, known: str = NOW) -> set[frozenset[str]]:
    return {pupil.members for pupil in ask(book, "2025-12-01", known).pupils.values()}


def test_a_merge_holds_for_all_dates_from_when_it_is_told_and_takes_the_first_id() -> None:
    book = enrolled("amy", "ben", "cai")
    book.tell(e.PupilsMerged, "2025-10-01", pupil="cai", other="ben")
    assert members(book) == {frozenset({"amy"}), frozenset({"ben", "cai"})}
    assert set(ask(book, "2025-09-02").pupils) == {"amy", "ben"}
    assert members(book, known="2025-09-30") == {frozenset({name}) for name in ("amy", "ben", "cai")}
    book.tell(e.PupilsSplit, "2025-11-01", pupil="ben", other="cai")
    assert frozenset({"ben"}) in members(book)
    assert frozenset({"ben", "cai"}) in members(book, known="2025-10-31")


def test_an_equal_person_merges_while_a_standing_row_of_each_says_it() -> None:
    book = enrolled("amy", same_person="prs_x")
    book.tell(e.PupilEnrolled, "2025-10-01", event_id="b", pupil="ben", enrolled_on="2025-10-01", same_person="prs_x")
    assert members(book) == {frozenset({"amy", "ben"})}
    assert ask(book, "2025-12-01").pupils["amy"].shown == "ben", "the reference of the latest enrolment"
    book.tell(e.PupilsSplit, "2025-11-01", pupil="amy", other="ben")
    assert len(members(book)) == 2
    again = {"pupil": "ben", "enrolled_on": "2025-10-01", "same_person": "prs_x"}
    book.tell(e.PupilEnrolled, "2025-12-01", **again)
    assert len(members(book)) == 2, "what was told before the split still stands, and was told first"
    book.tell(e.FactWithdrawn, "2025-12-02", withdraws="b")
    assert len(members(book)) == 1, "now all that says it was told after the split"


def test_three_are_one_through_the_one_between() -> None:
    book = enrolled("amy", "ben", "cai")
    book.tell(e.PupilsMerged, "2025-10-01", pupil="amy", other="ben")
    book.tell(e.PupilsMerged, "2025-10-01", pupil="ben", other="cai")
    book.tell(e.PupilsSplit, "2025-10-02", pupil="amy", other="cai")
    assert members(book) == {frozenset({"amy", "ben", "cai"})}


# --- Curriculum --------------------------------------------------------------------------------------------------


def test_a_version_replaces_the_one_before_wholly() -> None:
    book = enrolled("amy")
    book.publish("2025-09-01", subject("maths", {"m1": "Y3", "m2": "Y3"}), subject("art", {"a1": "Y3"}))
    new = subject("maths", {"m1": "Y3"})
    book.publish("2025-09-02", new, framework_version="2", effective_on=day("2025-11-01"))
    assert ask(book, "2025-10-31").lanes == {"maths": ("nc", "1"), "art": ("nc", "1")}
    assert ask(book, "2025-11-01").lanes == {"maths": ("nc", "2")}
    assert ask(book, "2025-11-01", known="2025-09-01").lanes == {"maths": ("nc", "1"), "art": ("nc", "1")}
    assert ask(book, "1989-12-31").lanes == {}


def test_of_two_frameworks_with_a_subject_the_later_version_counts() -> None:
    book = enrolled("amy")
    book.publish("2025-09-01", subject("maths", {"m1": "Y3"}), effective_on=day("2025-09-01"))
    other = {"framework": "other", "effective_on": day("2025-10-01")}
    book.publish("2025-08-01", subject("maths", {"m1": "Y3"}), **other)
    assert ask(book, "2025-09-30").lanes == {"maths": ("nc", "1")}
    assert ask(book, "2025-10-01").lanes == {"maths": ("other", "1")}


def test_a_state_that_the_version_lacks_counts_as_not_assessed_and_nothing_earlier_shows() -> None:
    book = enrolled("amy")
    book.publish("2025-09-01", subject("maths", {"m1": "Y3"}), states=(e.State("A", "1"), e.State("absent", None)))
    book.assess("amy", "m1", "A", "2025-09-10")
    for state in ("absent", "unheard_of"):
        book.assess("amy", "m1", state, "2025-10-10")
        assert ask(book, "2025-10-09").values["amy", "maths", "Y3", "overall"].percent == 100
        assert ask(book, "2025-10-10").values["amy", "maths", "Y3", "overall"].status == "no_data"


@pytest.mark.parametrize(
    ("state", "percent"), [("0", 0), ("7.5", 75), ("10", 100), ("10.001", None), ("A", None), ("1e0", None)]
)
def test_a_mark_counts_up_to_the_maximum(state: str, percent: int | None) -> None:
    book = enrolled("amy")
    book.publish("2025-09-01", subject("maths", {"m1": "Y3"}), marks_max=10)
    book.assess("amy", "m1", state, "2025-09-10")
    found = ask(book, "2025-10-10").values["amy", "maths", "any", "overall"]
    assert found.percent == percent
    assert percent is None or found.denominator == 10


# --- The school itself -------------------------------------------------------------------------------------------


def test_details_are_those_told_last_that_give_them() -> None:
    book = Book()
    book.tell(e.SchoolRegistered, "2025-09-01", name="Oak", nation="scotland")
    assert (ask(book, NOW).year_starts, ask(book, NOW).time_zone) == (8, "Europe/London")
    registered = book.tell(e.SchoolRegistered, "2025-10-01", year_starts=1, time_zone="UTC")
    found = ask(book, NOW)
    assert (found.name, found.nation, found.year_starts, found.time_zone) == ("Oak", "scotland", 1, "UTC")
    book.tell(e.FactWithdrawn, "2025-11-01", withdraws=registered.event_id)
    assert ask(book, NOW).year_starts == 8
    assert answer([], date(2025, 1, 1), 0).year_starts == 9


def test_the_latest_membership_governs_until_its_end() -> None:
    book = Book()
    book.tell(e.SchoolRegistered, "2025-09-01", trust="north")
    book.tell(e.SchoolJoinedTrust, "2025-09-02", trust="south", joined_on="2025-10-01", left_on="2025-12-31")
    assert [ask(book, d).trust for d in ("2025-09-30", "2025-10-01", "2026-01-01")] == ["north", "south", None]
    book.tell(e.SchoolLeftTrust, "2025-09-03", left_on="2025-11-30", trust="south")
    book.tell(e.SchoolLeftTrust, "2025-09-04", left_on="2025-10-15", trust="north")
    assert [ask(book, d).trust for d in ("2025-10-16", "2025-11-30", "2025-12-01")] == ["south", "south", None]


# --- Laws of a fold ----------------------------------------------------------------------------------------------

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_told_twice_is_told_once(seed: int) -> None:
    rng = random.Random(seed)
    history = generate_history(rng, 40)
    end = history[-1][0] + 1
    twice = [*history, *((end + offset, fact) for offset, fact in history)]
    for as_at, known_at in generate_questions(rng, history, 4):
        assert answer(twice, as_at, known_at) == answer(history, as_at, known_at)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_told_later_changes_nothing_that_was_known(seed: int) -> None:
    rng = random.Random(seed)
    history = generate_history(rng, 40)
    end = history[-1][0] + 1
    more = [
        (
            end + offset,
            msgspec.structs.replace(fact, event_id=f"later-{fact.event_id}", recorded_at=instant("2030-01-01")),
        )
        for offset, fact in generate_history(rng, 40)
    ]
    for as_at, known_at in generate_questions(rng, history, 4):
        before, after = answer(history, as_at, known_at), answer([*history, *more], as_at, known_at)
        assert (before.lanes, before.trust, before.name) == (after.lanes, after.trust, after.name)
        assert before.pupils.items() <= after.pupils.items()
        assert before.values.items() <= after.values.items()


@pytest.mark.parametrize("seed", SEEDS)
def test_recorded_then_withdrawn_is_never_recorded(seed: int) -> None:
    rng = random.Random(seed)
    history = generate_history(rng, 40)
    end = history[-1][0] + 1
    later = max(fact.recorded_at for _, fact in history)
    known = [fact for _, fact in history if hasattr(fact, "pupil") and not fact.key]
    fact = msgspec.structs.replace(rng.choice(known), event_id="mistake", recorded_at=later)
    mistake = e.FactWithdrawn(event_id="regret", school="oak", recorded_at=later, withdraws="mistake")
    withdrawn = [*history, (end, fact), (end + 1, mistake)]
    for as_at, known_at in [*generate_questions(rng, history, 3), (date(2025, 3, 1), int(later.timestamp()))]:
        assert answer(withdrawn, as_at, known_at) == answer(history, as_at, known_at)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_an_instant_for_each_fact_the_order_of_arrival_is_nothing(seed: int) -> None:
    rng = random.Random(seed)
    told = first_of_each_id(generate_history(rng, 40))
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    instants = rng.sample(range(start, start + 10**7), len(told))
    history = [
        (offset, msgspec.structs.replace(fact, recorded_at=datetime.fromtimestamp(at, UTC)))
        for (offset, fact), at in zip(told, instants, strict=True)
    ]
    arrived = [fact for _, fact in history]
    rng.shuffle(arrived)
    for as_at, known_at in generate_questions(rng, history, 4):
        one, other = answer(history, as_at, known_at), answer(list(enumerate(arrived)), as_at, known_at)
        assert _by_members(one) == _by_members(other)
        assert (one.lanes, one.trust, one.name) == (other.lanes, other.trust, other.name)


def _by_members(found: OracleAnswer) -> dict[frozenset[str], object]:
    """Pupils and their values, without the id that depends on who came first."""
    values: dict[str, dict[object, object]] = {}
    for (pupil_id, *measure), value in found.values.items():
        values.setdefault(pupil_id, {})[tuple(measure)] = value
    return {
        pupil.members: (pupil.on_roll, pupil.year_group, pupil.groups, pupil.characteristics, values.get(pupil_id))
        for pupil_id, pupil in found.pupils.items()
    }
