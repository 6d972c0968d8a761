"""One-shot EC2 machines from the site's runner template."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.outputs import SiteContract
from recovery.errors import ActionFailed
from recovery.runner.jobs import JOB, PROGRESS, RESULT, Envelope, Job, Progress, Result, envelope
from recovery.sites.aws.clients import Clients
from recovery.sites.aws.errors import code, explained
from recovery.sites.aws.stores import get

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef, TagSpecificationTypeDef

JOB_TAG = "lifeboat-job"
GENERATION_TAG = "lifeboat-generation"
_LOOK_EVERY = 2.0
_ENDED = {"shutting-down", "terminated", "stopping", "stopped"}
_NO_ROOM = {"InsufficientInstanceCapacity", "Unsupported"}


@explained
class Ec2Runner:
    """See recovery.sites.ports.Runner."""

    def __init__(self, clients: Clients, contract: SiteContract) -> None:
        self.clients = clients
        self._runner = contract.runner
        self._contract = contract
        self._looked: dict[str, float] = {}

    def prepare(self, key: str, tags: Mapping[str, str]) -> None:
        """RunInstances; the job's object says that the job is still to come."""
        if self._get(key, JOB) is None:
            work = Envelope(key=key, job=None)
            self._put(work)
            self._run_somewhere(work, tags)

    def start(self, key: str, job: Job, tags: Mapping[str, str]) -> str:
        """RunInstances with a client token made from the job's object, so that a repeat finds the machine."""
        body = self._get(key, JOB)
        before = envelope(body) if body else None
        if before is not None and before.job is None:
            waiting = [m for m in self._machines(before) if m["State"].get("Name") not in _ENDED]
            if waiting:
                self._put(before.model_copy(update={"job": job}))
                return waiting[0]["InstanceId"]
        work = self._put_once(key, before, job)
        # Looked for first: it may stand in a subnet that is not the first to be tried, or have been started
        # ahead of its job. The client token covers what the look-up does not show yet.
        known = self._machines(work)
        if known and self._died(key, known):
            work, known = self._renew(work), []
        return known[0]["InstanceId"] if known else self._run_somewhere(work, tags)

    def _died(self, key: str, machines: Sequence[InstanceTypeDef]) -> bool:
        """Whether they ended without a word: nobody is left who could answer."""
        return _all_ended(machines) and self._get(key, RESULT) is None

    def _run_somewhere(self, work: Envelope, tags: Mapping[str, str]) -> str:
        """In the first subnet that has room."""
        refused: ClientError | None = None
        for subnet in self._runner.subnet_ids:
            try:
                return self._run(work, subnet, tags)
            except ClientError as error:
                if code(error) not in _NO_ROOM:
                    raise
                refused = error
        raise refused or ActionFailed(f"the runner of {self._contract.stack} has no subnet")

    def progress(self, key: str) -> str | None:
        """Read `progress.json`."""
        body = self._get(key, PROGRESS)
        return Progress.model_validate_json(body).text if body else None

    def result(self, key: str) -> Result | None:
        """Read `result.json`; when there is none, see whether the machine is still there."""
        body = self._get(key, RESULT)
        if body is not None:
            return Result.model_validate_json(body)
        if not self._due(key):
            return None
        body = self._get(key, JOB)
        machines = self._machines(envelope(body)) if body else []
        if machines and _all_ended(machines):
            body = self._get(key, RESULT)  # written just before it ended
            if body is not None:
                return Result.model_validate_json(body)
            raise ActionFailed(
                f"the runner for {key} ended without a result ({machines[0]['InstanceId']})",
                means="its job may be half done; jobs are safe to repeat",
                cure=f"see its console: aws ec2 get-console-output --region {self.clients.region} "
                f"--instance-id {machines[0]['InstanceId']}; then dr resume",
            )
        return None

    def retry(self, key: str) -> None:
        """A new generation of the job; result and progress of the last one are deleted."""
        body = self._get(key, JOB)
        if body is not None:
            self._renew(envelope(body))

    def _folder(self, key: str) -> str:
        return f"{self._runner.jobs_prefix.strip('/')}/{key}".lstrip("/")

    def _get(self, key: str, name: str) -> bytes | None:
        return get(self.clients, self._runner.jobs_bucket, f"{self._folder(key)}/{name}")

    def _put(self, work: Envelope) -> None:
        self.clients.s3.put_object(
            Bucket=self._runner.jobs_bucket,
            Key=f"{self._folder(work.key)}/{JOB}",
            Body=work.model_dump_json().encode(),
        )

    def _put_once(self, key: str, before: Envelope | None, job: Job) -> Envelope:
        """The job as it was first put: a machine may be reading it. What changed is a new generation."""
        if before is None:
            work = Envelope(key=key, job=job)
            self._put(work)
            return work
        if before.job is not None and before.job.model_copy(update={"seconds": job.seconds}) == job:
            return before  # how long it may take depends on when it was asked, and makes it no other job
        return self._renew(before.model_copy(update={"job": job}))

    def _renew(self, before: Envelope) -> Envelope:
        work = before.model_copy(update={"generation": before.generation + 1})
        for name in (RESULT, PROGRESS):
            path = f"{self._folder(work.key)}/{name}"
            self.clients.s3.delete_object(Bucket=self._runner.jobs_bucket, Key=path)
        self._put(work)
        return work

    def _due(self, key: str) -> bool:
        """Whether to look for the machine itself now: results are asked for often, machines every 2 s."""
        now = time.monotonic()
        if now - self._looked.setdefault(key, now) < _LOOK_EVERY:
            return False
        self._looked[key] = now
        return True

    def _run(self, work: Envelope, subnet: str, tags: Mapping[str, str]) -> str:
        labels: Sequence[Any] = [{"Key": k, "Value": v} for k, v in sorted(tags.items())]
        job: Any = {"Key": JOB_TAG, "Value": f"s3://{self._runner.jobs_bucket}/{self._folder(work.key)}"}
        generation: Any = {"Key": GENERATION_TAG, "Value": str(work.generation)}
        name: Any = {"Key": "Name", "Value": f"lifeboat-{work.job.kind if work.job else 'runner'}"}
        spec: TagSpecificationTypeDef = {"ResourceType": "instance", "Tags": [*labels, job, generation, name]}
        reply = self.clients.ec2.run_instances(
            LaunchTemplate={"LaunchTemplateId": self._runner.launch_template_id, "Version": "$Latest"},
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            ClientToken=work.token(subnet),
            TagSpecifications=[spec],
        )
        return reply["Instances"][0]["InstanceId"]

    def _machines(self, work: Envelope) -> list[InstanceTypeDef]:
        where = f"s3://{self._runner.jobs_bucket}/{self._folder(work.key)}"
        wanted = {JOB_TAG: where, GENERATION_TAG: str(work.generation)}
        found = self.clients.ec2.describe_instances(
            Filters=[{"Name": f"tag:{tag}", "Values": [value]} for tag, value in wanted.items()]
        )
        machines = [machine for group in found["Reservations"] for machine in group["Instances"]]
        return sorted(machines, key=lambda machine: machine["LaunchTime"], reverse=True)


def _all_ended(machines: Sequence[InstanceTypeDef]) -> bool:
    return all(machine["State"].get("Name") in _ENDED for machine in machines)
