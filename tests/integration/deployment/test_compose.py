"""The compose file: it is read, and checked by the compose client where there is one."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.api import ApiSettings
from app.db.target.development import DEVELOPMENT_PASSWORD
from tests.conftest import DOCKER_CITUS_IMAGE

ROOT = Path(__file__).resolve().parents[3]
POOLER = ROOT / "deploy" / "pgbouncer"
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Read the compose file, its anchors resolved."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return content


def _has_compose() -> bool:
    program = shutil.which("docker")
    if program is None:
        return False
    return subprocess.run([program, "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _has_compose(), reason="needs the compose client")
def test_compose_accepts_the_file() -> None:
    """It is valid with its profiles, and without any variable set."""
    command = ["docker", "compose", "--file", str(COMPOSE), "--profile", "*", "config", "--quiet"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_compose_names_only_what_there_is(compose: dict[str, Any]) -> None:
    """Its dependencies, volumes, build folders and mounted files all exist."""
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        assert "build" not in service or (ROOT / service["build"] / "Dockerfile").is_file()
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert (ROOT / source).is_file() if source.startswith(".") else source in compose["volumes"]


def test_nothing_serves_before_the_release_step(compose: dict[str, Any]) -> None:
    """The API waits for its role's rights, the rights for the migrations, and the migrations for PostgreSQL."""
    services = compose["services"]
    assert services["migrate"]["command"][-1] == "migrate"
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert services["roles"]["command"][-1] == "roles"
    for name, before in (("roles", "migrate"), ("api", "roles"), ("api-pooled", "roles")):
        assert services[name]["depends_on"][before]["condition"] == "service_completed_successfully"


def test_each_service_has_the_least_rights(compose: dict[str, Any]) -> None:
    """Migrations run as the owner, services as neither owner nor superuser, and each has its own password."""
    roles: dict[str, set[tuple[str, str]]] = {}
    for name, service in compose["services"].items():
        urls = [value for value in service.get("environment", {}).values() if value.startswith("postgresql:")]
        roles[name] = {re.findall(r"//(\w+):\$\{(\w+):", url)[0] for url in urls}
    owner, application = {("app_owner", "OWNER_PASSWORD")}, {("app", "APP_PASSWORD")}
    assert {name: each for name, each in roles.items() if each} == {
        "migrate": owner, "roles": owner, "api": application, "api-pooled": application
    }  # fmt: skip
    environment = compose["services"]["postgres"]["environment"]
    assert environment["POSTGRES_USER"] == "postgres"
    made = (ROOT / "deploy" / "roles.sql").read_text()
    assert set(re.findall(r"getenv \w+ (\w+)", made)) == {name for name in environment if name[0] != "P"}


def test_every_connection_is_verified_and_no_port_is_open_to_others(compose: dict[str, Any]) -> None:
    """Services verify each other by certificate; from outside only this machine can connect."""
    for service in compose["services"].values():
        urls = [value for value in service.get("environment", {}).values() if value.startswith("postgresql:")]
        assert [url for url in urls if not url.endswith("?sslmode=verify-full&sslrootcert=/tls/ca.crt")] == []
        assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []


def test_citus_is_the_image_that_the_tests_use(compose: dict[str, Any]) -> None:
    """It keeps its data in the image's own folder, and is asked for a connection from outside: its set-up has none."""
    citus = compose["services"]["citus"]
    assert citus["image"] == DOCKER_CITUS_IMAGE
    assert citus["volumes"] == ["citus:/var/lib/postgresql/data"]
    assert "--host=127.0.0.1" in citus["healthcheck"]["test"]
    assert f"--dbname={citus['environment']['POSTGRES_DB']}" in citus["healthcheck"]["test"]


def test_only_the_certificates_are_made_as_root(compose: dict[str, Any]) -> None:
    """Other services, but the databases, run as another user, without capabilities, on a read-only file system."""
    services = compose["services"]
    assert [name for name, service in services.items() if "user" in service] == ["certificates"]
    assert [name for name, service in services.items() if "cap_add" in service] == ["certificates"]
    assert services["certificates"]["network_mode"] == "none"
    for name in services.keys() - {"postgres", "citus"}:  # their images change the user themselves
        assert (services[name]["cap_drop"], services[name]["read_only"]) == (["ALL"], True)


def test_a_key_belongs_to_the_user_of_its_server(compose: dict[str, Any]) -> None:
    """PostgreSQL's Alpine image runs as user 70, Debian's as another; the application's image names its own."""
    services = compose["services"]
    owners = dict(server.split(":") for server in services["certificates"]["command"][3:])
    assert services["postgres"]["image"].endswith("-alpine")
    user = re.findall(r"^USER (\d+)$", (POOLER / "Dockerfile").read_text(), re.MULTILINE)
    assert owners == {"postgres": "70", "pgbouncer": user[-1]}


def test_a_secret_that_is_not_set_does_not_look_like_one() -> None:
    """The only default password says what it is and is refused outside this machine; tokens have no default."""
    defaults = dict(re.findall(r"\$\{(\w+(?:PASSWORD|SECRET)):-([^}]*)\}", COMPOSE.read_text()))
    passwords = set(re.findall(r"\$\{\w+_PASSWORD:-([^}]*)\}", COMPOSE.read_text()))
    assert passwords == {DEVELOPMENT_PASSWORD}
    owners = {f"{owner}_PASSWORD" for owner in ("POSTGRES", "OWNER", "APP", "READER")}
    assert defaults.keys() == owners | {"API_JWT_SECRET"}
    assert defaults["API_JWT_SECRET"] == ""


def test_a_container_is_not_killed_before_its_answers_are_stored(compose: dict[str, Any]) -> None:
    """Open requests end first, then in-flight replies; docs/operations.md gives the same time."""
    server = subprocess.run([sys.executable, "-m", "app.api", "--help"], capture_output=True, text=True, check=True)
    requests = int(re.findall(r"may\s+take\s+at\s+the\s+end\s+\(default:\s+(\d+)\)", server.stdout)[0])
    needed = requests + ApiSettings.model_fields["shutdown_seconds"].default
    given = re.findall(r"--stop-timeout (\d+)|GracePeriodSeconds: (\d+)", (ROOT / "docs" / "operations.md").read_text())
    times = [int(number) for pair in given for number in pair if number]
    times += [int(compose["services"][name]["stop_grace_period"].removesuffix("s")) for name in ("api", "api-pooled")]
    assert len(times) >= 4
    assert min(times) > needed
