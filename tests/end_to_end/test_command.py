"""The command as its users type it: exit codes, tables, JSON and CSV, and one clear line for every failure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.product import COMMAND, Product, clean_environment
from tests.end_to_end.small_school import BANDS, MEASURE, fill
from tests.servers.process import free_ports

pytestmark = pytest.mark.end_to_end

REPORT = ("report", "overview", "school=elm", f"measure={MEASURE}", f"bands={BANDS}", "as_at=2025-10-31")
HEADER = "school,pupil,subject,objective,state,assessed_on\n"
GOOD = "elm,A1,maths,m4,achieved,2025-12-01\n"
WRONG = "elm,Z9,maths,m4,achieved,2025-12-01\n"


@pytest.fixture(scope="module", autouse=True)
def _filled(client: httpx.Client) -> None:
    fill(client, "elm")


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The only line on stderr."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("markledger: ")
    return lines[0]


def test_a_report_as_table_json_and_csv(product: Product) -> None:
    table = product.run_command(*REPORT)
    assert table.returncode == 0, table.stderr
    assert "Sig Below" in table.stdout and "whole" in table.stdout and "as at 2025-10-31" in table.stdout
    answer = product.run_command(*REPORT, "--json")
    assert json.loads(answer.stdout)["rows"][0]["pupils"] == 2
    text = product.run_command(*REPORT, "--csv")
    assert text.stdout.lstrip("\ufeff").startswith("row,measure,band,pupils,percent")
    for name, more in (
        ("overview/members", ("row=whole",)),
        ("score-tracking", ()),
    ):
        parameters = [part for part in REPORT[2:] if name == "overview/members" or not part.startswith("bands")]
        done = product.run_command("report", name, *parameters, *more)
        assert done.returncode == 0, done.stderr
        assert "Amy" in done.stdout
    matrix = ("report", "matrix", "school=elm", f"first={MEASURE}@2025-10-31", f"second={MEASURE}@2025-11-30")
    done = product.run_command(*matrix, f"first_bands={BANDS}", f"second_bands={BANDS}")
    assert done.returncode == 0, done.stderr
    assert "overlay" in done.stdout


def test_import_exit_codes_follow_what_became_of_the_rows(product: Product, tmp_path: Path) -> None:
    def run(name: str, rows: str, *more: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / name
        path.write_text(HEADER + rows)
        return product.run_command("import", "assessments", str(path), *more)

    trial = run("good.csv", GOOD, "--dry-run", "--json")
    assert (trial.returncode, json.loads(trial.stdout)["accepted"]) == (0, 1)
    good = run("good.csv", GOOD, "--json")
    assert (good.returncode, json.loads(good.stdout)["accepted"]) == (0, 1)
    again = run("good.csv", GOOD)
    assert again.returncode == 0 and "1 duplicate" in again.stdout
    partly = run("partly.csv", GOOD + WRONG)
    assert partly.returncode == 3
    assert "unknown_pupil" in partly.stderr and "row " in partly.stderr
    assert run("wrong.csv", WRONG).returncode == 1
    extra = tmp_path / "extra.csv"
    extra.write_text("school,pupil,subject,objective,state,assessed_on,teacher\n" + GOOD.replace("\n", ",Ms Elm\n"))
    refused = product.run_command("import", "assessments", str(extra))
    assert refused.returncode == 1 and "teacher" in one_line(refused)
    ignored = product.run_command("import", "assessments", str(extra), "--ignore", "teacher")
    assert ignored.returncode == 0, ignored.stderr
    standard_input = product.run_command("import", "assessments", "-", "--json", input=HEADER + GOOD)
    assert json.loads(standard_input.stdout)["duplicate"] == 1
    lines = tmp_path / "pupils.ndjson"
    lines.write_text('{"school":"elm","pupil":"N1","enrolled_on":"2026-09-01"}\n')
    assert product.run_command("import", "pupils", str(lines), "--source", "mis").returncode == 0


def test_a_curriculum_with_marks(product: Product, tmp_path: Path) -> None:
    path = tmp_path / "tests.csv"
    path.write_text("framework,version,subject,ability,objective\ntests,1,science,Y3,t1\n")
    done = product.run_command("import", "curriculum", str(path), "--states", "marks:40")
    assert done.returncode == 0, done.stderr
    wrong = product.run_command("import", "curriculum", str(path), "--states", "marks:many")
    assert wrong.returncode == 1 and "states" in one_line(wrong)


def test_keys_are_made_listed_and_revoked(product: Product) -> None:
    made = product.run_command("keys", "create", "reader of elm", "--school", "elm", "--can", "read", "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)
    assert product.run_command(*REPORT, "--key", key["key"]).returncode == 0
    listed = product.run_command("keys", "list")
    assert "reader of elm" in listed.stdout and key["key"] not in listed.stdout
    assert product.run_command("keys", "revoke", key["key_id"]).returncode == 0
    both = product.run_command("keys", "create", "x", "--school", "elm", "--all-schools", "--can", "read")
    assert both.returncode == 2
    unknown = product.run_command("keys", "create", "x", "--all-schools", "--can", "fly")
    assert unknown.returncode == 1 and "fly" not in unknown.stdout and one_line(unknown)


def test_verify_status_and_dead_letters(product: Product) -> None:
    verified = product.run_command("verify", "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["equal"] is True
    status = product.run_command("projector", "status", "--json")
    assert status.returncode == 0, status.stderr
    assert sum(partition["facts"] for partition in json.loads(status.stdout)["partitions"]) > 0
    assert product.run_command("projector", "status").returncode == 0
    letters = product.run_command("deadletters", "list", "--json")
    assert (letters.returncode, json.loads(letters.stdout)["dead_letters"]) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("report", "overview", "school"), 2, "KEY=VALUE"),
        (("report", "overview", "school=elm", "measure=nonsense"), 1, "measure"),
        (("report", "horoscope", "school=elm"), 1, ""),
        (("import", "assessments", "no-such-file.csv"), 2, "no such file"),
        (("report", "overview", "school=elm", "--url", "ftp://elm"), 2, "MARKLEDGER_URL"),
        (("report", "overview", "school=elm", "--key", "wrong"), 1, "key"),
    ],
)
def test_failures_are_one_line(product: Product, arguments: tuple[str, ...], code: int, word: str) -> None:
    done = product.run_command(*arguments)
    assert done.returncode == code, done.stderr
    assert word in one_line(done)
    assert done.stdout == ""


def test_wrong_usage_exits_2(product: Product) -> None:
    for arguments in (("fly",), ("import",), ("report",), ("up", "--port", "70000"), ("report", "x", "--fast")):
        done = product.run_command(*arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr


def test_nobody_listening_exits_4(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    environment = clean_environment({"MARKLEDGER_URL": url, "MARKLEDGER_DATA_DIR": str(tmp_path)})
    done = subprocess.run([str(COMMAND), *REPORT], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 4
    assert url in one_line(done)


def test_settings_that_are_wrong_are_told_by_name(tmp_path: Path) -> None:
    environment = clean_environment({"MARKLEDGER_ADMIN_KEY": "short", "MARKLEDGER_DATA_DIR": str(tmp_path)})
    done = subprocess.run([str(COMMAND), "up"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "MARKLEDGER_ADMIN_KEY" in one_line(done)
