"""Several hosts on one machine: network namespaces on a bridge. What they share listens on the bridge's address."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import Any

from tests.drills.processes import Processes
from tests.drills.servers import Servers


class NotAllowed(Exception):
    """This machine, or who we are on it, makes no network namespaces."""


class Host:
    """One network namespace, and what runs in it."""

    def __init__(self, network: Network, number: int) -> None:
        self.name = f"{network.name}-{number}"
        self.address = f"{network.prefix}.{number + 1}"
        self.cable = f"{network.name}v{number}"
        self.running: list[subprocess.Popen[bytes]] = []
        _ip("netns", "add", self.name)
        _ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self.cable, "master", network.name, "up")
        _ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", self.name, "link", "set", device, "up")

    def start(self, processes: Processes, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        process = processes.start(*arguments, before=("ip", "netns", "exec", self.name), **settings)
        self.running.append(process)
        return process

    def cut_off(self) -> None:
        """Nothing comes in or goes out, and nobody is told."""
        _ip("link", "set", self.cable, "down")

    def connect(self) -> None:
        _ip("link", "set", self.cable, "up")

    def lose_power(self, processes: Processes) -> None:
        self.cut_off()
        for process in self.running:
            processes.tell(process, signal.SIGKILL)
            process.wait()


class Network:
    """`address` is where hosts find what they share."""

    def __init__(self) -> None:
        number = os.getpid() % 250 + 1
        self.name = f"heed{number}"
        self.prefix = f"10.77.{number}"
        self.address = f"{self.prefix}.1"
        self.hosts: list[Host] = []
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise NotAllowed("network namespaces need root, and iproute2")
        try:
            _ip("link", "add", self.name, "type", "bridge")
            _ip("address", "add", f"{self.address}/24", "dev", self.name)
            _ip("link", "set", self.name, "up")
            for number in (1, 2):
                self.hosts.append(Host(self, number))
        except subprocess.CalledProcessError as problem:
            self.close()
            raise NotAllowed(problem.stderr.strip()) from None

    def serve(self, servers: Servers) -> dict[str, str]:
        """PostgreSQL and Redis listen on the bridge too. Returns what tells processes where."""
        with (servers.data / "postgres" / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {self.prefix}.0/24 trust\n")
        servers.restart_postgres("fast", listen=self.address)
        client = servers.redis
        for name, value in (("protected-mode", "no"), ("bind", self.address), ("port", "6379")):
            client.config_set(name, value)
        return {
            "DATABASE_URL": f"postgresql://postgres@{self.address}:5432/postgres",
            "REDIS_URL": f"redis://{self.address}:6379/0",
        }

    def close(self) -> None:
        for host in self.hosts:
            _ip("link", "delete", host.cable)
            _ip("netns", "delete", host.name)
        if self.name in os.listdir("/sys/class/net"):
            _ip("link", "delete", self.name)


def _ip(*arguments: Any) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
