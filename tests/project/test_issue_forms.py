"""GitHub leaves out a form for issues that differs from its schema, without a message: the forms have it."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMS = {path.name: path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))}
TOP = {"name", "description", "body", "title", "labels", "assignees", "projects", "type"}
# Type of a field -> the attributes that it must have, and those that it may have.
FIELDS = {
    "markdown": ({"value"}, set()),
    "input": ({"label"}, {"description", "placeholder", "value"}),
    "textarea": ({"label"}, {"description", "placeholder", "value", "render"}),
    "dropdown": ({"label", "options"}, {"description", "multiple", "default"}),
    "checkboxes": ({"label", "options"}, {"description"}),
}


def faults(form: dict) -> list[str]:
    """Where a form differs from GitHub's schema of issue forms."""
    found = [f"unknown key {key}" for key in sorted(form.keys() - TOP)]
    found += [f"no {key}" for key in ("name", "description", "body") if not form.get(key)]
    body = form.get("body") or []
    for number, field in enumerate(body, start=1):
        attributes = field.get("attributes", {})
        if field.get("type") not in FIELDS:
            found.append(f"field {number}: unknown type {field.get('type')}")
            continue
        needed, allowed = FIELDS[field["type"]]
        found += [f"field {number}: no {key}" for key in sorted(needed) if not attributes.get(key)]
        found += [f"field {number}: unknown {key}" for key in sorted(attributes.keys() - needed - allowed)]
        found += [
            f"field {number}: unknown key {key}"
            for key in sorted(field.keys() - {"type", "id", "attributes", "validations"})
        ]
        if not all(isinstance(attributes.get(key, ""), str) for key in ("label", "description")):
            found.append(f"field {number}: label and description are text")
        if not re.fullmatch(r"[\w-]+", field.get("id", "none")):
            found.append(f"field {number}: id {field['id']!r}")
        if field.get("validations", {}) not in ({}, {"required": True}, {"required": False}):
            found.append(f"field {number}: validations {field['validations']}")
        options = attributes.get("options", [])
        if len({str(option) for option in options}) < len(options):
            found.append(f"field {number}: an option is there twice")
    for key, values in {
        "id": [field["id"] for field in body if "id" in field],
        "label": [field.get("attributes", {}).get("label") for field in body if field["type"] != "markdown"],
    }.items():
        if len(set(values)) < len(values):
            found.append(f"two fields have the same {key}")
    if all(field.get("type") == "markdown" for field in body):
        found.append("no field to fill in")
    return found


@pytest.mark.parametrize("name", FORMS)
def test_form_has_the_schema_of_github(name: str):
    assert faults(yaml.safe_load(FORMS[name].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda form: form.update(heading="x"), "unknown key heading"),
        (lambda form: form.pop("description"), "no description"),
        (lambda form: form["body"][0].update(type="text"), "field 1: unknown type text"),
        (lambda form: form["body"][0]["attributes"].pop("label"), "field 1: no label"),
        (lambda form: form["body"][0]["attributes"].update(help="x"), "field 1: unknown help"),
        (lambda form: form["body"][0].update(required=True), "field 1: unknown key required"),
        (lambda form: form["body"][0].update(id="two words"), "field 1: id 'two words'"),
        (
            lambda form: form["body"][0]["attributes"]["options"].append("The site"),
            "an option is there twice",
        ),
        (lambda form: form["body"][1].update(id=form["body"][0]["id"]), "two fields have the same id"),
        (lambda form: form.update(body=[{"type": "markdown", "attributes": {"value": "x"}}]), "to fill in"),
    ],
)
def test_fault_in_a_form_is_found(change, fault: str):
    form = copy.deepcopy(yaml.safe_load(FORMS["does-not-work.yml"].read_text(encoding="utf-8")))
    change(form)
    assert fault in " ".join(faults(form))


def test_form_for_a_wrong_statement_asks_for_what_shows_it():
    """The errata page links to this form by its file name (tests/notebooks/test_address.py)."""
    form = yaml.safe_load(FORMS["wrong-statement.yml"].read_text(encoding="utf-8"))
    assert form["name"] == "A statement is wrong"
    required = [field["id"] for field in form["body"] if field.get("validations", {}).get("required")]
    assert required == ["page", "place", "statement", "counterexample"]
