"""The Python language host for a Pulumi CLI that was built here (`tools/pulumi/install.py`).

Pulumi's own host is a Go module that no proxy serves; the Python SDK holds all but the edges of one. This
file is installed beside such a CLI as `pulumi-language-python`; whoever has the official CLI has the official
host and never meets it. Contract: sdk/go/common/resource/plugin/plugin.go (first line of stdout is the port;
argv ends with the engine's address).
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pulumi
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

ENGINE = sys.argv[-1]


def _quiet(*_: Any, **__: Any) -> None:
    """The SDK sends four debug messages per resource, and waits for the engine to take each of them."""


class Host(LanguageServer):
    """`pulumi up` runs `<program directory>/__main__.py`; policy packs run by `python -m pulumi.policy`."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: D102
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: D102
        return plugin_pb2.PluginInfo(
            version=pulumi.__version__ if hasattr(pulumi, "__version__") else "3.0.0"
        )

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """Nothing to install: the virtual environment is made by `./dr`."""
        return iter(())

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:  # noqa: D102
        return language_pb2.RuntimeOptionsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:  # noqa: D102
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: D102
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program in this process, as the official host does in a child of its own."""
        folder = Path(request.info.program_directory)
        entry = folder / (request.info.entry_point or ".")
        os.chdir(folder)
        if "PULUMI_OPTION_DEBUG" not in os.environ:
            pulumi.log.debug = _quiet
        sys.path.insert(0, str(folder))
        sys.argv = [str(entry)]
        del request.args[:]
        request.args.append(ENGINE)
        self.program = lambda: runpy.run_path(str(entry), run_name="__main__")
        return super().Run(request, context)

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Policy packs: the engine asks for an `analyzer` plugin and reads its port from the stream."""
        if request.kind != "analyzer":
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"plugins of kind {request.kind!r} are not run by this host"
            )
        pack = request.info.program_directory or request.program
        child = subprocess.Popen(
            [sys.executable, "-u", "-m", "pulumi.policy", ENGINE, pack],
            cwd=request.pwd or pack,
            env={**os.environ, **dict(pair.split("=", 1) for pair in request.env)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(child.terminate)
        assert child.stdout and child.stderr
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.extend(child.stderr or ()), daemon=True)
        reader.start()
        for line in child.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        code = child.wait()
        reader.join(1)
        if errors:
            yield language_pb2.RunPluginResponse(stderr=b"".join(errors))
        yield language_pb2.RunPluginResponse(exitcode=code)


def main() -> None:
    """Serve until the engine ends us."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
