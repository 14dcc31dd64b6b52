"""Runs every line of README.md that is marked `<!-- run -->`, in its order, in an
empty folder, and checks the HTTP status where the mark names one.

Two things differ from what a reader does: the program is the one the tests have
built (an optimized build of everything would be made for this alone), and the
port is a free one, so that a service on 8080 is not in the way.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"<!-- run(?:: (?P<what>[^>]*?))? -->\s*```sh\n(?P<lines>.*?)```", re.S)
START_WAIT_S = 20


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def main() -> int:
    program = Path(sys.argv[1]).resolve()
    port = str(free_port())
    blocks = [(m["what"] or "", m["lines"]) for m in MARK.finditer((ROOT / "README.md").read_text())]
    assert blocks and blocks[0][0] == "serve", "the README begins with the command that serves"
    assert any(what.startswith("expect") for what, _ in blocks), "the README shows requests"

    with tempfile.TemporaryDirectory() as folder:
        release = Path(folder) / "target" / "release"
        release.mkdir(parents=True)
        (release / "invitation-ledger").symlink_to(program)
        here = lambda lines: lines.replace("8080", port).replace("cargo run --release --", "exec ./target/release/invitation-ledger")
        serve = here(blocks[0][1]).strip() + f" --listen 127.0.0.1:{port}"
        server = subprocess.Popen(["bash", "-c", serve], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", server)
            return run_all(folder, [(what, here(lines)) for what, lines in blocks[1:]])
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(url: str, server: subprocess.Popen) -> None:
    for _ in range(START_WAIT_S * 10):
        if server.poll() is not None:
            raise SystemExit(f"the server ended: {server.stderr.read().decode()}")
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not answer in time")


def run_all(folder: str, blocks: list[tuple[str, str]]) -> int:
    """One shell runs all blocks, as a reader's terminal would."""
    script = ["set -eu", "shopt -s expand_aliases"]
    for number, (_, lines) in enumerate(blocks):
        script += [f"exec >out.{number} 2>&1", lines]
    env = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=folder, env=env, timeout=120, check=False)
    failed = 0
    for number, (what, lines) in enumerate(blocks):
        output = Path(folder, f"out.{number}")
        text = output.read_text(errors="replace") if output.exists() else "(not reached)"
        wanted = what.removeprefix("expect ")
        fine = output.exists() and (not wanted or re.search(rf"^HTTP/1\.1 {wanted}\b", text, re.M)) and text.strip() != "" or (output.exists() and not wanted and "=$(" in lines)
        print(("ok   " if fine else "FAIL ") + lines.strip().splitlines()[0])
        if not fine:
            failed += 1
            print(text)
    if done.returncode != 0:
        failed += 1
        print(f"the shell ended with {done.returncode}")
    if not any(Path(folder, "data/outbox").glob("*.eml")):
        failed += 1
        print("no mail lies in data/outbox")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
