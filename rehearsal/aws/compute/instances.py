"""EC2 instances: pending until AWS would have started them, then a machine that runs its user data.

What moto leaves out and this puts right: settings of the launch template other than image, type and groups;
client tokens; the time a launch takes; an address that really answers; shutdown behaviour.
Source: EC2 API Reference, RunInstances; EC2 User Guide, "Instance lifecycle".
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance, InstanceBackend, Reservation, StateReason
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse

from rehearsal.aws import calls
from rehearsal.aws.patch import around
from rehearsal.log import log
from rehearsal.machines.machine import Machine
from rehearsal.world import World

_METADATA_PORT = 80


class Fleet:
    """Every instance of the world that has a machine. Thread-safe."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lock = threading.RLock()
        """Held by whoever changes instances, groups or targets: moto itself is not thread-safe."""
        self.metadata_address = f"{world.settings.prefix}.0.169"
        self._machines: dict[str, tuple[Instance, Machine]] = {}
        world.on_loss(self._lost)
        world.on_return(self._returned)
        world.every(0.1, self._watch, name="machines")

    @property
    def metadata_port(self) -> int:
        """Port of the metadata service."""
        return self.world.settings.port(_METADATA_PORT)

    def find(self, instance_id: str) -> Instance | None:
        """The instance of that id, wherever it is."""
        known = self._machines.get(instance_id)
        return known[0] if known else None

    def launch(self, instance: Instance, cause: str) -> None:
        """Have `instance` pending, and running when AWS would have started it."""
        region = instance.ec2_backend.region_name
        # moto's own pick from the subnet's range answers nobody; this one is bound by the machine
        address = instance.nics[0].private_ip_address = self.world.address(region, instance.id)
        machine = Machine(
            world=self.world,
            id=instance.id,
            address=address,
            user_data=base64.b64decode(str(instance.user_data)) if instance.user_data else b"",
            metadata_url=f"http://{self.metadata_address}:{self.metadata_port}/{instance.id}",
        )
        self._machines[instance.id] = (instance, machine)
        self._begin(instance, machine, cause)

    def _begin(self, instance: Instance, machine: Machine, cause: str) -> None:
        _set_state(instance, "pending")

        def begin() -> None:
            with self.lock:
                if instance.state != "pending":
                    return
                machine.power_on()
                _set_state(instance, "running")

        self.world.after("ec2.launch", instance.ec2_backend.region_name, begin, cause=cause)

    def start(self, instance: Instance, cause: str) -> None:
        """A stopped instance starts again, on the disk it had."""
        self._begin(instance, self._machines[instance.id][1], cause)

    def console(self, instance_id: str) -> bytes:
        """The last 64 KiB that the instance's machine printed, as GetConsoleOutput shows them."""
        _, machine = self._machines.get(instance_id, (None, None))
        printed = machine.console.read_bytes() if machine and machine.console.exists() else b""
        return printed[-65536:]

    def power_off(self, instance_id: str, *, keep_disk: bool) -> None:
        """Stop the instance's machine, if it has one."""
        _, machine = self._machines.get(instance_id, (None, None))
        if machine is not None:
            machine.power_off() if keep_disk else machine.discard()

    def _watch(self) -> None:
        """Instances that shut themselves down are stopped or terminated, as they were launched to be."""
        for instance, machine in list(self._machines.values()):
            if instance.state == "running" and machine.shut_down:
                with self.lock:
                    if instance.instance_initiated_shutdown_behavior == "terminate":
                        instance.terminate()
                    else:
                        instance.stop()
                instance.state_reason = StateReason(
                    "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
                    "Client.InstanceInitiatedShutdown",
                )

    def _in(self, region: str) -> list[tuple[Instance, Machine]]:
        return [row for row in list(self._machines.values()) if row[0].ec2_backend.region_name == region]

    def _lost(self, region: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda row: row[1].power_off(), self._in(region)))

    def _returned(self, region: str) -> None:
        """Power is back: what ran boots again, with what it had on its disk."""
        for instance, machine in self._in(region):
            if instance.state == "running":
                machine.power_on()
            elif instance.state == "pending":
                self._begin(instance, machine, "")


def patch(fleet: Fleet) -> None:
    """Put the fleet behind moto's EC2."""
    _patch_launches(fleet)
    _patch_life(fleet)


def _patch_launches(fleet: Fleet) -> None:
    @around(InstanceBackend, "run_instances")
    def run(
        original: Callable[..., Reservation],
        self: Any,
        image_id: str,
        count: int,
        user_data: Any,
        security_group_names: list[str],
        **kwargs: Any,
    ) -> Reservation:
        with fleet.lock:
            token = kwargs.get("client_token")
            if token and (known := _launched_with(self, token)):
                return known
            template = _template(self, kwargs)
            _complete(kwargs, template)
            made = original(self, image_id, count, user_data, security_group_names, **kwargs)
            for instance in made.instances:
                _attach_profile(self, instance, template.get("IamInstanceProfile") or {}, kwargs)
                fleet.launch(instance, kwargs.get("cause") or calls.cause())
            return made

    @around(InstanceResponse, "run_instances")
    def answer(original: Callable[..., Any], self: Any) -> Any:
        # a repeated call answers with what the first one made; moto would attach the profile a second time
        token = self._get_param("ClientToken")
        known = _launched_with(self.ec2_backend, token) if token else None
        return _same(known, self) if known else original(self)


def _patch_life(fleet: Fleet) -> None:
    @around(Instance, "terminate")
    def terminate(original: Callable[..., Any], self: Any) -> Any:
        fleet.power_off(self.id, keep_disk=False)
        if self.state == "terminated":
            return _unchanged(self)
        return original(self)

    @around(Instance, "stop")
    def stop(original: Callable[..., Any], self: Any) -> Any:
        fleet.power_off(self.id, keep_disk=True)
        return original(self)

    @around(Instance, "start")
    def start(original: Callable[..., Any], self: Any) -> Any:
        before = original(self)
        if before.name == "stopped" and fleet.find(self.id):
            fleet.start(self, calls.cause())
        return before

    @around(General, "get_console_output")
    def console(original: Callable[..., Any], self: Any) -> Any:
        answer = original(self)
        printed = fleet.console(self._get_param("InstanceId"))
        answer.result["Output"] = Base64EncodedString.from_encoded_bytes(base64.b64encode(printed))
        return answer


def _unchanged(instance: Instance) -> Any:
    return type(instance._state)(instance.state, instance.state_code)


def _same(reservation: Reservation, response: Any) -> Any:
    from moto.core.responses import ActionResult

    wanted = response._get_param("LaunchTemplate", {}).get("LaunchTemplateId", "")
    tags = {tag["key"]: tag["value"] for tag in reservation.instances[0].get_tags()}
    if wanted and tags.get("aws:ec2launchtemplate:id") != wanted:
        raise EC2ClientError(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous "
            "request(s).",
        )
    return ActionResult(reservation)


def _launched_with(backend: Any, token: str) -> Reservation | None:
    reservations: list[Reservation] = backend.all_reservations()
    for reservation in reservations:
        if any(instance.client_token == token for instance in reservation.instances):
            return reservation
    return None


def _template(backend: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    given = kwargs.get("launch_template")
    return dict(backend._get_template_from_args(given).data) if given else {}


def _complete(kwargs: dict[str, Any], template: dict[str, Any]) -> None:
    """Take from the launch template what the call does not say and moto does not take."""
    kwargs.setdefault("client_token", None)
    given = dict(template.get("MetadataOptions") or {})
    kwargs["metadata_options"] = given | dict(kwargs.get("metadata_options") or {})
    for name, key in (
        ("instance_initiated_shutdown_behavior", "InstanceInitiatedShutdownBehavior"),
        ("ebs_optimized", "EbsOptimized"),
    ):
        if not kwargs.get(name) and template.get(key):
            kwargs[name] = template[key]
    if not kwargs.get("nics") and template.get("NetworkInterfaces"):
        kwargs["nics"] = [dict(nic) for nic in template["NetworkInterfaces"]]
    if kwargs.get("subnet_id"):
        for nic in kwargs.get("nics") or []:
            nic.setdefault("SubnetId", kwargs["subnet_id"])


def _attach_profile(backend: Any, instance: Instance, given: dict[str, Any], kwargs: dict[str, Any]) -> None:
    if kwargs.get("iam_instance_profile_name") or kwargs.get("iam_instance_profile_arn"):
        return  # moto attaches what the call names
    if name := given.get("Name"):
        backend.associate_iam_instance_profile(instance.id, iam_instance_profile_name=name)
    elif arn := given.get("Arn"):
        backend.associate_iam_instance_profile(instance.id, iam_instance_profile_arn=arn)


def _set_state(instance: Instance, name: str) -> None:
    instance._state.name, instance._state.code = name, {"pending": 0, "running": 16}[name]


def profile_role(instance: Instance) -> Any:
    """The IAM role of the instance's profile; None when it has none."""
    backend = ec2_backends[instance.owner_id][instance.region_name]
    association = backend.iam_instance_profile_associations.get(instance.id)
    roles = association.iam_instance_profile.roles if association else []
    if association and not roles:
        log.warning("instance profile without a role", instance=instance.id)
    return roles[0] if roles else None
