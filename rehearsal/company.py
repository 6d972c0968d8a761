"""A company's platform in a world: its stacks, its artefact, the runners' bundle, its database made ready.

All of it by the means that a company has: `pulumi`, `dr`, and the cloud's API.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import outputs
from infra.outputs import EdgeContract, SiteContract
from recovery.errors import InputError, LifeboatError
from rehearsal import ready
from rehearsal.environment import environment
from rehearsal.project import prepare
from rehearsal.stacks import Pulumi, Update
from rehearsal.story import Story
from rehearsal.world import WorldSettings

EDGE, STANDBY, PRIMARY = "edge", "dr-aws", "prod"
_BUCKETS_WITHIN_S = 300.0


@dataclass(frozen=True)
class Platform:
    """A platform that stands, and how to reach it."""

    settings: WorldSettings
    project: Path
    environment: Mapping[str, str]
    pulumi: Pulumi

    @property
    def state(self) -> Path:
        """Lifeboat's state folder."""
        return Path(self.environment["LIFEBOAT_STATE"])

    def site(self, stack: str) -> SiteContract:
        """The site's last contract; OSError when its stack has none, LifeboatError when it is no site's."""
        contract = outputs.read(self.state / "contracts" / f"{stack}.json")
        if not isinstance(contract, SiteContract):
            raise LifeboatError(f"stack {stack} is no site")
        return contract

    def edge(self) -> EdgeContract:
        """The contract of the names; errors as `site`."""
        contract = outputs.read(self.state / "contracts" / f"{EDGE}.json")
        if not isinstance(contract, EdgeContract):
            raise LifeboatError(f"stack {EDGE} is not the one with the names")
        return contract

    def dr(self, *arguments: str) -> str:
        """Run a `dr` command; its output. LifeboatError with what it said when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "recovery.cli", *arguments],
            cwd=self.project,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-1500:].removeprefix("error: ")
            raise LifeboatError(f"`dr {' '.join(arguments)}` failed", means=said)
        return done.stdout

    def as_recovery(self) -> Mapping[str, str]:
        """The environment of somebody who has taken the standby's recovery role, as on the day.

        Its policies are held to each call from then on (rehearsal/aws/authority.py).
        """
        site = self.site(STANDBY)
        taken = self.client("sts", site.region).assume_role(
            RoleArn=site.recovery_role_arn, RoleSessionName="rehearsal"
        )["Credentials"]
        return dict(self.environment) | {
            "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
            "AWS_SESSION_TOKEN": taken["SessionToken"],
        }

    def client(self, service: str, region: str) -> Any:
        """A boto3 client of the world."""
        import boto3

        make: Any = boto3.client  # typed for literal names only
        return make(
            service,
            region_name=region,
            endpoint_url=self.settings.api_url,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


def platform(settings: WorldSettings) -> Platform:
    """The platform of a world, whether or not its stacks are up yet. InputError without a Pulumi CLI."""
    copy = prepare(settings)
    program = shutil.which("pulumi", path=os.environ.get("LIFEBOAT_PULUMI")) or shutil.which("pulumi")
    if program is None:
        raise InputError("there is no `pulumi` on the PATH", cure="start this by ./dr, which puts one there")
    pulumi = Path(program).parent
    scratch = settings.home / "tmp"  # goes with the world, also when who uses it is killed
    scratch.mkdir(exist_ok=True)
    variables = environment(settings, pulumi=pulumi)
    variables |= {"LIFEBOAT_PYTHON": sys.executable, "TMPDIR": str(scratch)}
    return Platform(settings, copy, variables, Pulumi(copy, variables, settings.home / "logs"))


def reach(settings: WorldSettings) -> Platform:
    """`platform`, and this process sees the world as a child of it would: recovery finds its endpoints in the
    environment. TMPDIR alone stays ours."""
    found = platform(settings)
    own = os.environ.get("TMPDIR")  # where this process finds the homes of worlds
    os.environ.clear()
    os.environ.update(found.environment)
    del os.environ["TMPDIR"]
    if own is not None:
        os.environ["TMPDIR"] = own
    return found


def is_up(platform: Platform) -> bool:
    """Whether all stacks have been brought up."""
    return all((platform.state / "contracts" / f"{name}.json").exists() for name in (EDGE, STANDBY, PRIMARY))


def bring_up(platform: Platform, story: Story) -> None:
    """Stacks in their order, artefact and bundle where machines fetch them, database ready; service answers.

    LifeboatError says which of it failed.
    """
    builds = _Builds(platform, _config(platform, "artefactVersion"), _config(platform, "bundleVersion"))
    story.doing("stacks", f"{EDGE} ...")
    platform.pulumi.create(EDGE)
    with _Beside(builds.build_and_put) as artefacts:
        with _Beside(lambda: _create(platform, STANDBY, PRIMARY)) as created:
            _tell(story, platform.pulumi.up(EDGE))
        created.result()
        story.doing("stacks", f"{STANDBY} ...")
        _tell(story, platform.pulumi.up(STANDBY))
        artefacts.result()  # without them the servers of the next stack would never serve
        story.doing("stacks", f"{PRIMARY} ...")
        _tell(story, platform.pulumi.up(PRIMARY))
    artefacts.result()
    _tell_policies(story)
    story.doing("service", "waiting until it answers ...")
    with _Beside(lambda: platform.dr("state", "keep")) as kept:
        platform.dr("database", "prepare")
        ready.wait_for_service(platform)
    kept.result()
    story.end()


def _create(platform: Platform, *stacks: str) -> None:
    for stack in stacks:
        platform.pulumi.create(stack)


def _tell(story: Story, update: Update) -> None:
    text = f"{update.stack} ✓ {update.total} resources {update.seconds:.0f}s"
    story.add("stacks", text, stack=update.stack, seconds=round(update.seconds, 1), **dict(update.counts))


def _tell_policies(story: Story) -> None:
    """A stack that violates a mandatory rule does not come up, and all rules are mandatory."""
    from infra.policies.rules import RULES, STACK_RULES

    rules = len(RULES) + len(STACK_RULES)
    story.add("stacks", f"policies: {rules} rules, 0 violations", rules=rules, violations=0)
    story.end()


def _config(platform: Platform, key: str) -> str:
    from ruamel.yaml import YAML

    config = YAML().load(platform.project / f"Pulumi.{PRIMARY}.yaml")["config"]
    return str(config[f"lifeboat:{key}"])


class _Builds:
    """What machines boot from, built once: the company's application, and the runners' bundle."""

    def __init__(self, platform: Platform, web: str, bundle: str) -> None:
        self._platform = platform
        self._versions = {"web": web, "bundle": bundle}
        self._folder = platform.settings.home / "builds"

    def build(self) -> None:
        """Build the application by its own script, and the bundle by `dr bundle`."""
        script = [sys.executable, "examples/shop/build.py", str(self._folder), self._versions["web"]]
        done = subprocess.run(
            script,
            cwd=self._platform.project,
            env=dict(self._platform.environment),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise LifeboatError("the application's own build failed", means=done.stderr[-1000:])
        self._platform.dr("bundle", "--out", str(self._folder), "--version", self._versions["bundle"])

    def build_and_put(self) -> None:
        """Build, then put it into each site's bucket as soon as its stack has made that.

        A server that finds none is replaced over and over: it has to be there when the first one boots.
        """
        self.build()
        for region in (self._platform.settings.standby, self._platform.settings.primary):
            until = time.monotonic() + _BUCKETS_WITHIN_S
            while not self._bucket(region):
                if time.monotonic() > until:
                    raise LifeboatError(f"stack made no bucket for artefacts in {region}")
                time.sleep(0.2)
            self.put(region)

    def put(self, region: str) -> None:
        """Put both there, each with its manifest last."""
        client, bucket = self._platform.client("s3", region), self._bucket(region)
        for name, version in self._versions.items():
            for file in ("artefact.tar.gz", "manifest.json"):
                key = f"{name}/{version}/{file}"
                client.put_object(Bucket=bucket, Key=key, Body=(self._folder / key).read_bytes())

    def _bucket(self, region: str) -> str:
        client = self._platform.client("s3", region)
        listed = client.list_buckets(BucketRegion=region).get("Buckets", [])
        for bucket in listed:
            where = client.get_bucket_location(Bucket=bucket["Name"])["LocationConstraint"]
            if bucket["Name"].startswith("artefacts-") and where == region:
                return str(bucket["Name"])
        return ""


class _Beside:
    """Something done in a thread of its own while the block runs; `result` raises what it raised."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._do()
        except BaseException as error:
            self._error = error

    def __enter__(self) -> _Beside:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:  # else the block's own error counts, and at once
            self._thread.join()

    def result(self) -> None:
        """Raise what went wrong, if anything has by now."""
        if self._error is not None:
            raise self._error
