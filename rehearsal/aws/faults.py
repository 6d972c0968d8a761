"""The fault plane: what goes wrong, where, how often and for how long.

A rule says which calls (region, service, operation, text in the parameters, sender) meet which effect.
Losing a region is not a rule: it is the world's state, and `reach` says for each call which regions it
cannot do without.
"""

from __future__ import annotations

import random
import re
import threading
import time
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rehearsal.aws.calls import GLOBAL_REGION, Call
from rehearsal.world import World

Effect = Literal["timeout", "reset", "throttle", "error", "no-capacity", "slow", "stale-read", "deny"]

# S3's bucket-level writes are one control plane in us-east-1, whatever the bucket's region
# (AWS Fault Isolation Boundaries, appendix A: global single-region operations).
_BUCKET_CONTROL_PLANE = re.compile(r"^(Create|Delete|Put)Bucket")
_READS_OTHER_REGIONS = frozenset({"rds", "kms", "secretsmanager", "ec2", "backup", "sns"})
_ARN_REGION = re.compile(r"^arn:aws:[a-z0-9-]+:([a-z0-9-]+):\d*:")


class Rule(BaseModel):
    """One fault. Empty conditions match everything; texts are regular expressions on the whole name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    region: str = ""
    service: str = ""
    operation: str = ""
    parameters: str = ""
    """Searched for in every text that the call carries."""
    sender: str = ""
    """Searched for in the user agent."""
    effect: Effect
    code: str = ""
    """AWS error code for `error`; `throttle`, `no-capacity` and `deny` know their own."""
    status: int = Field(default=503, ge=400, le=599)
    message: str = "injected by the rehearsal"
    seconds: float = Field(default=0.0, ge=0)
    """How long a `slow` or `timeout` call is held, wall time (0: until the client gives up)."""
    times: int | None = Field(default=None, ge=1)
    """How many calls meet it; None: all."""
    after: int = Field(default=0, ge=0)
    """How many matching calls pass before the first one meets it."""
    probability: float = Field(default=1.0, gt=0, le=1)
    for_seconds: float | None = Field(default=None, gt=0)
    """Wall time that the rule lives."""

    @field_validator("region", "service", "operation", "parameters", "sender")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as wrong:
            raise ValueError(f"not a regular expression: {wrong}") from wrong
        return pattern

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.effect == "slow" and not self.seconds:
            raise ValueError("a slow call needs `seconds`")
        return self


class Faults:
    """The rules in force, and how often each was met. Thread-safe."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._rules: dict[str, tuple[Rule, float]] = {}
        self._seen: dict[str, int] = {}
        self.fired: dict[str, int] = {}

    def add(self, rule: Rule) -> str:
        """Put a rule in force; answers its id."""
        with self._lock:
            name = rule.id or f"fault-{len(self._seen) + 1}"
            self._rules[name] = (rule.model_copy(update={"id": name}), time.monotonic())
            self._seen[name] = 0
            self.fired[name] = 0
            return name

    def clear(self, name: str = "") -> None:
        """Take one rule away, or all of them."""
        with self._lock:
            for known in [name] if name else list(self._rules):
                self._rules.pop(known, None)

    def rules(self) -> list[Rule]:
        """The rules in force."""
        with self._lock:
            return [rule for rule, _ in self._rules.values()]

    def meets(self, call: Call) -> Rule | None:
        """The first rule that this call meets; counts it."""
        with self._lock:
            for name, (rule, since) in list(self._rules.items()):
                if rule.for_seconds is not None and time.monotonic() - since > rule.for_seconds:
                    del self._rules[name]
                elif _matches(rule, call) and self._due(name, rule):
                    self.fired[name] += 1
                    return rule
        return None

    def _due(self, name: str, rule: Rule) -> bool:
        self._seen[name] += 1
        if self._seen[name] <= rule.after or self._random.random() >= rule.probability:
            return False
        return rule.times is None or self.fired[name] < rule.times


def _matches(rule: Rule, call: Call) -> bool:
    for pattern, value in (
        (rule.region, call.region),
        (rule.service, call.service),
        (rule.operation, call.operation),
    ):
        if pattern and not re.fullmatch(pattern, value):
            return False
    if rule.sender and not re.search(rule.sender, call.user_agent):
        return False
    return not rule.parameters or any(re.search(rule.parameters, text) for text in call.strings())


def reach(call: Call) -> set[str]:
    """Regions that must be up for this call: its endpoint's, and those of the data it reads."""
    if call.service == "s3":
        return _reach_of_bucket(call)
    regions = {call.region} if call.region else set()
    if call.service in _READS_OTHER_REGIONS:
        for text in call.strings():
            if found := _ARN_REGION.match(text):
                regions.add(found[1])
        regions |= {
            str(call.params[name]) for name in ("SourceRegion", "ReplicaRegion") if call.params.get(name)
        }
    return regions


def _reach_of_bucket(call: Call) -> set[str]:
    regions = {bucket_region(call.bucket) or call.region}
    if _BUCKET_CONTROL_PLANE.match(call.operation):
        regions.add(GLOBAL_REGION)
    if source := call.params.get("CopySource"):
        regions.add(bucket_region(str(source).lstrip("/").split("/", 1)[0]))
    return {region for region in regions if region}


def bucket_region(name: str) -> str:
    """Region that a bucket lives in; empty when there is none of that name."""
    from moto.s3.models import s3_backends

    for account in s3_backends.values():
        bucket = account["aws"].buckets.get(name)
        if bucket is not None:
            return str(bucket.region_name)
    return ""


def lost(world: World, call: Call) -> str:
    """The lost region that keeps this call from being answered; empty when none does."""
    return next((region for region in sorted(reach(call)) if world.is_lost(region)), "")
