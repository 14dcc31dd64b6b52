"""Checks the generated documents, then lets schemathesis try every operation of
them on a running service.

    python tests/schemathesis/run.py PROGRAM [--examples N] [--seed N] [DIALECT...]

Ends with `N passed, N failed, N skipped`: one for each document's validity, one
for each operation, as schemathesis reports them.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPEC = HERE.parent.parent / "openapi" / "spec"
DIALECTS = ["envelope", "platform", "jsonapi", "operator"]
START_WAIT_S = 30
# What schemathesis takes for right by itself, to which exceptions add.
USUAL = {
    "positive_data_acceptance": ["2xx", "3xx", 401, 403, 404, 409, 429, "5xx"],
    "negative_data_rejection": [400, 401, 403, 404, 405, 406, 409, 415, 422, 428, 429, "5xx"],
}
# One dialect takes no longer, whatever it draws.
DIALECT_WAIT_S = 900


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Service:
    def __init__(self, program: str, folder: Path):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.words = folder / "words"
        data = folder / "data"
        listen = self.url.removeprefix("http://")
        command = [program, "serve", "--data", str(data), "--listen", listen, "--mail", "file"]
        # Drawn addresses repeat; limits are told elsewhere.
        limits = {"INVITATION_LEDGER_LIMITS_MAILS_PER_RECIPIENT": "1000000"}
        log = open(self.words, "wb")
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **limits}
        )
        begun = time.monotonic()
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() - begun > START_WAIT_S:
                raise SystemExit(f"the service does not start:\n{self.words.read_text()}")
            time.sleep(0.02)
        self.token = (data / "admin-token").read_text().strip()

    def answers(self) -> bool:
        try:
            return urllib.request.urlopen(f"{self.url}/healthz", timeout=5).status == 200
        except OSError:
            return False

    def make(self, what: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"{self.url}/api/ledger/{what}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            return json.load(urllib.request.urlopen(request, timeout=30))
        except urllib.error.HTTPError as refused:
            raise SystemExit(f"{what}: {refused.code} {refused.read().decode()}") from refused

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def furnish(service: Service) -> dict:
    """One thing of each kind, by the path parameters that name them."""
    organization = service.make("organizations", {"name": "Acme Roofing"})["id"]
    integration = service.make("integrations", {"name": "Acme Calendar"})["id"]
    user = service.make("users", {"email": "jane@acme.example", "password": "correct horse battery"})["id"]
    employee = service.make("employees", {"email": "eve@acme.example"})["id"]
    application = service.make("applications", {"name": "shop", "scopes": ["invites"]})["application"]["id"]
    invited = {"kind": "organization", "organization": organization, "email": "bob@guests.example"}
    invitation = service.make("invitations", invited)["invitation"]["id"]
    own = "/api/ledger"
    return {
        "organization": organization,
        "invite": invitation,
        "user": user,
        "/api/v1/employees/read#id": employee,
        "/api/v1/employees/update#id": employee,
        "/api/v1/integrations/read#id": integration,
        "/api/v1/integrations/invitation_email#id": integration,
        f"{own}/organizations/{{id}}#id": organization,
        f"{own}/organizations/{{id}}/members#id": organization,
        f"{own}/organizations/{{id}}/members/{{user}}#id": organization,
        f"{own}/integrations/{{id}}#id": integration,
        f"{own}/users/{{id}}#id": user,
        f"{own}/employees/{{id}}#id": employee,
        f"{own}/applications/{{id}}#id": application,
        f"{own}/invitations/{{id}}#id": invitation,
        f"{own}/invitations/{{id}}/events#id": invitation,
    }


def settings_of(dialect: str, operations: list[str], known: list[dict]) -> tuple[str, set[str]]:
    """The checks' settings for schemathesis, and the operations that are left out."""
    lines = [f'hooks = "{HERE / "hooks.py"}"', "[generation]", "allow-x00 = false"]
    skipped = set()
    per_operation: dict[str, list[str]] = {}
    for exception in known:
        assert exception["contract"].strip() and exception["why"].strip(), f"no contract line: {exception}"
        if exception["dialect"] != dialect:
            continue
        named = operations if exception["operations"] == ["*"] else exception["operations"]
        unknown = set(named) - set(operations)
        assert not unknown, f"the exceptions name operations that are not there: {unknown}"
        if exception.get("skip"):
            skipped.update(named)
            continue
        for operation in named:
            check = exception["check"]
            if exception.get("off"):
                line = f"checks.{check}.enabled = false"
            else:
                line = f"checks.{check}.expected-statuses = {json.dumps(USUAL[check] + exception['statuses'])}"
            per_operation.setdefault(operation, []).append(line)
    for operation in skipped:
        lines += ["[[operations]]", f'include-operation-id = "{operation}"', "enabled = false"]
    for operation, checks in per_operation.items():
        lines += ["[[operations]]", f'include-operation-id = "{operation}"', *checks]
    return "\n".join(lines) + "\n", skipped


def main() -> int:
    # Ended from outside, it ends its service too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("dialects", nargs="*", default=DIALECTS)
    parser.add_argument("--examples", type=int, default=12)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    asked = parser.parse_intermixed_args()
    bin_folder = Path(sys.executable).parent
    exceptions = tomllib.loads((HERE / "exceptions.toml").read_text())["exception"]
    passed = failed = skipped = 0
    print(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        service = Service(str(Path(asked.program).resolve()), folder)
        try:
            ids = furnish(service)
            known = {"token": service.token, "ids": ids, "copies": str(folder / "copies")}
            for dialect in asked.dialects:
                valid = subprocess.run([bin_folder / "openapi-spec-validator", SPEC / f"{dialect}.json"])
                passed, failed = passed + (valid.returncode == 0), failed + (valid.returncode != 0)
                # A header's name cannot hold a placeholder.
                text = (SPEC / f"{dialect}.json").read_text().replace("_{tenant}", "_default")
                document = json.loads(text)
                operations = [o["operationId"] for path in document["paths"].values() for o in path.values() if isinstance(o, dict) and "operationId" in o]
                settings, left_out = settings_of(dialect, operations, exceptions)
                for operation in sorted(left_out):
                    why = next(e["why"] for e in exceptions if operation in e["operations"] and e.get("skip"))
                    print(f"SKIP {dialect} {operation}: {why}")
                place = folder / dialect
                place.mkdir()
                (place / "schemathesis.toml").write_text(settings)
                (place / "document.json").write_text(text)
                command = [bin_folder / "schemathesis", "--config-file", "schemathesis.toml", "run", "document.json"]
                command += ["--url", service.url, "--header", f"Authorization: Bearer {service.token}"]
                command += ["--phases", "examples,coverage,fuzzing", "--no-color"]
                command += ["--max-examples", str(asked.examples), "--seed", str(asked.seed), "--warnings", "off"]
                command += ["--report", "json", "--report-json-path", "report.json"]
                env = {**os.environ, "INVITATION_LEDGER_TEST_KNOWN": json.dumps(known)}
                run = subprocess.run(
                    command, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DIALECT_WAIT_S
                )
                output = run.stdout.decode()
                faulty = set(re.findall(r"^_+ ([A-Z]+ /\S*) _+$", output, re.M))
                if run.returncode != 0:
                    print(output[output.find("=== FAILURES") :] if "=== FAILURES" in output else output)
                bad = len(faulty) if faulty else int(run.returncode != 0)
                passed += len(operations) - len(left_out) - bad
                failed += bad
                skipped += len(left_out)
                print(f"{dialect}: {len(operations) - len(left_out)} operations, {bad} with faults")
        finally:
            service.stop()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
