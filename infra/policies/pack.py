"""Rules as Pulumi's policies."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy import (
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.policies.rule import UNKNOWN, Node, NotYetKnownError, Resource, Rule, StackRule
from infra.policies.rules import RULES, STACK_RULES


def plain(value: Any) -> Any:
    """Pulumi's guarded properties as plain ones: what a preview does not know yet becomes UNKNOWN."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def _policy(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if not rule.concerns(args.resource_type):
            return
        props, protect = plain(args.props), bool(args.opts.protect)
        with contextlib.suppress(NotYetKnownError):
            for wrong in rule.check(Resource(args.resource_type, args.name, props, args.urn, protect)):
                report(f"{args.name}: {wrong}", None)

    return ResourceValidationPolicy(rule.name, rule.asks, validate)


def _stack_policy(rule: StackRule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = [
            Node(
                Resource(r.resource_type, r.name, plain(r.props), r.urn, bool(r.opts.protect)),
                {key: frozenset(p.urn for p in given) for key, given in r.property_dependencies.items()},
            )
            for r in args.resources
        ]
        with contextlib.suppress(NotYetKnownError):
            for node, wrong in rule.check(stack):
                report(f"{node.resource.name}: {wrong}", node.resource.urn)

    return StackValidationPolicy(rule.name, rule.asks, validate)


def policies() -> list[Policy]:
    """One policy for each rule."""
    return [*(_policy(rule) for rule in RULES), *(_stack_policy(rule) for rule in STACK_RULES)]
