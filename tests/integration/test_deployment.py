"""The deployment files: what can run here is run, the rest is read."""

import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from sqlalchemy import text

from app.api import ApiSettings
from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.migrations import upgrade
from app.db.target.development import DEVELOPMENT_PASSWORD
from app.repositories import TaskRepo
from tests.support import needs
from tests.support.postgres import Postgres
from tests.support.tls import Certificate, certificate_folder, tls_server

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
POOLER = ROOT / "deploy" / "pgbouncer"
PASSWORD = 'it "has" quotes'


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
    """It is valid with its profile, and without any variable set."""
    command = ["docker", "compose", "--file", str(COMPOSE), "--profile", "pooler", "config", "--quiet"]
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


def test_only_the_certificates_are_made_as_root(compose: dict[str, Any]) -> None:
    """Every other service runs as another user, without capabilities and with a read-only file system."""
    services = compose["services"]
    assert [name for name, service in services.items() if "user" in service] == ["certificates"]
    assert [name for name, service in services.items() if "cap_add" in service] == ["certificates"]
    assert services["certificates"]["network_mode"] == "none"
    for name in services.keys() - {"postgres"}:
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


@pytest.mark.parametrize("file", [ROOT / "Dockerfile", POOLER / "Dockerfile"], ids=["api", "pgbouncer"])
def test_an_image_is_pinned_and_not_of_root(file: Path) -> None:
    """It has a tag, a numeric last user that is not 0 and a health check, and what it copies exists."""
    text = file.read_text()
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert [image for image in images if ":" not in image or image.endswith(":latest")] == []
    assert int(re.findall(r"^USER (\d+)$", text, re.MULTILINE)[-1]) > 0
    assert "HEALTHCHECK" in text
    copied = [line.split()[:-1] for line in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.*)$", text, re.MULTILINE)]
    assert [name for names in copied for name in names if not (file.parent / name).exists()] == []


def test_the_image_gets_nothing_that_git_ignores() -> None:
    """Only what it copies is sent to the build: no `.env`, no history."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert kept == {"alembic", "alembic.ini", "app", "requirements/run.txt"}


@pytest.fixture
def made() -> Iterator[Path]:
    """Make the certificates as the compose file does, for the user that the tests' servers run as."""
    with certificate_folder() as folder:
        _make_certificates(folder)
        yield folder


def _make_certificates(folder: Path) -> None:
    owner = _server_uid()
    script, servers = ROOT / "deploy" / "certificate.py", [f"postgres:{owner}", f"pgbouncer:{owner}"]
    subprocess.run([sys.executable, "-W", "error", script, folder, *servers], check=True)


def _server_uid() -> int:
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()


def test_certificates_are_made_once(made: Path) -> None:
    """Only its server can read a key; a second start changes nothing; the CA's key is not kept."""
    before = {file.name: file.read_bytes() for file in made.iterdir()}
    assert sorted(before) == ["ca.crt", "pgbouncer.crt", "pgbouncer.key", "postgres.crt", "postgres.key"]
    assert {file.stat().st_mode & 0o777 for file in made.glob("*.key")} == {0o600}
    _make_certificates(made)
    assert {file.name: file.read_bytes() for file in made.iterdir()} == before


@pytest.fixture
def server(made: Path) -> Iterator[Postgres]:
    """Run PostgreSQL with them."""
    with tls_server(Certificate(made / "postgres.crt", made / "postgres.key")) as server:
        shutil.copy(ROOT / "deploy" / "pg_hba.conf", server.data_folder / "pgdata" / "pg_hba.conf")
        server.restart()
        yield server


@pytest.fixture
async def address(server: Postgres) -> str:
    """Make a role that logs in by password, and return its URL without the query string."""
    async with Database(DatabaseSettings(url=server.url())) as db:
        quoted = PASSWORD.replace("'", "''")
        await db.execute(text(f"create role app superuser login password '{quoted}'"))
    return f"postgresql://app:{quote(PASSWORD)}@localhost:{server.port}/postgres"


async def test_clients_verify_the_server_by_them(address: str, made: Path) -> None:
    """Verification is strict, as in Python since 3.13."""
    settings = DatabaseSettings(url=f"{address}?sslmode=verify-full&sslrootcert={made}/ca.crt")
    context = settings.target().tls.context()
    assert context
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with Database(settings) as db:
        await upgrade(settings)
        assert await TaskRepo(db).count("ada") == 0


async def test_the_server_refuses_who_does_not_encrypt(address: str) -> None:
    """The right password does not help."""
    async with Database(DatabaseSettings(url=f"{address}?sslmode=disable")) as db:
        with pytest.raises(ConfigurationError, match="no encryption"):
            await TaskRepo(db).count("ada")


@pytest.fixture
def pooler_port(server: Postgres, made: Path) -> Iterator[int]:
    """Run the pooler by its own script and settings, with only paths and addresses changed."""
    needs.pgbouncer()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    places = {
        "host=postgres port=5432": f"host=localhost port={server.port}",
        "listen_addr = *": "listen_addr = 127.0.0.1",
        "6432": str(port),
        "/tls/": f"{made}/",
        "/tmp/users.txt": f"{made}/users.txt",
    }
    for name in ("start.sh", "pgbouncer.ini"):
        content = (POOLER / name).read_text()
        for ours, here in places.items():
            content = content.replace(ours, here)
        (made / name).write_text(content)
    os.chown(made, _server_uid(), -1)
    process = subprocess.Popen(
        ["sh", made / "start.sh", made / "pgbouncer.ini"],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "POSTGRES_USER": "app", "POSTGRES_PASSWORD": PASSWORD},
        user=_server_uid(),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


async def test_the_pooler_works_as_it_is_configured(
    server: Postgres, address: str, made: Path, pooler_port: int
) -> None:
    """Both sides are verified and use a password; a call through it returns."""
    await upgrade(DatabaseSettings(url=server.url()))
    url = address.replace(f":{server.port}/", f":{pooler_port}/")
    settings = DatabaseSettings(url=f"{url}?sslmode=verify-full&sslrootcert={made}/ca.crt", pooler="transaction")
    async with Database(settings) as db:
        assert await TaskRepo(db).count("ada") == 0
