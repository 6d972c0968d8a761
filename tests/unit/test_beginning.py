"""What is asked of a run is checked before anything is touched: people, regions, approvals, other runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recovery import continuity
from recovery.engine import beginning, database
from recovery.engine.journal import Journal
from recovery.engine.record import Account, Answer
from recovery.errors import InputError
from tests.fakes import contracts

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = Account(provider="aws", account="123456789012", endpoint="aws")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "continuity.yaml", tmp_path)
    shutil.copytree(ROOT / "plans", tmp_path / "plans")
    monkeypatch.delenv("LIFEBOAT_STATE", raising=False)
    contracts.keep(tmp_path / ".lifeboat")
    return tmp_path


def drafted(project: Path, **order: object) -> beginning.Draft:
    wanted = beginning.Order(plan="region-loss", by="ada", **order)  # type: ignore[arg-type]
    return beginning.draft(project, wanted, accounts=(ACCOUNT,))


def changed(project: Path, before: str, after: str) -> None:
    path = project / "plans" / "region-loss.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "owner: communications",
            "owner: nobody",
            r":\d+:5: step `tell-people`: owner `nobody` is no",
        ),
        (
            "any-of: [cto,",
            "any-of: [king,",
            r":\d+:5: step `cutover`: nobody in .* is `king`",
        ),
        ("loses: [source]", "loses: [mars]", r"region-loss.yaml:\d+:9: `mars` is to be lost, and is neither"),
        ("site: dr-aws", "site: dr-mars", r"region-loss.yaml:\d+:3: there is no site `dr-mars`"),
        ("site: dr-aws", "site: prod", "prod cannot take over from itself"),
    ],
)
def test_a_plan_that_names_what_is_not_there_is_refused_with_its_place(
    project: Path, before: str, after: str, said: str
) -> None:
    changed(project, before, after)
    with pytest.raises(InputError, match=said) as refused:
        drafted(project)
    assert refused.value.cure


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(kind="approve", step="cutovre", by="ada"), "--approve cutovre: no such step"),
        (Answer(kind="approve", step="assess", by="ada"), "--approve assess: no such step"),
        (
            Answer(kind="approve", step="cutover", by="eva"),
            "cutover: eva may not; ada, ben, dana may",
        ),
        (Answer(kind="done", step="cutover", by="ada"), "--done cutover: no such step"),
    ],
)
def test_an_approval_that_could_never_count_is_refused_at_once(
    project: Path, answer: Answer, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        drafted(project, answers=(answer,))


def test_a_region_that_does_not_exist_cannot_be_lost(project: Path) -> None:
    with pytest.raises(InputError, match="`mars` is to be lost"):
        drafted(project, lost=("mars",))
    assert "us-east-1" in drafted(project, lost=("us-east-1",)).record.lost


def test_a_second_run_beside_an_unfinished_one_is_refused(project: Path) -> None:
    draft = drafted(project)
    state = continuity.state_folder(project)
    beginning.refuse_second(draft, state)
    folder = state / "runs" / draft.record.id
    folder.mkdir(parents=True)
    draft.record.save(folder)
    with pytest.raises(InputError, match=f"run {draft.record.id} is not finished: it waits") as refused:
        beginning.refuse_second(drafted(project), state)
    assert f"dr resume {draft.record.id}" in refused.value.cure
    engine = database.connect(state)
    Journal.create(engine)
    Journal(engine, draft.record.id).write(draft.record.since, "finished", data={"outcome": "aborted"})
    engine.dispose()
    beginning.refuse_second(drafted(project), state)


def test_a_plan_that_is_no_text_is_refused(project: Path) -> None:
    (project / "plans" / "region-loss.yaml").write_bytes(b"version: 1\nscenario: \xff\xfe")
    with pytest.raises(InputError, match=r"region-loss.yaml:2: not text in UTF-8"):
        drafted(project)
    (project / "plans" / "region-loss.yaml").write_bytes(b"version: 1\nscenario: a\x00b")
    with pytest.raises(InputError, match="not YAML"):
        drafted(project)
