# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forge's CI runs what the Makefile and tests/cores.py have, and may do no more than read."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

import cores
import pytest
import yaml

from support.toolchain import ROOT


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    # BaseLoader: "on" is a name, and versions are texts.
    found: dict[str, Any] = yaml.load((ROOT / ".github" / "workflows" / "ci.yml").read_text(), yaml.BaseLoader)
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, str]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_its_jobs_are_the_stages_of_make_test(workflow: dict[str, Any]) -> None:
    (stages,) = re.findall(r"^STAGES \?= (.*)$", (ROOT / "Makefile").read_text(), re.M)
    jobs = [job for job in workflow["jobs"].values() if "stage" in job["strategy"]["matrix"]]
    run = [stage for job in jobs for stage in job["strategy"]["matrix"]["stage"]]
    assert sorted(run) == sorted([*stages.split(), "long", "site"])
    assert all("make test STAGES=${{ matrix.stage }}" in job["steps"][-1]["run"] for job in jobs)


def test_the_script_for_one_machine_makes_the_same() -> None:
    made = re.findall(r"^make (.*?) \|\| code=1$", (ROOT / ".ci" / "run").read_text(), re.M)
    assert made == ["test", "test STAGES=long", "cores CORES=others", "site"]
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M)
    assert {words.split()[0] for words in made} <= set(targets)


def test_its_cores_are_those_of_make_cores(workflow: dict[str, Any]) -> None:
    job = workflow["jobs"]["cores"]
    assert job["strategy"]["matrix"]["core"] == [*cores.CORES, cores.CANDIDATE[0]]
    assert job["steps"][-1]["run"] == "make cores CORES=${{ matrix.core }}"
    (pythons,) = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    wanted = {"{}.{}".format(*python) for _core, python in (*cores.CORES.values(), cores.CANDIDATE[1])}
    assert wanted <= set(pythons.split())


def test_the_script_leaves_out_no_core_but_that_of_make_test() -> None:
    left = {*cores.CORES, cores.CANDIDATE[0]} - set(cores.others())
    # What make test runs on is the newest for its Python, by tests/requirements.txt.
    assert len(left) <= 1
    assert all(cores.CORES[name][0].endswith(metadata.version("ansible-core")) for name in left)


def test_it_may_read_and_runs_releases_of_actions(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert not [job for job in workflow["jobs"].values() if "permissions" in job]
    uses = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert uses and [use for use in uses if not re.fullmatch(r"actions/[a-z-]+@v\d+", use)] == []
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(workflow["jobs"])
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)
