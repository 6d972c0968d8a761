"""Plans are refused with file, line and cure; what is accepted can be carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recovery.actions import registry
from recovery.actions.base import Need
from recovery.errors import InputError
from recovery.plans import checks, loading, rendering
from tests.fakes import engine as fake

ROOT = Path(__file__).resolve().parents[2]


def load(folder: Path, steps: str, head: str = "", **inputs: Any) -> loading.Bound:
    path = folder / "plan.yaml"
    path.write_text(head + fake.plan_text(steps))
    return loading.load(path, inputs)


def refusal(folder: Path, steps: str, head: str = "") -> str:
    with pytest.raises(InputError) as refused:
        load(folder, steps, head)
    assert refused.value.exit_code == 2
    return refused.value.what


def test_a_missing_key_is_named_with_its_line_and_column(tmp_path: Path) -> None:
    text = refusal(tmp_path, "  - id: a\n    uses: note\n  - id: b\n")
    assert f"{tmp_path}/plan.yaml:6:5: steps.1.uses: is missing" in text


def test_an_unknown_key_is_refused_where_it_stands(tmp_path: Path) -> None:
    text = refusal(tmp_path, "  - id: a\n    uses: note\n    afterr: [b]\n")
    assert "plan.yaml:6:5: steps.0.afterr: is not known here" in text


def test_a_duration_without_a_unit_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, "  - {id: a, uses: note, timeout: 30}\n")
    assert "steps.0.timeout" in text
    assert "write it with its unit" in text


@pytest.mark.parametrize("value", ["5.5", ".inf", ".nan", "0s", "99999999999d", "yes"])
def test_a_duration_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    assert "steps.0.timeout" in refusal(tmp_path, f"  - {{id: a, uses: note, timeout: {value}}}\n")


@pytest.mark.parametrize("name", ["../elsewhere", "a b", "''", "X", "x" * 41])
def test_a_scenario_becomes_a_folder_and_tags_so_its_name_is_plain(tmp_path: Path, name: str) -> None:
    path = tmp_path / "plan.yaml"
    text = fake.plan_text("  - {id: a, uses: note}\n")
    path.write_text(text.replace("scenario: test", f"scenario: {name}"))
    with pytest.raises(InputError, match=r"plan.yaml:1:1: scenario: .* is no name of a scenario"):
        loading.load(path)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("  - hello\n", "steps.0: must have keys of its own"),
        ("  - {id: a, uses: note, after: b}\n", "after: must be a list, as in [a, b]"),
        ("  - {id: 5, uses: note}\n", "id: must be text: put it between quotes"),
        ("  - {id: a, uses: note, approval: {any-of: []}}\n", "any-of: must not be empty"),
        ("  - {id: a, uses: note, retry: {backoff: 1.0e300}}\n", "retry.backoff"),
    ],
)
def test_mistakes_are_told_in_the_words_of_the_file(tmp_path: Path, steps: str, said: str) -> None:
    assert said in refusal(tmp_path, steps)


def test_a_character_that_yaml_forbids_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "plan.yaml:4:13: not YAML" in refusal(tmp_path, "  - {id: a, \x07uses: note}\n")


def test_yaml_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("scenario: x\n  promise: [\n")
    with pytest.raises(InputError, match=r"plan.yaml:\d+:\d+: not YAML"):
        loading.load(path)


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    assert "plan.yaml:5" in refusal(tmp_path, "  - id: a\n    id: b\n    uses: note\n")


def test_an_unknown_action_is_refused_with_those_there_are(tmp_path: Path) -> None:
    text = refusal(tmp_path, "  - {id: a, uses: nothing-such}\n")
    assert "plan.yaml:4:5: step `a`: there is no action `nothing-such`; use one of:" in text


def test_with_is_checked_by_the_action(tmp_path: Path) -> None:
    text = refusal(tmp_path, "  - {id: a, uses: note, with: {fail: often}}\n")
    assert "plan.yaml:4:5: step `a` with: fail" in text


def test_a_step_after_one_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "comes after `z`, which is no step" in refusal(tmp_path, "  - {id: a, uses: note, after: [z]}\n")


def test_a_ring_is_refused_with_its_line(tmp_path: Path) -> None:
    text = refusal(tmp_path, "  - {id: a, uses: note, after: [b]}\n  - {id: b, uses: note, after: [a]}\n")
    assert "steps wait for each other: a → b → a" in text


def test_a_critical_step_never_waits_for_one_that_is_not(tmp_path: Path) -> None:
    steps = "  - {id: a, uses: note, class: non-critical}\n  - {id: b, uses: note, after: [a]}\n"
    assert "critical step `b` comes after non-critical `a`" in refusal(tmp_path, steps)


def test_a_fact_that_nobody_gives_is_refused_with_the_cure(tmp_path: Path) -> None:
    text = refusal(tmp_path, "  - {id: a, uses: find}\n  - {id: b, uses: use}\n")
    assert "step `b` takes Noted, which no step before it gives; add `a` to its `after`" in text


def test_a_fact_that_several_give_is_refused(tmp_path: Path) -> None:
    steps = "  - {id: a, uses: find}\n  - {id: b, uses: find}\n  - {id: c, uses: use, after: [a, b]}\n"
    assert "which several give: a, b" in refusal(tmp_path, steps)


def test_a_fact_is_bound_to_the_earlier_step_that_gives_it(tmp_path: Path) -> None:
    steps = (
        "  - {id: a, uses: find}\n  - {id: b, uses: note, after: [a]}\n  - {id: c, uses: use, after: [b]}\n"
    )
    assert load(tmp_path, steps).givers["c"] == {"Noted": "a"}


def test_non_critical_steps_wait_for_all_critical_ones(tmp_path: Path) -> None:
    steps = "  - {id: a, uses: note}\n  - {id: b, uses: note, class: non-critical}\n  - {id: c, uses: note}\n"
    assert load(tmp_path, steps).after["b"] == ("a", "c")


def test_inputs_fill_whole_values_and_keep_their_type(tmp_path: Path) -> None:
    head = "inputs: {times: {default: 2}, wanted: {default: false}}\n"
    steps = "  - {id: a, uses: note, with: {fail: '${inputs.times}'}}\n"
    steps += "  - {id: b, uses: note, when: '${inputs.wanted}'}\n"
    bound = load(tmp_path, steps, head)
    assert bound.with_("a").model_dump()["fail"] == 2
    assert bound.plan.step("b").when is False
    assert load(tmp_path, steps, head, times=5).with_("a").model_dump()["fail"] == 5


def test_there_is_no_expression_language(tmp_path: Path) -> None:
    head = "inputs: {x: {default: 2}}\n"
    text = refusal(tmp_path, "  - {id: a, uses: note, with: {needs: 'region-${inputs.x}'}}\n", head)
    assert "only a whole value" in text


def test_an_unknown_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no input `y`"):
        load(tmp_path, "  - {id: a, uses: note}\n", y=1)


def test_a_sub_plan_stands_in_place_of_its_step(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(
        fake.plan_text("  - {id: x, uses: note}\n  - {id: y, uses: note, after: [x]}\n")
    )
    steps = "  - {id: a, uses: note}\n  - {id: m, uses: plan/inner, after: [a]}\n"
    steps += "  - {id: z, uses: note, after: [m]}\n"
    bound = load(tmp_path, steps)
    assert [step.id for step in bound.plan.steps] == ["a", "m.x", "m.y", "z"]
    assert bound.after == {"a": (), "m.x": ("a",), "m.y": ("m.x",), "z": ("m.y",)}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("approval: {any-of: [cto]}", "takes no `approval`"),
        ("timeout: 5m", "takes no `timeout`"),
        ("with: {nothing: 1}", "inner.yaml has no input `nothing`"),
    ],
)
def test_what_a_sub_plan_would_pass_over_is_refused(tmp_path: Path, more: str, said: str) -> None:
    (tmp_path / "inner.yaml").write_text(fake.plan_text("  - {id: x, uses: note}\n"))
    text = refusal(tmp_path, f"  - {{id: a, uses: plan/inner, {more}}}\n")
    assert "plan.yaml:4:5" in text and said in text


def test_plans_that_use_each_other_are_refused_with_the_ring(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(fake.plan_text("  - {id: x, uses: plan/plan}\n"))
    text = refusal(tmp_path, "  - {id: a, uses: plan/inner}\n")
    assert "inner.yaml:4:5" in text and "plan.yaml → inner.yaml → plan.yaml" in text


def test_a_sub_plan_that_is_left_out_is_left_out_whole(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(fake.plan_text("  - {id: x, uses: note}\n"))
    bound = load(tmp_path, "  - {id: a, uses: plan/inner, when: false}\n  - {id: b, uses: note}\n")
    assert [(step.id, step.when) for step in bound.plan.steps] == [("a.x", False), ("b", True)]


def test_a_plan_that_needs_what_is_lost_is_refused_with_line_and_cure(tmp_path: Path) -> None:
    bound = load(tmp_path, "  - {id: a, uses: note}\n  - {id: new-bucket, uses: note}\n")
    needs = {"new-bucket": [Need("s3-create", "us-east-1")]}
    with pytest.raises(InputError) as refused:
        checks.refuse_lost(bound, needs, frozenset({"us-east-1"}))
    text = str(refused.value)
    assert "plan.yaml:5:5: step `new-bucket` needs" in text
    assert "CreateBucket" in text
    assert "class: non-critical" in text


def test_a_non_critical_step_may_need_what_is_lost(tmp_path: Path) -> None:
    bound = load(tmp_path, "  - {id: a, uses: note, class: non-critical}\n")
    checks.refuse_lost(bound, {"a": [Need("iam", "us-east-1")]}, frozenset({"us-east-1"}))


def test_the_schema_knows_each_actions_with() -> None:
    schema = loading.schema()
    rules = schema["$defs"]["Step"]["allOf"]
    named = {rule["if"]["properties"]["uses"]["const"] for rule in rules}
    assert {"manual", *registry.names()} == named
    assert "with:note" in schema["$defs"]


def test_the_companys_own_plans_load() -> None:
    for path in sorted((ROOT / "plans").glob("*.yaml")):
        bound = loading.load(path)
        assert bound.plan.scenario == path.stem
        assert rendering.mermaid(bound).startswith("flowchart")
        assert all(step.id in rendering.markdown(bound) for step in bound.plan.steps)


def test_a_frozen_plan_is_the_same_plan_again(tmp_path: Path) -> None:
    record = fake.record(tmp_path, "  - {id: a, uses: note, timeout: 90s, approval: {any-of: [cto]}}\n")
    assert record.bound().digest == record.digest


def test_a_record_whose_plan_was_changed_is_refused(tmp_path: Path) -> None:
    record = fake.record(tmp_path, "  - {id: a, uses: note}\n")
    changed = record.model_copy(update={"plan": {**record.plan, "scenario": "another"}})
    with pytest.raises(InputError, match="not the one that was recorded"):
        changed.bound()
