"""`make hosts`: two hosts with server, workers and bots each, over one PostgreSQL and one Redis, behind one nginx.

The hosts are network namespaces inside a booted machine; one is cut off in the middle, comes back, then the other. The
hosts share the data directory, as over NFS. Before that both are restarted, one after the other. Ends with 1 where a
message was lost or answered twice, or where a customer noticed a restart.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.appliance.installation import CONFIG, Installation
from tests.appliance.machine import Machine, booted
from tests.appliance.root import build_wheel, make_root
from tests.support.certificates import certificate_and_key
from tests.support.documents import REPOSITORY

_NAME = "help.example.com"

#: Where PostgreSQL, Redis and nginx are, and the two hosts.
_CENTRE = "10.77.0.1"
_HOSTS = {"north": "10.77.0.11", "south": "10.77.0.12"}

#: What runs on each host.
_ROLES = ("server --host 0.0.0.0", "worker", "worker", "bots")

_SERVER = f"""
[server]
public_url = "https://{_NAME}"
trusted_proxies = ["{_CENTRE}"]
"""

#: Seconds of each piece of the run, and between restarts.
_PIECE, _BETWEEN = 15.0, 3.0


def main() -> int:
    if os.geteuid() != 0:
        sys.exit("Only root can boot a machine. Run: sudo make hosts")
    root = make_root()
    with tempfile.TemporaryDirectory(prefix="replyx-wheel-") as folder, booted(root, build_wheel(Path(folder))) as box:
        return _try(box)


def _try(machine: Machine) -> int:
    installed = _install(machine)
    for name, address in _HOSTS.items():
        _open_host(machine, name, address)
    _open_nginx(machine)
    machine.wait_until(f"python /root/ready.py https://{_NAME}/readyz")
    is_smooth = _restart_one_after_another(installed)
    with installed.customers(8, f"https://{_NAME}", "/etc/ssl/replyx.pem") as seen:
        for name in _HOSTS:
            time.sleep(_PIECE)
            machine.run(f"ip link set {name} down")
            _say(f"{name} is cut off")
            time.sleep(_PIECE)
            machine.run(f"ip link set {name} up")
            _say(f"{name} is back")
        time.sleep(_PIECE)
    _say(f"asked {seen['asked']}, lost {seen['lost']}, doubled {seen['doubled']}, slowest {seen['slowest']} s")
    _say(f"errors that customers saw: {len(seen['errors'])} {seen['errors'][:3]}")
    sound = '"ok": true' in machine.run("replyx db check --json", check=False)
    machine.run("replyx billing verify")
    _say(f"db check: {'sound' if sound else 'NOT sound'}")
    return 0 if is_smooth and sound and seen["asked"] and seen["lost"] == seen["doubled"] == 0 else 1


def _restart_one_after_another(installed: Installation) -> bool:
    """A rolling restart, twice over: everything of one host, and once it is ready, of the other; nobody may notice."""
    machine = installed.machine
    with installed.customers(8, f"https://{_NAME}", "/etc/ssl/replyx.pem") as seen:
        for name, address in [*_HOSTS.items()] * 2:
            time.sleep(_BETWEEN)
            machine.run("systemctl restart " + " ".join(f"replyx-{name}-{n}" for n in range(len(_ROLES))))
            machine.wait_until(f"python /root/ready.py http://{address}:8000/readyz")
            _say(f"{name} was restarted")
        time.sleep(_BETWEEN)
    figures = ", ".join(f"{name} {seen[name]}" for name in ("asked", "lost", "doubled", "slowest"))
    _say(f"a rolling restart: {figures} s, errors that customers saw: {len(seen['errors'])} {seen['errors'][:3]}")
    return bool(seen["asked"]) and not seen["errors"] and seen["lost"] == seen["doubled"] == 0


def _install(machine: Machine) -> Installation:
    """PostgreSQL and Redis for the network, the database, a document; nothing runs yet."""
    admit = f"host all all {_CENTRE}/24 scram-sha-256"
    machine.run(
        "set -e; ip link add front type bridge && ip link set front up && ip address add " + f"{_CENTRE}/24 dev front\n"
        "runuser -u postgres -- psql -qc \"ALTER SYSTEM SET listen_addresses = '*'\"\n"
        f"echo '{admit}' | tee -a /etc/postgresql/*/main/pg_hba.conf && systemctl restart 'postgresql@*'\n"
        f"echo 'bind 127.0.0.1 {_CENTRE}\nprotected-mode no' >> /etc/redis/redis.conf && systemctl restart redis-server"
    )
    machine.wait_until("runuser -u postgres -- psql -Atc 'SHOW listen_addresses' | grep -F '*'")
    installed = Installation(machine)
    redis, database = "redis://127.0.0.1:6379/0", "postgresql://replyx:secret-7@127.0.0.1/replyx"
    installed.install("--redis-url", redis, "--database-url", database, start=False)
    machine.run(f"sed -i 's/127.0.0.1:6379/{_CENTRE}:6379/; s/@127.0.0.1/@{_CENTRE}/' {CONFIG}")
    # One table cannot stand there twice: the head that `init` wrote goes, ours comes.
    machine.run(f"sed -i '/^\\[server\\]$/d' {CONFIG} && cat >> {CONFIG}", stdin=_SERVER)
    installed.teach()
    return installed


def _open_host(machine: Machine, name: str, address: str) -> None:
    """A namespace on the bridge, and ReplyX in it; its processes end with the machine."""
    machine.run(
        f"set -e; ip netns add {name} && ip link add {name} type veth peer name eth0 netns {name}\n"
        f"ip link set {name} master front up\n"
        f"ip -n {name} address add {address}/24 dev eth0\n"
        f"ip -n {name} link set eth0 up && ip -n {name} link set lo up"
    )
    for number, role in enumerate(_ROLES):
        unit = f"replyx-{name}-{number}"
        where = f"-p NetworkNamespacePath=/run/netns/{name} -p Restart=always -p RestartSec=1 --setenv=PATH=$PATH"
        machine.run(f"systemd-run -q --unit={unit} {where} replyx --config {CONFIG} {role}")


def _open_nginx(machine: Machine) -> None:
    """The shipped configuration with a line for each host and a certificate of our own."""
    text = (REPOSITORY / "deploy" / "nginx" / "replyx.conf").read_text(encoding="utf-8")
    shipped = "    server 127.0.0.1:8000 max_fails=3 fail_timeout=2s;"
    servers = "\n".join(shipped.replace("127.0.0.1", address) for address in _HOSTS.values())
    text = text.replace(shipped, servers)
    for end in ("fullchain", "privkey"):
        text = text.replace(f"/etc/letsencrypt/live/{_NAME}/{end}.pem", "/etc/ssl/replyx-both.pem")
    certificate, key = certificate_and_key(_NAME)
    machine.run("cat > /etc/ssl/replyx.pem", stdin=certificate)
    machine.run("cat > /etc/ssl/replyx-both.pem", stdin=certificate + key)
    machine.run("cat > /etc/nginx/sites-enabled/default", stdin=text)
    machine.run(f"echo '127.0.0.1 {_NAME}' >> /etc/hosts; nginx -t 2>/dev/null && systemctl restart nginx")
    program = (
        "import ssl, sys, urllib.request as ask\n"
        "ask.urlopen(sys.argv[1], context=ssl.create_default_context(cafile='/etc/ssl/replyx.pem'), timeout=5)\n"
    )
    machine.run("cat > /root/ready.py", stdin=program)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
