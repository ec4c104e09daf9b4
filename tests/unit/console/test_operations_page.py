"""Every command that the operator's pages name is one that there is, with the options that they give it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer.main

from services.console.main import app

DOCS = Path(__file__).parents[3] / "docs"
PAGES = [DOCS / "operations.md", DOCS / "guides" / "operating.md"]
ROOT = typer.main.get_command(app)


def commands_of(page: Path) -> list[tuple[str, ...]]:
    """What stands behind `markledger` in code, up to what the shell or the reader puts in; alternatives one by one."""
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", text) + re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    found = []
    for line in code:
        match = re.match(r"(?:.*; )?markledger ((?:[a-z][a-z-]*(?:\|[a-z-]+)*(?: |$))+)(.*)", line.replace("\n", " "))
        if match is not None:
            found += _alternatives(match[1].split(), tuple(re.findall(r"--[a-z-]+", match[2])))
    return found


def _alternatives(words: list[str], options: tuple[str, ...]) -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = [()]
    for word in words:
        paths = [(*path, each) for path in paths for each in word.split("|")]
    return [(*path, *options) for path in paths]


def named(words: tuple[str, ...]) -> list[str]:
    """What of the words there is not. A word behind the last command is an argument."""
    here: click.Command = ROOT
    for position, word in enumerate(words):
        if word.startswith("--"):
            known = {name for parameter in here.params for name in parameter.opts}
            if word not in known:
                return [f"{' '.join(words[:position])} has no {word}"]
        elif hasattr(here, "commands") and here.commands:
            if word not in here.commands:
                return [f"there is no command {' '.join(words[: position + 1])}"]
            here = here.commands[word]
    return []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    commands = commands_of(page)
    assert len(commands) > 8
    assert [fault for words in commands for fault in named(words)] == []


def test_the_operators_page_names_every_command_of_an_operator() -> None:
    told = {words[0] for words in commands_of(DOCS / "operations.md")}
    wanted = {"verify", "doctor", "export", "import-school", "backup", "deadletters", "log", "projector", "erase", "up"}
    assert wanted <= told


@pytest.mark.parametrize("words", [("verfy",), ("log", "move"), ("export", "--to-school")])
def test_a_command_that_there_is_not_is_noticed(words: tuple[str, ...]) -> None:
    assert named(words)
