"""What an answer counts, laid out for `services.domain.suppression`: lines, and in them blocks of items.

A block is one way of dividing the pupils of a line into cells; its first item is all of them. An answer is read as the
tree that its JSON is, so that a field more in a report needs nothing here but what it counts. A report without a sheet
is closed to whoever may not see small numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from services.domain.bands import BAND_IDS
from services.query.blanking import Pointer
from services.query.requests import By

Tree = Mapping[str, Any]
ALL = "pupils"


class Item(NamedTuple):
    """How many pupils lie in some cells, and where that stands in the answer (None: in another answer). `implied`: it
    stands nowhere, but a reader may work it out."""

    pupils: int
    cells: frozenset[str]
    pointer: Pointer | None = None
    implied: bool = False


def _implied(pupils: int, *cells: str) -> Item:
    return Item(pupils, frozenset(cells), implied=True)


class Derived(NamedTuple):
    """A number made of counts of a block: hidden with any of them."""

    pointer: Pointer
    items: tuple[str, ...]


class Block(msgspec.Struct, frozen=True):
    """Items by name, `ALL` among them; `sums`: what adds up to what, the narrowest first, because the companion of a
    small number is looked for in them in turn; `derived`: what is made of items."""

    name: str
    items: Mapping[str, Item]
    sums: tuple[tuple[str, tuple[str, ...]], ...]
    derived: tuple[Derived, ...] = ()


class Line(msgspec.Struct, frozen=True):
    """The pupils of one row (of `inside` another). `pointer`: where the row stands; `closed`: what is never shown."""

    row: str
    inside: str
    pointer: Pointer
    blocks: tuple[Block, ...]
    closed: tuple[Pointer, ...] = ()


class Sheet(msgspec.Struct, frozen=True):
    """How a report is laid out: the lines of an answer (the second argument: whether `of` leaves out pupils without
    data), and its breakdowns where the request names none. `narrowed`: whether it may be asked of a part of a school.
    """

    lines: Callable[[Tree, bool], list[Line]]
    by: tuple[By, ...] = ()
    then: tuple[By, ...] = ()
    narrowed: bool = True


_MET = BAND_IDS[2:]
_MISSED = BAND_IDS[:2]


def rows_sheet(tree: Tree, with_data: bool) -> list[Line]:
    """Rows of cells with counts by band, and Combined: the overview, progress, a profile's area by rows."""
    return [_row_line(row, ("rows", number), with_data) for number, row in enumerate(tree["rows"])]


def matrix_sheet(tree: Tree, _: bool) -> list[Line]:
    """The one line of a matrix: its cells, what is not plotted, the diagonal, and the sides that an overview shows."""
    items = dict(_plotted(tree["counts"]))
    cells = list(items)
    for number, each in enumerate(tree["unplotted"]):
        name = f"{each['first']}>{each['second']}"
        items[name] = Item(each["pupils"], frozenset((name,)), ("unplotted", number, "pupils"))
    sums = [(ALL, ("plotted", *(name for name in items if name not in cells))), ("plotted", tuple(cells))]
    groups = {
        "on": [name for name in cells if _rise(name) == 0],
        "above": [name for name in cells if _rise(name) > 0],
        "below": [name for name in cells if _rise(name) < 0],
    }
    pointers: dict[str, Pointer] = {name: ("overlay", name, "pupils") for name in groups}
    if "not_meeting" in tree:
        for side, place in (("first", 0), ("second", 1)):
            groups[f"not_meeting {side}"] = [name for name in cells if name.split(">")[place] in _MISSED]
            pointers[f"not_meeting {side}"] = ("not_meeting", side, "pupils")
    for place in (0, 1):
        for band in BAND_IDS:
            groups[f"{place} {band}"] = [name for name in items if name.split(">")[place] == band]
    for name, parts in groups.items():
        sums.append((name, tuple(parts)))
    made = {name: _sum_of(items, parts, pointers.get(name)) for name, parts in groups.items()}
    made["plotted"] = _sum_of(items, cells)
    made[ALL] = _sum_of(items, list(items))
    sums.append(("plotted", ("on", "above", "below")))
    shares = [name for name in made if name in pointers]
    derived = tuple(Derived((*pointers[name][:-1], "percent"), (name, "plotted")) for name in shares)
    return [Line("whole", "", (), (Block("matrix", {ALL: made.pop(ALL), **items, **made}, tuple(sums), derived),))]


def _row_line(row: Tree, at: Pointer, with_data: bool) -> Line:
    cells = row["cells"]
    combined = row.get("combined")
    alone = combined if len(cells) == 1 else None
    blocks = [
        _bands_block(cell, (*at, "cells", number), row["pupils"], at, with_data, alone)
        for number, cell in enumerate(cells)
    ]
    blocks += [block for number, cell in enumerate(cells) for block in _coded(cell, (*at, "cells", number), row, at)]
    if combined is not None and alone is None:
        blocks.append(_combined_block(combined, row["pupils"], at))
    closed = [pointer for number, cell in enumerate(cells) for pointer in _ends(cell, (*at, "cells", number))]
    return Line(row["row"], row.get("in", ""), at, tuple(blocks), tuple(closed))


def _bands_block(cell: Tree, at: Pointer, pupils: int, row: Pointer, with_data: bool, combined: Tree | None) -> Block:
    """Bands, no data, not applicable and codes outside: together all pupils of the row."""
    items = {band: Item(cell["counts"][band], frozenset((band,)), (*at, "counts", band)) for band in BAND_IDS}
    outside = {f"excluded {code}": ("excluded", code) for code in cell.get("excluded") or {}}
    apart = _codes_apart(cell, with_data)
    for name, path in {"no_data": ("no_data",), "not_applicable": ("not_applicable",), **outside, **apart}.items():
        items[name] = Item(_at(cell, path), frozenset((name,)), (*at, *path))
    left_out = ["not_applicable", *outside]
    counted = [*BAND_IDS, *apart, *([] if with_data else ["no_data"])]
    sums: list[tuple[str, tuple[str, ...]]] = []
    made = {"of": Item(cell["of"], frozenset(counted), (*at, "of"))}
    derived = [Derived((*at, "percents", band), (band, "of")) for band in BAND_IDS]
    derived.append(Derived((*at, "no_data_percent"), ("no_data", *left_out)))
    if combined is not None:
        in_row: Pointer = (*row, "combined")
        missed = (*_MISSED, *apart, "no_data")
        made["met"] = Item(combined["working_at_or_above"], frozenset(_MET), (*in_row, "working_at_or_above"))
        made["missed"] = Item(combined["not_working_at"], frozenset(missed), (*in_row, "not_working_at"))
        made["incomplete"] = Item(combined["incomplete"], frozenset(("no_data",)), (*in_row, "incomplete"))
        sums += [("met", _MET), ("missed", missed), ("incomplete", ("no_data",)), (ALL, ("met", "missed", *left_out))]
        derived += _combined_percents(in_row)
    sums += [("of", tuple(counted)), (ALL, ("of", *left_out, *(["no_data"] if with_data else []))), (ALL, tuple(items))]
    everybody = Item(pupils, frozenset(items), (*row, "pupils"))
    return Block(str(at[-1]), {ALL: everybody, **items, **made}, tuple(sums), tuple(derived))


def _ends(cell: Tree, at: Pointer) -> Iterator[Pointer]:
    """What progress tells of starts and ends: 25 cells and more of few pupils each, so none of it is ever shown."""
    for row, line in enumerate(cell.get("table") or ()):
        yield from ((*at, "table", row, column) for column in range(len(line)))
    yield from ((*at, part) for part in ("no_start", "no_end") if part in cell)


def _codes_apart(cell: Tree, with_data: bool) -> dict[str, tuple[str, str]]:
    """The codes that count, where they stand in no band and are not among those without data."""
    coded = cell.get("coded") or {}
    in_bands = sum(cell["counts"].values()) + (0 if with_data else cell["no_data"])
    return {f"coded {code}": ("coded", code) for code in coded} if cell["of"] - in_bands == sum(coded.values()) else {}


def _coded(cell: Tree, at: Pointer, row: Tree, in_row: Pointer) -> Iterator[Block]:
    """A code that counts as nothing achieved divides the pupils of the row in two, wherever else it stands."""
    for code, count in (cell.get("coded") or {}).items():
        items = {
            ALL: Item(row["pupils"], frozenset(("coded", "others")), (*in_row, "pupils")),
            "coded": Item(count, frozenset(("coded",)), (*at, "coded", code)),
            "others": _implied(row["pupils"] - count, "others"),
        }
        yield Block(f"{at[-1]} coded {code}", items, ((ALL, ("coded", "others")),))


def _combined_block(combined: Tree, pupils: int, row: Pointer) -> Block:
    at: Pointer = (*row, "combined")
    met, missed, incomplete = (combined[part] for part in ("working_at_or_above", "not_working_at", "incomplete"))
    items = {
        ALL: Item(pupils, frozenset(("met", "rest", "incomplete", "outside")), (*row, "pupils")),
        "met": Item(met, frozenset(("met",)), (*at, "working_at_or_above")),
        "missed": Item(missed, frozenset(("rest", "incomplete")), (*at, "not_working_at")),
        "incomplete": Item(incomplete, frozenset(("incomplete",)), (*at, "incomplete")),
        "rest": _implied(missed - incomplete, "rest"),
        "outside": _implied(pupils - met - missed, "outside"),
    }
    sums = ((ALL, ("met", "missed", "outside")), ("missed", ("incomplete", "rest")))
    return Block("combined", items, sums, tuple(_combined_percents(at)))


def _combined_percents(at: Pointer) -> list[Derived]:
    parts = ("working_at_or_above", "not_working_at")
    return [Derived((*at, "percents", part), ("met", "missed")) for part in parts]


def _plotted(counts: Sequence[Sequence[int]]) -> Iterator[tuple[str, Item]]:
    for row, first in enumerate(BAND_IDS):
        for column, second in enumerate(BAND_IDS):
            name = f"{first}>{second}"
            yield name, Item(counts[row][column], frozenset((name,)), ("counts", row, column))


def _rise(name: str) -> int:
    first, second = name.split(">")
    return BAND_IDS.index(second) - BAND_IDS.index(first)


def _sum_of(items: Mapping[str, Item], parts: Sequence[str], pointer: Pointer | None = None) -> Item:
    cells = frozenset[str]().union(*(items[part].cells for part in parts))
    return Item(sum(items[part].pupils for part in parts), cells, pointer)


def _at(tree: Any, path: Sequence[str]) -> int:
    for step in path:
        tree = tree[step]
    return int(tree)


# --- External data, the profile, the curriculum ------------------------------------------------------------------


def external_sheet(tree: Tree, _: bool) -> list[Line]:
    """Rows of measures of a test: scores, codes, who met what is expected."""
    return [
        Line(
            row["row"],
            "",
            ("rows", number),
            tuple(
                _test_block(each, row["pupils"], ("rows", number), ("rows", number, "measures", place))
                for place, each in enumerate(row["measures"])
            ),
        )
        for number, row in enumerate(tree["rows"])
    ]


def _test_block(measure: Tree, pupils: int, row: Pointer, at: Pointer) -> Block:
    scores = {f"={score}": ("distribution", score) for score in measure["distribution"]}
    coded = {f"coded {code}": ("coded", code) for code in measure["coded"]}
    excluded = {f"excluded {code}": ("excluded", code) for code in measure["excluded"]}
    paths: dict[str, tuple[str, ...]] = {**scores, **coded, **excluded}
    paths |= {"no_data": ("no_data",), "not_applicable": ("not_applicable",)}
    items = {name: Item(_at(measure, path), frozenset((name,)), (*at, *path)) for name, path in paths.items()}
    known = sum(item.pupils for name, item in items.items() if name not in excluded and name != "not_applicable")
    items["rest"] = _implied(measure["of"] - known, "rest")
    in_scope = (*scores, *coded, "no_data", "rest")
    made = {"scores": _sum_of(items, list(scores), (*at, "scores")), "of": _sum_of(items, in_scope, (*at, "of"))}
    sums = [("scores", tuple(scores)), ("of", in_scope), (ALL, ("of", *excluded, "not_applicable"))]
    derived = [Derived((*at, "mean"), ("scores", *scores))]
    if measure["met"] is not None:
        reached = _reaching(measure)
        made["met"] = Item(measure["met"], frozenset(reached), (*at, "met"))
        made["missed"] = _implied(measure["of"] - measure["met"], *(made["of"].cells - made["met"].cells))
        sums = [("met", reached), *sums, ("of", ("met", "missed"))] if reached else [("of", ("met", "missed")), *sums]
        derived.append(Derived((*at, "percent"), ("met", "of")))
        if measure["national"] is not None:
            derived.append(Derived((*at, "national", "pupils_above"), ("met", "of")))
    everybody = Item(pupils, frozenset(items), (*row, "pupils"))
    return Block(measure["id"], {ALL: everybody, **items, **made}, tuple(sums), tuple(derived))


def _reaching(measure: Tree) -> tuple[str, ...]:
    """The scores of those who met what is expected: the highest ones, if they add up to them."""
    reached: list[str] = []
    pupils = 0
    for score, count in reversed(measure["distribution"].items()):
        if pupils >= measure["met"]:
            break
        reached.append(f"={score}")
        pupils += count
    return tuple(reached) if pupils == measure["met"] else ()


def gld_sheet(tree: Tree, _: bool) -> list[Line]:
    """Rows of the profile; the pupils beside them are closed."""
    closed: tuple[Pointer, ...] = (("pupils",), ("total",), ("next",))
    found = []
    for number, row in enumerate(tree["rows"]):
        at: Pointer = ("rows", number)
        names = {"gld": "yes", "incomplete": "incomplete", "exempt": "exempt"}
        items = {name: Item(row[name], frozenset((cell,)), (*at, name)) for name, cell in names.items()}
        below = row["pupils"] - sum(item.pupils for item in items.values())
        items["below"] = _implied(below, "below")
        judged = ("gld", "below", "incomplete") if row["of"] == row["pupils"] - row["exempt"] else ("gld", "below")
        made = {ALL: _sum_of(items, list(items), (*at, "pupils")), "of": _sum_of(items, judged, (*at, "of"))}
        sums = (("of", judged), (ALL, tuple(items)))
        means = (Derived((*at, name), (ALL, "of", *items)) for name in ("mean_total", "mean_expected"))
        gap = (Derived((*at, "national", "pupils_above"), ("gld", "of")),) if row.get("national") else ()
        derived = (Derived((*at, "percent"), ("gld", "of")), *means, *gap)
        block = Block("profile", {ALL: made.pop(ALL), **items, **made}, sums, derived)
        found.append(Line(row["row"], "", at, (block,), closed))
    return found


def curriculum_sheet(tree: Tree, _: bool) -> list[Line]:
    """A line for each column, with a block for each row."""
    lines = []
    for number, column in enumerate(tree["columns"]):
        pupils: Pointer = ("columns", number, "pupils")
        blocks = [
            _objective_block(row, column["pupils"], pupils, ("rows", place, "cells", number), number)
            for place, row in enumerate(tree["rows"])
        ]
        everybody = Item(column["pupils"], frozenset(("inside", "outside")), pupils)
        outside = Item(tree["outside"], frozenset(("outside",)), ("outside",))
        inside = _implied(column["pupils"] - tree["outside"], "inside")
        if len(tree["columns"]) == 1:
            items = {ALL: everybody, "outside": outside, "inside": inside}
            blocks.append(Block("column", items, ((ALL, ("inside", "outside")),)))
        else:  # it is of no column
            blocks.append(Block("column", {ALL: everybody}, ()))
            apart = msgspec.structs.replace(blocks[-1], name="outside", items={ALL: outside})
            lines += [] if number else [Line("outside", "", (), (apart,))]
        lines.append(Line(f"column:{number}", "", (), tuple(blocks)))
    return lines


def _objective_block(row: Tree, pupils: int, everybody: Pointer, at: Pointer, column: int) -> Block:
    """An objective divides the pupils of the column; of a strand it is assessments that are counted."""
    cell = row["cells"][column]
    items = {
        f"={state}": Item(count, frozenset((f"={state}",)), (*at, "counts", state))
        for state, count in cell["counts"].items()
    }
    items["none"] = Item(cell["none"], frozenset(("none",)), (*at, "none"))
    told = tuple(items)
    is_objective = row["row"].startswith("objective:")
    counted = sum(item.pupils for item in items.values())
    items["outside"] = _implied(max(pupils - counted, 0) if is_objective else 0, "outside")
    of = Item(pupils, frozenset(items), everybody) if is_objective else _implied(counted, *items)
    shares = (Derived((*at, "percents", state), told) for state in cell["percents"])
    mean = (Derived((*at, "mean", part), told) for part in ("percent", "numerator", "denominator", "pupils"))
    return Block(row["row"], {ALL: of, **items}, ((ALL, (*told, "outside")),), (*shares, *mean))


def recording_sheet(tree: Tree, _: bool) -> list[Line]:
    """Schools and their classes, with a block for each subject."""
    blocks: dict[tuple[str, str], list[Block]] = {}
    for number, row in enumerate(tree["rows"]):
        at: Pointer = ("rows", number)
        school = f"school:{row['school'].replace('%', '%25').replace(':', '%3A')}"
        key = ("", school) if row["row"] == "whole" else (school, row["row"])
        others = row["pupils"] - row["assessed"]
        items = {
            ALL: Item(row["pupils"], frozenset(("assessed", "others")), (*at, "pupils")),
            "assessed": Item(row["assessed"], frozenset(("assessed",)), (*at, "assessed")),
            "others": _implied(others, "others"),
        }
        share = Derived((*at, "assessed_percent"), (ALL, "assessed"))
        blocks.setdefault(key, []).append(Block(row["subject"], items, ((ALL, ("assessed", "others")),), (share,)))
    return [Line(row, inside, (), tuple(found)) for (inside, row), found in blocks.items()]


SHEETS: Mapping[str, Sheet] = {
    "overview": Sheet(rows_sheet),
    "progress": Sheet(rows_sheet),
    "matrix": Sheet(matrix_sheet),
    "external": Sheet(external_sheet),
    "gld": Sheet(gld_sheet),
    "curriculum": Sheet(curriculum_sheet),
    "recording": Sheet(recording_sheet, by=(By("school"),), then=(By("group"),), narrowed=False),
}
WITHOUT_PUPILS = frozenset(("framework",))
"""Reports that say nothing of pupils."""
