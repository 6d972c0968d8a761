"""What a recovery finds ready at a site, or does not: asked beforehand, told with the cure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from infra.outputs import SiteContract
from recovery.sites.aws.clients import Clients
from recovery.sites.aws.errors import NOT_THERE, code
from recovery.sites.aws.stores import get


def lacking(clients: Clients, contract: SiteContract) -> Sequence[str]:
    """One sentence for each thing that is certainly not there; what cannot be asked is not guessed about."""
    with ThreadPoolExecutor(8) as pool:
        return tuple(text for text in pool.map(_missing, _questions(clients, contract)) if text)


type _Question = tuple[str, str, Callable[[], object]]
"""What it is, how to get it back, and the call that fails or answers with nothing when it is gone."""


def _questions(clients: Clients, contract: SiteContract) -> Sequence[_Question]:
    database, network = contract.database.settings, contract.network
    parameters = database.parameter_group
    anew = f"pulumi up --refresh --stack {contract.stack} makes it anew"
    rds, ec2 = clients.rds, clients.ec2  # made before the threads, which only call
    groups = {
        "load balancer": network.balancer_security_group_id,
        "web": network.web_security_group_id,
        "database": network.database_security_group_id,
        "runner": network.runner_security_group_id,
    }
    templates = {"web": contract.web.launch_template_id, "runner": contract.runner.launch_template_id}
    return (
        (f"subnet group {database.subnet_group}", anew,
         lambda: rds.describe_db_subnet_groups(DBSubnetGroupName=database.subnet_group)),
        (f"parameter group {parameters}", anew,
         lambda: rds.describe_db_parameter_groups(DBParameterGroupName=parameters)["DBParameterGroups"]),
        *((f"{name} security group {id_}", anew,
           lambda id_=id_: ec2.describe_security_groups(GroupIds=[id_]))
          for name, id_ in groups.items()),
        *((f"{name} launch template {id_}", anew,
           lambda id_=id_: ec2.describe_launch_templates(LaunchTemplateIds=[id_])["LaunchTemplates"])
          for name, id_ in templates.items()),
        *_secrets(clients, contract, anew),
        *_objects(clients, contract),
    )  # fmt: skip


def _secrets(clients: Clients, contract: SiteContract, anew: str) -> Sequence[_Question]:
    names, secrets = contract.secrets, clients.secrets

    def usable(name: str) -> bool:
        return "DeletedDate" not in secrets.describe_secret(SecretId=name)

    back = (
        f"aws secretsmanager restore-secret --region {clients.region} --secret-id {{}}; or, past its window, "
    )
    return tuple(
        (f"secret {name}", back.format(name) + anew, lambda name=name: usable(name))
        for name in (names.database_master, names.database_app, names.verify_token)
    )


def _objects(clients: Clients, contract: SiteContract) -> Sequence[_Question]:
    store, web, bundle = (
        contract.store("artefacts").bucket,
        contract.web.artefact_version,
        contract.runner.bundle_version,
    )
    wanted = {
        f"bundle/{bundle}": "runners cannot boot: dr bundle builds and stores it",
        **({f"web/{web}": f"dr artefact put web {web} FILE --site {contract.stack}"} if web else {}),
    }
    return tuple(
        (f"{prefix} in {store}", cure,
         lambda prefix=prefix: get(clients, store, f"{prefix}/manifest.json") is not None)
        for prefix, cure in wanted.items()
    )  # fmt: skip


def _missing(question: _Question) -> str:
    what, cure, ask = question
    try:
        there = ask()
    except ClientError as error:
        there = code(error) not in NOT_THERE
    except BotoCoreError:
        return ""
    return "" if there else f"{what} is not there: {cure}"
