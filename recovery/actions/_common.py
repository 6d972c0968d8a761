"""What several actions share."""

from __future__ import annotations

import re
from collections.abc import Callable

from recovery.actions.base import Context, With
from recovery.errors import ActionFailed, InputError
from recovery.runner.jobs import Job, Result, Target
from recovery.sites.ports import Runner

RUNNER_PERMISSIONS = (
    "ec2:CreateTags",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:RunInstances",
    "iam:PassRole",
    # its disk is encrypted (Amazon EBS User Guide, Requirements for encryption)
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:PutObject",
)
"""What starting a runner and reading its answer needs."""


def options[W: With](ctx: Context, kind: type[W]) -> W:
    """The step's `with:` as its own type; InputError when the engine was given another one."""
    if isinstance(ctx.with_, kind):
        return ctx.with_
    raise InputError(f"step {ctx.step}: `with` is {type(ctx.with_).__name__}, not {kind.__name__}")


def tags(ctx: Context) -> dict[str, str]:
    """Tags of everything that the step makes."""
    return tags_of(ctx.run, ctx.step)


def tags_of(run: str, step: str) -> dict[str, str]:
    """Tags of what a run's step makes."""
    return {"lifeboat-run": run, "lifeboat-step": step}


def restored_identifier(base: str, run: str) -> str:
    """Name of the instance that a run restores: the database's own name and the run's date (RDS: at most 63
    characters, letters, digits and single dashes)."""
    stamp = re.search(r"\d{8}-.*$", run)
    tail = re.sub(r"[^a-z0-9]+", "-", (stamp.group(0) if stamp else run).lower()).strip("-")
    root = re.sub(r"-\d{8}-\d{4,6}.*$", "", base)
    return f"{root[: 62 - len(tail)].rstrip('-')}-{tail}"


def database_target(ctx: Context, host: str, port: int) -> Target:
    """Where a runner finds the restored database, and the names of its secrets."""
    return Target(
        host=host,
        port=port,
        database=ctx.target.database.settings.name,
        master_secret=ctx.target.secrets.database_master,
        app_secret=ctx.target.secrets.database_app,
    )


def checks_key(ctx: Context) -> str:
    """Of the run's SQL checks: whoever knows that they come soon starts their machine ahead of them."""
    return f"{ctx.run}/checks/check-sql"


def start_job(ctx: Context, runner: Runner, key: str, job: Job) -> str:
    """Start a runner, once per key; a job that failed in an earlier attempt is started anew."""
    before = runner.result(key)
    if before is not None and not before.ok:
        runner.retry(key)
    runner.start(key, job, tags(ctx))
    return key


def finish_job(
    ctx: Context, runner: Runner, key: str, what: str, meanwhile: Callable[[str], object] = lambda _: None
) -> Result:
    """Wait for the runner's result; ActionFailed when the job failed.

    `meanwhile` is called with the machine's last words each time it is asked in vain.
    """

    def probe() -> Result | None:
        result = runner.result(key)
        if result is None:
            said = runner.progress(key)
            if said:
                ctx.progress(said, None)
            meanwhile(said or "")
        return result

    result = ctx.poll(f"the runner says that {what}", probe)
    if not result.ok:
        raise ActionFailed(
            f"the runner for {key} failed: {result.what}",
            means=f"it is not proven that {what}; jobs are safe to repeat",
            cure="repair what it names, then dr resume",
        )
    return result
