"""What people read when a program of a rehearsal fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from recovery.errors import LifeboatError
from rehearsal.company import Platform
from rehearsal.stacks import Pulumi

SAID = """Updating (edge):
 +  aws:route53:Record service creating (0s) error: creating urn: it went wrong
@ updating....
Policies:
    ❌ lifeboat@v0.0.1
        - [mandatory]  databases-encrypted  (aws:rds/instance:Instance: db)
          storageEncrypted must be true
Diagnostics:
  aws:route53:Record (service):
    error: 1 error occurred:
    \t* creating urn: An error occurred (AccessDenied) when calling ChangeResourceRecordSets

Resources:
    + 11 created
"""


def failed(tmp_path: Path, said: str) -> LifeboatError:
    program = tmp_path / "pulumi"
    (tmp_path / "said").write_text(said)
    program.write_text(f"#!/bin/sh\ncat '{tmp_path}/said'\nexit 255\n")
    program.chmod(0o755)
    pulumi = Pulumi(tmp_path, {"PATH": f"{tmp_path}:/usr/bin:/bin"}, tmp_path / "logs")
    with pytest.raises(LifeboatError) as error:
        pulumi.up("edge")
    return error.value


def test_a_failed_update_tells_causes_and_violated_policies_and_no_progress(tmp_path: Path) -> None:
    told = failed(tmp_path, SAID)
    assert "An error occurred (AccessDenied)" in told.means
    assert "storageEncrypted must be true" in told.means
    assert "updating" not in told.means and "11 created" not in told.means
    assert (tmp_path / "logs" / "edge-up.failed.log").read_text() == SAID


def test_a_program_that_says_nothing_known_is_quoted_from_its_end(tmp_path: Path) -> None:
    assert failed(tmp_path, "panic: no more\n" * 40).means.count("panic: no more") == 12


def test_what_a_failed_command_of_ours_says_is_told_as_its_reason(tmp_path: Path) -> None:
    nowhere: Any = None
    here = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with pytest.raises(LifeboatError) as error:
        Platform(nowhere, tmp_path, here, nowhere).dr("state", "show")
    assert "continuity.yaml" in error.value.means
    assert not error.value.means.startswith("error:")
