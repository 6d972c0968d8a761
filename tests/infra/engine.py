"""Runs the real program of a stack in-process, against Pulumi's mocks, and keeps what it declared."""

from __future__ import annotations

import asyncio
import json
import runpy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, reset_options
from pulumi.runtime.config import set_all_config
from pulumi.runtime.stack import run_pulumi_func
from pulumi.runtime.sync_await import _sync_await
from ruamel.yaml import YAML

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Declared:
    """One resource as the program declared it."""

    type: str
    name: str
    inputs: dict[str, Any]
    secret: frozenset[str] = frozenset()
    """Inputs that are secret, or have something secret inside."""


SIGNATURE = "4dabf18193072939515e22adb298388d"


def plain(value: Any) -> Any:
    """A property without the marks of secrecy."""
    if isinstance(value, dict):
        return plain(value["value"]) if SIGNATURE in value else {k: plain(v) for k, v in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@dataclass
class Cloud(mocks.Mocks):  # type: ignore[misc]
    """Answers as AWS would where the program reads on: ids, ARNs, names, domain validation options."""

    account: str = "123456789012"
    declared: list[Declared] = field(default_factory=list)
    drawn: int = 0

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        inputs = {key: plain(value) for key, value in args.inputs.items()}
        secret = frozenset(key for key, value in args.inputs.items() if value != inputs[key])
        self.declared.append(Declared(args.typ, args.name, inputs, secret))
        name = f"{args.name}-1a2b3c4"
        region = args.inputs.get("region", "here")
        made: dict[str, Any] = {
            "name": name,
            "arn": f"arn:aws:x:{region}:{self.account}:{args.typ.split(':')[-1]}/{name}",
        }
        made["fqdn"] = args.inputs.get("name", "")
        made |= {
            "zoneId": f"Z{args.name}",
            "nameServers": ["ns-1.example", "ns-2.example"],
            "latestVersion": 3,
        }
        made |= {"dnsName": f"{name}.elb.amazonaws.com", "arnSuffix": f"app/{name}", "prefixListId": "pl-1"}
        made |= {"bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com"}
        made |= {"address": f"{name}.rds.amazonaws.com", "resourceId": "db-ABC"}
        if args.typ == "aws:acm/certificate:Certificate":
            names = [args.inputs["domainName"], *args.inputs.get("subjectAlternativeNames", [])]
            # The other way round, as AWS may.
            made["domainValidationOptions"] = [
                {
                    "domainName": domain,
                    "resourceRecordName": f"_x.{domain}",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": f"_y.{domain}",
                }
                for domain in reversed(names)
            ]
        return (name, {**made, **args.inputs})

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token.endswith("getCallerIdentity"):
            return {"accountId": self.account}, []
        if args.token.endswith("getRandomPassword"):
            self.drawn += 1
            return {"randomPassword": f"drawn{self.drawn}"}, []
        raise AssertionError(f"the program calls {args.token}, which these tests do not know")


@dataclass(frozen=True)
class Stack:
    """What one run of the program declared and exported."""

    declared: list[Declared]
    outputs: dict[str, Any]

    def of(self, kind: str) -> list[Declared]:
        """Resources of a type, e.g. `rds/instance:Instance`."""
        return [d for d in self.declared if d.type == f"aws:{kind}"]

    def one(self, kind: str, name: str | None = None) -> Declared:
        """The one resource of a type (and name)."""
        (found,) = [d for d in self.of(kind) if name in (None, d.name)]
        return found


def configuration(stack: str, changes: dict[str, Any] | None = None) -> dict[str, str]:
    """The committed configuration of a stack as the engine hands it over; None in `changes` removes."""
    config = YAML(typ="safe").load(PROJECT / f"Pulumi.{stack}.yaml")["config"]
    config |= {f"lifeboat:{key}" if ":" not in key else key: v for key, v in (changes or {}).items()}
    given = {key: v for key, v in config.items() if v is not None}
    return {key: v if isinstance(v, str) else json.dumps(v) for key, v in given.items()}


def run(stack: str, changes: dict[str, Any] | None = None, *, preview: bool = False) -> Stack:
    """Run `infra/__main__.py` for a stack. Contracts go where LIFEBOAT_STATE says."""
    cloud = Cloud()
    asyncio.set_event_loop(asyncio.new_event_loop())
    reset_options()
    mocks.set_mocks(cloud, project="lifeboat", stack=stack, preview=preview)
    set_all_config(configuration(stack, changes))
    outputs: dict[str, Any] = {}
    exported = pulumi.export

    def export(name: str, value: Any) -> None:
        pulumi.Output.from_input(value).apply(lambda known: outputs.__setitem__(name, known))

    def no_text(_output: object) -> str:
        raise TypeError("an Output has no text: join it with pulumi.Output.concat")

    as_text = pulumi.Output.__str__
    pulumi.export, pulumi.Output.__str__ = export, no_text  # type: ignore[method-assign]
    try:
        _sync_await(
            run_pulumi_func(lambda: runpy.run_path(str(PROJECT / "infra/__main__.py"), run_name="__main__"))
        )
    finally:
        pulumi.export, pulumi.Output.__str__ = exported, as_text  # type: ignore[method-assign]
    return Stack(cloud.declared, outputs)
