"""Every recovery action against sites in memory: the action contract, and what each promises of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recovery import claims
from recovery.actions import registry
from recovery.actions._common import restored_identifier
from recovery.actions.base import Context, Fact, With
from recovery.actions.facts import (
    AccessIssued,
    Checked,
    DatabaseRestored,
    RecoveryPoint,
    ServiceVerified,
    SiteLost,
    SiteQuarantined,
    WebUp,
)
from recovery.clock import FakeClock
from recovery.continuity import Continuity
from recovery.endpoints import Reply
from recovery.errors import ActionFailed, Cancelled, OutOfTime, Refusal, Unavailable
from recovery.runner.jobs import NO_PASSWORD_OPENS, Result
from recovery.sites.values import Group, Health
from tests.fakes import contracts
from tests.fakes.engine import COMPANY
from tests.fakes.sites import NOW, FakeEndpoints, FakeSite, FakeSites

RUN = "region-loss-20261121-140200-abc"
NAME = "shop-db-20261121-140200-abc"
WITHS: dict[str, dict[str, Any]] = {"notify": {"message": "We are back."}}
ALONE = [
    "assess-site", "fence-site", "choose-recovery-point", "restore-database", "deploy-artefact",
    "verify-service", "switch-name", "quarantine-site", "notify",
]  # fmt: skip
"""Actions that need no Pulumi engine and no database."""
ALL = [name for name in registry.names() if not name.startswith(("note", "find", "use", "fixed", "half"))]


class Room:
    """A context, and the world behind it."""

    def __init__(self, folder: Path) -> None:
        self.source, self.target = contracts.site("prod"), contracts.site("dr-aws")
        self.sites = FakeSites(self.source, self.target)
        self.clock = FakeClock(moment=NOW)
        self.said: list[str] = []
        self.cancelled = False
        self.latched: bool | None = True
        """Where the latch stands when a site is to be quarantined."""
        checks = folder / "checks"
        checks.mkdir()
        (checks / "shop.yaml").write_text(
            "version: 1\nhttp:\n  - {name: it answers, path: /ready, expect: {contains: ok}}\n"
            "sql:\n  - {name: orders, query: select 1, expect: '1'}\n"
        )
        self.folder = folder
        self.facts: dict[type[Fact], Fact] = {}
        for fact in _earlier():
            self.facts[type(fact)] = fact

    def context(self, name: str, **with_: Any) -> Context:
        kind: type[With] = registry.find(name).With
        if name == "quarantine-site" and not self.sites.the_latch.there:
            self.sites.the_latch.there = self.latched
        return Context(
            run=RUN,
            step=name,
            attempt=1,
            with_=kind.model_validate({**WITHS.get(name, {}), **with_}),
            lost=frozenset({"eu-central-1"}),
            target=self.target,
            source=self.source,
            edge=contracts.edge(),
            continuity=Continuity.model_validate(COMPANY),
            sites=self.sites,
            clock=self.clock,
            folder=self.folder,
            project=self.folder,
            deadline=NOW + timedelta(minutes=30),
            cancelled=lambda: self.cancelled,
            progress=lambda text, _share: self.said.append(text),
            facts=self.facts,
        )

    @property
    def standby(self) -> FakeSite:
        return self.sites.of(self.target)


def _earlier() -> Iterator[Fact]:
    yield SiteLost(site="prod", region="eu-central-1", evidence=(), assessed_at=NOW)
    yield RecoveryPoint(
        backups="arn:backups", database="shop-db", source_region="eu-central-1", loss_seconds=90,
        storage_gb=50,
        restore_to=NOW - timedelta(seconds=90), engine_version="17.6",
    )  # fmt: skip
    yield DatabaseRestored(
        identifier=NAME, resource_id="db-1", arn="arn", host="10.20.1.7", port=5432, restored_to=NOW
    )
    yield AccessIssued(identifier=NAME, host="10.20.1.7", port=5432, roles=("shopadmin", "shop"))
    yield WebUp(servers=2, version="v1")
    yield ServiceVerified(checks=(Checked(name="a", ok=True, detail=""),), watermark=None)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = Room(tmp_path)
    made.standby.web.now = Group(2, 2, 6, 2, False)
    return made


# --- every action ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_nothing_on_the_way_back_needs_the_lost_region(name: str, room: Room) -> None:
    needs = registry.find(name)().needs(room.context(name))
    assert needs
    if name != "quarantine-site":
        assert "eu-central-1" not in {need.region for need in needs}


@pytest.mark.parametrize("name", ALL)
def test_a_person_with_a_shell_can_do_it_too(name: str, room: Room) -> None:
    text = registry.find(name)().by_hand(room.context(name))
    assert any(word in text for word in ("aws ", "pulumi ", "curl ", "dig "))
    assert "standby-master" not in text and "t0k3n" not in text


@pytest.mark.parametrize("name", ALL)
def test_what_cannot_be_undone_says_why(name: str, room: Room) -> None:
    action = registry.find(name)()
    if action.irreversible:
        with pytest.raises(Refusal, match=action.irreversible[:20]):
            action.undo(room.context(name), None)


@pytest.mark.parametrize("name", ALL)
def test_permissions_are_named_one_by_one(name: str) -> None:
    """But for descriptions: what Pulumi's provider reads differs from version to version."""
    permissions = registry.find(name).permissions
    named = [p for p in permissions if not p.endswith(":Describe*")]
    assert named and not [p for p in named if "*" in p or ":" not in p]


@pytest.mark.parametrize("name", ALONE)
def test_a_preview_changes_nothing(name: str, room: Room) -> None:
    room.facts.clear()
    before = dict(room.sites.effects)
    registry.find(name)().preview(room.context(name))
    assert dict(room.sites.effects) == before


@pytest.mark.parametrize("name", ALONE)
def test_done_twice_is_done_once(name: str, room: Room) -> None:
    """As after a kill -9 behind the last effect: the second attempt finds what the first one made."""
    action = registry.find(name)()
    first = action.perform(room.context(name))
    once = dict(room.sites.effects)
    second = action.perform(replace(room.context(name), attempt=2))
    action.verify(room.context(name), second)
    assert dict(room.sites.effects) == once
    assert type(first) is type(second) is (action.gives or type(None))


@pytest.mark.parametrize("name", ALONE)
def test_facts_survive_the_record(name: str, room: Room) -> None:
    fact = registry.find(name)().perform(room.context(name))
    assert fact is not None and type(fact).model_validate_json(fact.model_dump_json()) == fact
    assert fact.says()
    assert "standby-" not in fact.model_dump_json() + " ".join(room.said)


# --- each of them ---------------------------------------------------------------------------------


def test_a_site_that_one_path_still_reaches_is_not_given_up(room: Room) -> None:
    room.sites.of(room.source).lost = False
    room.sites.check = Health.UNKNOWN
    with pytest.raises(ActionFailed, match="not proven lost"):
        registry.find("assess-site")().perform(room.context("assess-site"))


@pytest.mark.parametrize(("latch", "why"), [(False, "is not engaged"), (None, "cannot be read")])
def test_a_site_that_customers_may_be_led_to_is_not_quarantined(
    latch: bool | None, why: str, room: Room
) -> None:
    room.latched = latch
    action = registry.find("quarantine-site")()
    with pytest.raises(Refusal, match=f"the latch {why}"):
        action.perform(room.context("quarantine-site"))
    assert not room.sites.of(room.source).fence.quarantined
    assert why in action.preview(room.context("quarantine-site")).refusals[0]


def test_who_brings_a_quarantined_stack_up_again_opens_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFEBOAT_STATE", str(room.folder / "state"))
    (room.folder / "Pulumi.yaml").write_text("name: lifeboat\nruntime: python\nmain: infra/\n")
    tracked = room.folder / "Pulumi.prod.yaml"
    tracked.write_text('config:\n  lifeboat:jobs: "on"\n  lifeboat:holdingPage: "off"\n')
    fact = registry.find("quarantine-site")().perform(room.context("quarantine-site"))
    assert isinstance(fact, SiteQuarantined)
    patch = Path(fact.patch).read_text()
    assert '+  lifeboat:jobs: "off"' in patch and '+  lifeboat:holdingPage: "on"' in patch
    assert "pulumi up --stack prod" in fact.says() and fact.patch in fact.says()
    assert '"on"' in tracked.read_text(), "recovery writes no tracked file"


def test_a_database_that_no_known_password_opens_gets_one_by_the_api_once_it_may(room: Room) -> None:
    """Rotated twice since the recovery point: neither the current nor the previous secret opens it."""
    looks = iter([None, None, None, Result(ok=True, values={"app_role": "shop"})])
    runner = room.standby.runner
    runner.start = lambda key, job, tags: "i-1"  # type: ignore[method-assign]
    runner.result = lambda key: next(looks)  # type: ignore[method-assign]
    runner.progress = lambda key: f"{NO_PASSWORD_OPENS}: password authentication failed"  # type: ignore[method-assign]
    room.standby.database.busy = 1
    fact = registry.find("issue-credentials")().perform(room.context("issue-credentials"))
    assert isinstance(fact, AccessIssued)
    assert room.standby.database.passwords == {NAME: "standby-master"}


def test_who_knows_better_may_leave_a_site_that_is_reached(room: Room) -> None:
    room.sites.of(room.source).lost = False
    found = registry.find("assess-site")().perform(room.context("assess-site", paths=0))
    assert isinstance(found, SiteLost) and any("healthy" in line for line in found.evidence)


def test_an_unfit_target_is_refused_before_anything_is_done(room: Room) -> None:
    room.standby.lost = True
    with pytest.raises(ActionFailed, match="eu-west-1 is not fit"):  # silence may pass: it is asked again
        registry.find("assess-site")().perform(room.context("assess-site"))


def test_two_operators_never_recover_to_the_same_site_beside_each_other(room: Room) -> None:
    assess = registry.find("assess-site")()
    room.standby.web.now = Group(0, 0, 6, 0, False)
    assess.perform(room.context("assess-site"))
    assess.perform(room.context("assess-site"))
    other = replace(room.context("assess-site"), run="region-loss-20261121-140300-xyz")
    assert RUN in assess.preview(other).refusals[0]
    with pytest.raises(Refusal, match=f"run {RUN} .* recovers to dr-aws already") as told:
        assess.perform(other)
    assert "--use assess-site.again=true" in told.value.cure
    claims.leave(room.standby.stores, "dr-aws", other.run)
    assert claims.held(room.standby.stores, "dr-aws") is not None, "only its own"
    claims.leave(room.standby.stores, "dr-aws", RUN)
    assess.perform(other)


def test_a_person_may_go_over_the_claim_of_a_run_that_is_dead(room: Room) -> None:
    assess = registry.find("assess-site")()
    assess.perform(room.context("assess-site"))
    assess.perform(replace(room.context("assess-site", again=True), run="r-2"))
    held = claims.held(room.standby.stores, "dr-aws")
    assert held is not None and held.run == "r-2"


def test_a_claim_that_cannot_be_made_does_not_stop_the_recovery(room: Room) -> None:
    room.standby.stores.down = True
    registry.find("assess-site")().perform(room.context("assess-site"))
    assert "other operators cannot see this run" in room.said[-1]


def test_a_site_that_serves_already_is_not_recovered_to_once_more(room: Room) -> None:
    room.standby.web.held = False
    with pytest.raises(Refusal, match="dr-aws in eu-west-1 serves already, by 2 healthy servers") as refused:
        registry.find("assess-site")().perform(room.context("assess-site"))
    assert "--use assess-site.again=true" in refused.value.cure
    preview = registry.find("assess-site")().preview(room.context("assess-site"))
    assert "serves already" in preview.refusals[0]
    assert registry.find("assess-site")().perform(room.context("assess-site", again=True))


def test_the_cutover_needs_no_write_where_the_latch_is_engaged(room: Room) -> None:
    class ReadOnly(type(room.sites.latch(room.context("switch-name").edge))):  # type: ignore[misc]
        def engage(self, reason: str) -> None:
            raise ActionFailed("SlowDown")

    latch = room.sites.latch(room.context("switch-name").edge)
    latch.engage("fenced")
    latch.__class__ = ReadOnly
    assert registry.find("switch-name")().perform(room.context("switch-name"))


def test_a_loss_beyond_the_promise_is_a_persons_to_accept(room: Room) -> None:
    context = replace(room.context("choose-recovery-point"), promised_rpo=60.0)
    choose = registry.find("choose-recovery-point")()
    with pytest.raises(Refusal, match="90s of writes would be lost, and the plan promises 60s") as refused:
        choose.perform(context)
    assert "--use choose-recovery-point.beyond_promise=true" in refused.value.cure
    assert "more than the promised 60s" in choose.preview(context).notes[0]
    accepted = room.context("choose-recovery-point", beyond_promise=True)
    assert isinstance(choose.perform(replace(accepted, promised_rpo=60.0)), RecoveryPoint)


def test_nothing_is_lost_after_the_outage_began(room: Room) -> None:
    context = replace(room.context("choose-recovery-point"), since=NOW - timedelta(seconds=80))
    point = registry.find("choose-recovery-point")().perform(context)
    assert isinstance(point, RecoveryPoint) and point.loss_seconds == 10


def test_another_class_is_restored_to_and_adopted_as_such(room: Room) -> None:
    action = registry.find("restore-database")()
    fact = action.perform(room.context("restore-database", instance_class="db.r7g.large"))
    assert isinstance(fact, DatabaseRestored) and fact.instance_class == "db.r7g.large"
    assert "--db-instance-class db.r7g.large" in action.by_hand(
        room.context("restore-database", instance_class="db.r7g.large")
    )


def test_the_recovery_point_is_the_latest_and_its_loss_is_stated(room: Room) -> None:
    point = registry.find("choose-recovery-point")().perform(room.context("choose-recovery-point"))
    assert isinstance(point, RecoveryPoint)
    assert (point.restore_to, point.loss_seconds) == (NOW - timedelta(seconds=90), 90.0)


def test_a_moment_outside_of_the_window_is_refused(room: Room) -> None:
    context = room.context("choose-recovery-point", prefer="moment", moment=NOW)
    with pytest.raises(ActionFailed, match="outside of the backups' window"):
        registry.find("choose-recovery-point")().perform(context)


@pytest.mark.parametrize("with_", [{"prefer": "moment"}, {"moment": "2026-11-21T14:00:00"}])
def test_a_moment_that_says_not_when_is_refused_with_the_plan(with_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"names no moment|timezone"):
        registry.find("choose-recovery-point").With.model_validate(with_)


def test_without_replicated_backups_it_says_which_there_are(room: Room) -> None:
    room.standby.database.replicated = [
        replace(b, database="other") for b in room.standby.database.replicated
    ]
    with pytest.raises(ActionFailed, match=r"no backups of shop-db .* there are: other of eu-central-1"):
        registry.find("choose-recovery-point")().perform(room.context("choose-recovery-point"))


def test_a_restore_does_not_wait_until_it_is_available(room: Room) -> None:
    fact = registry.find("restore-database")().perform(room.context("restore-database"))
    assert isinstance(fact, DatabaseRestored)
    assert room.standby.database.known[NAME].status == "backing-up"
    assert fact.host == "10.20.1.7"


def test_a_key_that_is_being_deleted_shows_in_the_dry_run(room: Room) -> None:
    room.standby.database.key = "key mrk-1 is PendingDeletion"
    preview = registry.find("restore-database")().preview(room.context("restore-database"))
    assert preview.refusals == ("key mrk-1 is PendingDeletion",)


def test_a_failed_runner_is_told_and_started_anew_by_the_next_attempt(room: Room) -> None:
    room.standby.runner.fail.add("await-sql")
    action = registry.find("restore-database")()
    with pytest.raises(ActionFailed, match="it failed"):
        action.perform(room.context("restore-database"))
    action.perform(replace(room.context("restore-database"), attempt=2))
    assert room.sites.effects[f"job {RUN}/restore-database/await-sql"] == 2
    assert room.sites.effects[f"restore {NAME}"] == 1


def test_an_undone_restore_leaves_no_instance(room: Room) -> None:
    action = registry.find("restore-database")()
    fact = action.perform(room.context("restore-database"))
    action.undo(room.context("restore-database"), fact)
    assert room.standby.database.known == {}


def test_an_artefact_that_is_not_there_is_noticed_before_servers_start(room: Room) -> None:
    room.standby.stores.objects.clear()
    room.standby.web.now = Group(0, 0, 6, 0, False)
    with pytest.raises(ActionFailed, match="artefact web v1 is not in dr-aws-artefacts"):
        registry.find("deploy-artefact")().perform(room.context("deploy-artefact"))
    assert room.sites.effects["scale"] == 0


def test_an_artefact_that_was_damaged_on_its_way_is_noticed_before_servers_start(room: Room) -> None:
    room.standby.stores.objects["artefacts", "web/v1/artefact.tar.gz"] = b"half a bui"
    room.standby.web.now = Group(0, 0, 6, 0, False)
    context = room.context("deploy-artefact")
    with pytest.raises(ActionFailed, match=r"not what its manifest says \(SHA-256 differs\)"):
        registry.find("deploy-artefact")().perform(context)
    assert room.sites.effects["scale"] == 0
    assert "SHA-256" in registry.find("deploy-artefact")().preview(context).refusals[0]


def test_what_servers_will_boot_is_what_the_stack_was_brought_up_with(room: Room) -> None:
    for name in ("manifest.json", "artefact.tar.gz"):
        body = room.standby.stores.objects.pop(("artefacts", f"web/v1/{name}"))
        room.standby.stores.objects["artefacts", f"web/v0/{name}"] = body.replace(b"v1", b"v0")
    action = registry.find("deploy-artefact")()
    with pytest.raises(ActionFailed) as told:
        action.perform(room.context("deploy-artefact"))
    assert "--use stack-up.artefact=VERSION" in told.value.cure
    older = room.target.web.model_copy(update={"artefact_version": "v0"})
    room.target = room.target.model_copy(update={"web": older})
    assert action.perform(room.context("deploy-artefact")) == WebUp(servers=2, version="v0")


def test_a_check_that_does_not_hold_names_what_was_last_seen(room: Room) -> None:
    room.sites.endpoints = FakeEndpoints(answer=lambda *_: Reply(503, {}, "no"))
    with pytest.raises(OutOfTime, match="/ready answers 503, expected 200"):
        registry.find("verify-service")().perform(room.context("verify-service"))


def test_the_cutover_waits_for_the_last_resolver(room: Room) -> None:
    room.sites.endpoints = FakeEndpoints(
        lead=lambda server: (
            "prod.origin.shop.example" if server.startswith("8.8") else "dr-aws.origin.shop.example"
        )
    )
    with pytest.raises(OutOfTime, match=r"led to dr-aws\.origin"):
        registry.find("switch-name")().perform(room.context("switch-name"))
    assert "4 of 4 name servers, 2 of 3 resolvers" in room.said[-1]


def test_an_undone_cutover_puts_the_holding_page_back(room: Room) -> None:
    action = registry.find("switch-name")()
    fact = action.perform(room.context("switch-name"))
    assert not room.standby.web.held
    action.undo(room.context("switch-name"), fact)
    assert room.standby.web.held


def test_a_cutover_that_was_killed_and_done_again_is_undone_too(room: Room) -> None:
    action = registry.find("switch-name")()
    for _ in range(2):
        fact = action.perform(room.context("switch-name"))
    action.undo(room.context("switch-name"), fact)
    assert room.standby.web.holding_page()


def test_a_cutover_that_failed_half_way_is_undone_too(room: Room) -> None:
    room.standby.web.held = False
    registry.find("switch-name")().undo(room.context("switch-name"), None)
    assert room.standby.web.holding_page()


def test_servers_that_were_taken_back_can_start_again(room: Room) -> None:
    context = room.context("deploy-artefact")
    registry.find("deploy-artefact")().undo(context, None)
    assert room.standby.web.group() == Group(0, 0, 6, 0, False)


def test_a_latch_that_another_run_engaged_is_not_released(room: Room) -> None:
    room.sites.the_latch.there = True
    action = registry.find("fence-site")()
    fact = action.perform(room.context("fence-site"))
    with pytest.raises(Refusal, match=r"stays \(it says: somebody else's run: lost\)") as told:
        action.undo(room.context("fence-site"), fact)
    assert "aws s3 rm" in told.value.cure and room.sites.the_latch.there


def test_a_latch_that_this_run_engaged_is_released_however_often_it_tried(room: Room) -> None:
    action = registry.find("fence-site")()
    action.undo(room.context("fence-site"), None)  # it failed before it engaged anything
    for _ in range(2):  # killed after it had written, and done again
        fact = action.perform(room.context("fence-site"))
    action.undo(room.context("fence-site"), fact)
    assert room.sites.the_latch.there is False


def test_a_message_counts_when_one_channel_took_it(room: Room) -> None:
    context = room.context("notify")
    people = context.continuity.model_copy(update={"notify": ("env:NO_SUCH_VARIABLE_HERE",)})
    fact = registry.find("notify")().perform(replace(context, continuity=people))
    assert fact is not None and fact.says() == "told by alarm topic"
    assert room.standby.messages == [f"test: Recovery: We are back.\n\nrun {RUN}"]


def test_an_aborted_run_stops_waiting(room: Room) -> None:
    room.cancelled = True
    with pytest.raises(Cancelled):
        registry.find("restore-database")().perform(room.context("restore-database"))


@pytest.mark.parametrize(
    ("base", "run", "name"),
    [
        ("shop-db", RUN, NAME),
        (NAME, "region-loss-20261205-010203-xyz", "shop-db-20261205-010203-xyz"),
        ("a" * 80, RUN, "a" * (62 - 19) + "-20261121-140200-abc"),
    ],
)
def test_a_restored_database_is_named_after_its_run(base: str, run: str, name: str) -> None:
    assert restored_identifier(base, run) == name
    assert len(name) <= 63


def test_a_service_that_is_asked_too_often_is_asked_again_later(room: Room) -> None:
    answers: list[Any] = [Unavailable("Throttling"), Unavailable("Throttling"), "done"]

    def probe() -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert room.context("assess-site").poll("it is done", probe) == "done"
    assert room.said == ["Throttling", "Throttling"]


def test_a_service_that_stays_away_is_named_when_time_is_over(room: Room) -> None:
    def probe() -> None:
        raise Unavailable("AWS: Throttling")

    with pytest.raises(OutOfTime, match="until it is done; last: AWS: Throttling"):
        room.context("assess-site").poll("it is done", probe)


def test_polling_is_eager_at_first_and_patient_later(room: Room) -> None:
    looks = iter([None] * 200 + ["there"])
    context = room.context("fence-site")
    assert context.poll("it is there", lambda: next(looks)) == "there"
    assert room.clock.slept[0] == 0.1
    assert max(room.clock.slept) <= 10.0


def test_what_the_target_lacks_is_told_before_anything_is_made_and_stops_nothing(room: Room) -> None:
    room.standby.gone = ["secret s is not there: restore it"]
    action, ctx = registry.find("assess-site")(), room.context("assess-site")
    assert "secret s is not there: restore it" in action.preview(ctx).refusals
    fact = action.perform(ctx)
    assert isinstance(fact, SiteLost)
    assert "secret s is not there: restore it" in fact.says()
