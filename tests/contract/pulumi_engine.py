"""What the Pulumi engine does with a provider, in a few lines: start it, ask it, keep what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from rehearsal.provider import install
from rehearsal.provider.wire import Props, decode, encode


@dataclass
class Resource:
    """A resource as the engine's state holds it."""

    token: str
    name: str
    id: str = ""
    inputs: Props = field(default_factory=dict)
    state: Props = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """Speaks to one provider process."""

    stub: Any

    def configure(self, **config: str) -> None:
        self.stub.Configure(pb.ConfigureRequest(variables={f"aws:config:{k}": v for k, v in config.items()}))

    def check(self, token: str, name: str, news: Props, olds: Props | None = None) -> Any:
        request = pb.CheckRequest(urn=urn(token, name), name=name, type=token, news=encode(news))
        request.olds.CopyFrom(encode(olds or {}))
        request.randomSeed = name.encode()
        return self.stub.Check(request)

    def checked(self, token: str, name: str, news: Props, olds: Props | None = None) -> Props:
        answer = self.check(token, name, news, olds)
        assert not answer.failures, answer.failures
        return decode(answer.inputs)

    def create(self, token: str, name: str, inputs: Props) -> Resource:
        made = Resource(token, name, inputs=self.checked(token, name, inputs))
        request = pb.CreateRequest(
            urn=urn(token, name), name=name, type=token, properties=encode(made.inputs), timeout=60
        )
        answer = self.stub.Create(request)
        made.id, made.state = answer.id, decode(answer.properties)
        return made

    def diff(self, resource: Resource, news: Props) -> Any:
        request = pb.DiffRequest(
            id=resource.id,
            urn=urn(resource.token, resource.name),
            name=resource.name,
            type=resource.token,
            olds=encode(resource.state),
            news=encode(self.checked(resource.token, resource.name, news, resource.inputs)),
        )
        request.old_inputs.CopyFrom(encode(resource.inputs))
        return self.stub.Diff(request)

    def update(self, resource: Resource, news: Props, *, preview: bool = False) -> Resource:
        inputs = self.checked(resource.token, resource.name, news, resource.inputs)
        request = pb.UpdateRequest(
            id=resource.id,
            urn=urn(resource.token, resource.name),
            name=resource.name,
            type=resource.token,
            olds=encode(resource.state),
            news=encode(inputs),
            preview=preview,
            timeout=60,
        )
        request.old_inputs.CopyFrom(encode(resource.inputs))
        state = decode(self.stub.Update(request).properties)
        return Resource(resource.token, resource.name, resource.id, inputs, state)

    def read(self, resource: Resource) -> Resource:
        """A refresh; of a resource without inputs and state, an import."""
        request = pb.ReadRequest(
            id=resource.id, urn=urn(resource.token, resource.name), name=resource.name, type=resource.token
        )
        request.inputs.CopyFrom(encode(resource.inputs))
        request.properties.CopyFrom(encode(resource.state))
        answer = self.stub.Read(request)
        return Resource(
            resource.token, resource.name, answer.id, decode(answer.inputs), decode(answer.properties)
        )

    def delete(self, resource: Resource) -> None:
        request = pb.DeleteRequest(
            id=resource.id, urn=urn(resource.token, resource.name), name=resource.name, type=resource.token
        )
        request.properties.CopyFrom(encode(resource.state))
        request.old_inputs.CopyFrom(encode(resource.inputs))
        self.stub.Delete(request)

    def invoke(self, token: str, args: Props | None = None) -> Props:
        return decode(
            getattr(self.stub.Invoke(pb.InvokeRequest(tok=token, args=encode(args or {}))), "return")
        )


def init_failure(error: grpc.RpcError) -> Any:
    """The detail with which a provider says that something was made and then went wrong."""
    words = dict(error.trailing_metadata())  # type: ignore[attr-defined]
    status = status_pb2.Status()
    status.ParseFromString(words["grpc-status-details-bin"])
    detail = pb.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:test::lifeboat::{token}::{name}"


@contextmanager
def started(home: Path, environment: Mapping[str, str]) -> Iterator[Engine]:
    """The plugin as Pulumi starts it: an executable of the plugin folder, its port on the first line."""
    folder = install(home, Path(sys.executable))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))}
    process = subprocess.Popen(
        [folder / "pulumi-resource-aws", "127.0.0.1:1"], env=kept | dict(environment), stdout=subprocess.PIPE
    )
    assert process.stdout
    try:
        channel = grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}")
        with channel:
            yield Engine(provider_pb2_grpc.ResourceProviderStub(channel))
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
