"""Every piece of a plan on the pages is a plan once the rest is written around it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from seatrial.authoring.yaml_plan import load_plan
from seatrial.model.plan import Plan, plan_json_schema

DOCS = Path(__file__).parents[2] / "docs"
KINDS = ("load", "stress", "spike", "soak", "recovery", "scalability")
PAGES = ("plans.md", "how-to/scripting.md", "how-to/sessions.md", *(f"how-to/{kind}.md" for kind in KINDS))
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
AROUND: dict[str, Any] = {
    "seatrial": 1,
    "title": "Around a piece",
    "target": "http://127.0.0.1:8080",
    "demand": {"peak": "2/s"},
    "set_up": {"steps": [{"get": "/s", "extract": {name: {"json": "$.x"} for name in ("slot", "token", "day")}}]},
    "journeys": {"j": {"steps": [{"get": "/around"}]}},
    "trials": [{"kind": "load", "at": "1 P", "for": "5s", "objectives": ["errors <= 1%"]}],
}
PIECES = [
    pytest.param(block, id=f"{page}-{index}")
    for page in PAGES
    for index, block in enumerate(BLOCK.findall((DOCS / page).read_text(encoding="utf-8")))
]


def whole(piece: Any) -> dict[str, Any]:
    """Return the plan around a piece: trials, steps, keys of a journey or keys of the plan."""
    plan = copy.deepcopy(AROUND)
    if isinstance(piece, list) and "kind" in piece[0]:
        plan["trials"] = piece
    elif isinstance(piece, list):
        plan["journeys"]["j"] = {"feed": {"patron": {"csv": "patrons.csv", "order": "cycle"}}, "steps": piece}
    elif "steps" in piece:
        plan["journeys"]["j"] = piece
    else:
        plan |= piece
    for trial in plan["trials"]:
        if any("step home" in str(limit) for limit in trial["objectives"]):
            plan["journeys"]["j"] = {"steps": [{"get": "/", "name": "home", "resources": True}]}
    return plan


def write_files(folder: Path) -> None:
    people = "".join(f"P{i},{i},x,Chan,{i % 2}\n" for i in range(200_000))
    (folder / "patrons.csv").write_text(f"id,pin,place,name,kind\n{people}", encoding="ascii")
    (folder / "parties.jsonl").write_text('{"places": 1, "members": [{"age": 71}]}\n')
    (folder / "photos").mkdir()
    (folder / "photos" / "front.jpg").write_bytes(b"jpg")
    (folder / "scan.pdf").write_bytes(b"pdf")
    (folder / "journeys.py").write_text(
        "async def book(session):\n    await session.get('/', name='list sessions')\n"
        "    await session.get('/', name='book')\n"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("documented")
    write_files(made)
    return made


@pytest.mark.parametrize("block", PIECES)
def test_every_piece_on_the_pages_is_taken_by_the_reader_and_by_the_schema(block: str, folder: Path) -> None:
    plan = whole(YAML(typ="safe", pure=True).load(block))
    assert list(Draft202012Validator(plan_json_schema()).iter_errors(plan)) == []
    (folder / "plan.yaml").write_text(json.dumps(plan), encoding="utf-8")
    load_plan(folder / "plan.yaml")


def test_the_pages_have_pieces_and_name_every_key_of_a_step_and_of_a_plan() -> None:
    assert len(PIECES) > 30
    text = (DOCS / "plans.md").read_text(encoding="utf-8")
    schema = plan_json_schema()
    for part in ("RequestStep", "RepeatStep", "GroupStep", "ChooseStep", "Journey", "Condition", "Retry", "ThinkTime"):
        definition = schema["$defs"][part]
        keys = (definition.get("properties") or definition["anyOf"][1]["properties"]).keys()
        assert [key for key in keys if not re.search(rf"\b{key}\b", text)] == [], part
    assert [key for key in Plan.model_json_schema()["properties"] if f"`{key}`" not in text] == []
