"""The program as a whole: what it exports, what it keeps, and how it refuses."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from infra.outputs import EdgeContract, SiteContract, read
from infra.publish import contract_file, last_contract
from infra.settings import SettingsError
from tests.infra.engine import PROJECT, Stack, run


@pytest.mark.parametrize("site", ["edge", "standby", "primary", "serving"])
def test_a_stack_exports_its_contract_and_nothing_else(site: str, request: pytest.FixtureRequest) -> None:
    outputs = request.getfixturevalue(site).outputs
    assert list(outputs) == ["contract"]
    kind = EdgeContract if site == "edge" else SiteContract
    assert kind.model_validate(outputs["contract"])


def test_the_contract_is_kept_as_a_file_after_an_update(
    standby: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFEBOAT_STATE", str(tmp_path))
    made = run("edge")
    assert read(contract_file("edge")).model_dump(mode="json") == made.outputs["contract"]
    assert [path.name for path in contract_file("edge").parent.iterdir()] == ["edge.json"]


def test_a_preview_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFEBOAT_STATE", str(tmp_path))
    run("edge", preview=True)
    assert not contract_file("edge").exists()


def test_a_site_without_edge_says_what_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFEBOAT_STATE", str(tmp_path))
    with pytest.raises(SettingsError, match="pulumi up --stack edge"):
        run("dr-aws")


def test_a_contract_of_the_wrong_kind_is_refused(stacks: dict[str, Stack]) -> None:
    with pytest.raises(SettingsError, match="of kind `edge`"):
        last_contract("edge", SiteContract)


def test_a_damaged_contract_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFEBOAT_STATE", str(tmp_path))
    contract_file("edge").parent.mkdir(parents=True)
    contract_file("edge").write_text('{"kind": "edge"}')
    with pytest.raises(SettingsError, match="not a contract of this version"):
        last_contract("edge", EdgeContract)


@pytest.mark.parametrize(
    ("there", "here", "key", "cure"),
    [
        ({"objectStores": [{"name": "uploads"}]}, {}, "objectStores", "exports, which dr-aws does not have"),
        ({"databaseName": "other"}, {}, "databaseName", "same into Pulumi.dr-aws.yaml"),
        ({}, {"databaseStorageGb": "100"}, "databaseStorageGb", "the standby's is 50"),
        ({}, {"standbyStack": "prod"}, "standbyStack", "role is primary"),
        (
            {},
            {"aws:region": "eu-west-1", "zones": ["eu-west-1a", "eu-west-1b"]},
            "edgeStack",
            "set standbyRegion in Pulumi.edge.yaml",
        ),
    ],
)
def test_a_primary_that_is_at_odds_with_its_standby_is_refused(
    stacks: dict[str, Stack],
    there: dict[str, object],
    here: dict[str, object],
    key: str,
    cure: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(contract_file("edge").parent, tmp_path / "contracts")
    monkeypatch.setenv("LIFEBOAT_STATE", str(tmp_path))
    if there:
        run("dr-aws", there)
    with pytest.raises(SettingsError, match=cure) as refused:
        run("prod", here)
    assert str(refused.value).startswith(f"Pulumi.prod.yaml: lifeboat:{key} ")


def test_everything_taggable_says_its_class_owner_and_stack(primary: Stack) -> None:
    for resource in primary.declared:
        tags = resource.inputs.get("tags")
        if isinstance(tags, dict):
            assert tags["class"] in {"critical", "non-critical"}
            assert (tags["owner"], tags["stack"]) == ("ops", "prod")


def test_the_entry_point_stays_small() -> None:
    assert len((PROJECT / "infra" / "__main__.py").read_text().splitlines()) <= 40


def test_no_part_of_infra_knows_of_rehearsals() -> None:
    for path in (PROJECT / "infra").rglob("*.py"):
        names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
        assert not [name for name in names if "rehears" in name.lower()], path


def test_edge_does_not_load_what_only_sites_need() -> None:
    imported = {
        name
        for path in (PROJECT / "infra" / "edge").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    }
    heavy = ("pulumi_aws.ec2", "pulumi_aws.rds", "infra.aws.network", "infra.aws.platform")
    assert not imported & set(heavy)
