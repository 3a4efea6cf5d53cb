"""Executables that answer by a table and write down what they were called with."""

import json
import sys
from pathlib import Path
from typing import Any

SCRIPT = """#!{python} -S
import json, os, pathlib, shutil, signal, sys, time
folder = pathlib.Path({folder!r})
table = json.loads((folder / "table.json").read_text())
call = sys.argv[1]
with open(folder / "calls.jsonl", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
answers = table.get(call, [{{"response": {{"status": "Success"}}}}] if call == "init" else None)
if answers is None:
    sys.exit("unexpected call " + call)
if not isinstance(answers, list):
    answers = [answers]
with open(folder / (call + ".count"), "a") as count:
    count.write("x")
done = (folder / (call + ".count")).stat().st_size
answer = answers[min(done, len(answers)) - 1]

def say(answer):
    sys.stdout.write(json.dumps(answer["response"]) if "response" in answer else answer.get("stdout", ""))
    sys.stdout.flush()
    sys.stderr.write(answer.get("stderr", ""))

def on_term(*_):
    say(answer["on_term"])
    os._exit(0)

if "on_term" in answer:
    signal.signal(signal.SIGTERM, on_term)
if "sleep_s" in answer:
    (folder / "sleeping").touch()
    time.sleep(answer["sleep_s"])
if answer.get("removes_dir"):
    shutil.rmtree(sys.argv[2])
say(answer)
sys.exit(answer.get("exit", 0))
"""


class ScriptedDriver:
    """The table and the record behind one or several executables."""

    def __init__(self, folder: Path, table: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "table.json").write_text(json.dumps(table))

    def install(self, path: Path) -> Path:
        """An executable at the path, in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.write_text(SCRIPT.format(python=sys.executable, folder=str(self.folder)))
        beside.chmod(0o755)
        return beside.rename(path)

    def calls(self) -> list[list[str]]:
        """The arguments of every execution, in order."""
        record = self.folder / "calls.jsonl"
        return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
