"""Studies of real scripts: their table, and every way in which a script can go wrong, as a hole of its row."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.cli.app import status_of
from ablate.errors import StudyError
from ablate.local.folder import Folder
from ablate.tasks.command.process import Script
from ablate.trials.run import run_trial
from tests.tasks.command.conftest import Write, study

TRAIN = """
    import argparse, json, os, random
    from helper import gain
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1, help="learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-gate", action="store_true")
    parser.add_argument("--out")
    options = parser.parse_args()
    noise = random.Random(options.seed).gauss(0, 0.01)
    offset = float(open("data/offset.txt").read())
    for step in (1, 2, 3):
        acc = offset + gain(options.lr) * step - 0.1 * options.no_gate + noise
        print(json.dumps({"step": step, "acc": acc}), flush=True)
    open(os.path.join(options.out, "model.txt"), "w").write(str(acc))
"""
RUN = "python train.py --lr {lr} --seed {seed} --out {workdir} {no_gate}"
FIELDS: dict[str, Any] = {"lr": 0.1, "no_gate": {"default": False, "flag": "--no-gate"}}


@pytest.fixture
def inside(project: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    write("train.py", TRAIN)
    write("helper.py", "def gain(lr): return 0.1 * lr\n")
    write("data/offset.txt", "0.5")
    monkeypatch.chdir(project)
    return project


def run(document: dict[str, Any], **options: Any) -> Any:
    return ablate.run(document, progress=False, workers=2, **options)


def keys(document: dict[str, Any]) -> set[str]:
    return set(ablate.plan(document).trials)


def test_an_unmodified_script_becomes_a_table_and_its_code_is_part_of_the_key(
    inside: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = study(RUN, {"full": {}, "no gate": {"no_gate": True}}, fields=FIELDS, study_seeds=2)
    table = run(mine)
    full, bare = table.rows
    expected = {seed: pytest.approx(0.53 + random.Random(seed).gauss(0, 0.01)) for seed in (0, 1)}
    assert full.cells["acc"].values == expected
    assert bare.cells["acc"].diff.mean == pytest.approx(-0.1)
    folder = inside / "ablate-out" / "mine-base" / "trials" / full.trials[0][:16]
    assert (folder / "files" / "model.txt").read_text() == str(full.cells["acc"].values[0])
    assert (folder / "run" / "data").is_symlink(), "what is not code is linked"
    assert not (folder / "run" / "helper.py").is_symlink()
    before = keys(mine)
    write("data/offset.txt", "0.7")
    assert keys(mine) == before, "data are not code"
    write("helper.py", "def gain(lr): return 0.2 * lr\n")
    assert keys(mine).isdisjoint(before)
    document = inside / "mine.json"
    document.write_text(json.dumps(mine))
    assert status_of(["check", str(document), "--out", "ablate-out/mine-base"]) == 0
    said = capsys.readouterr().out
    assert "a trial's key covers this code of your script: helper.py, train.py" in said
    assert "code changed since 4 results, which will be trained again: 1 file, +1 -1 lines" in said
    assert "-def gain(lr): return 0.1 * lr" in said
    run(mine)
    assert status_of(["check", str(document), "--out", "ablate-out/mine-base"]) == 0
    assert "code changed" not in capsys.readouterr().out, "nothing is trained again"
    write("helper.py", "def gain(lr): return 0.1 * lr\n")
    assert keys(mine) == before
    changed = [
        {**mine, "command": {**mine["command"], "run": RUN + " "[1:] + " --seed {seed}"}},
        {**mine, "command": {**mine["command"], "metrics": {"acc": "min"}}},
        {**mine, "command": {**mine["command"], "python": sys.executable}},
        {**mine, "command": {**mine["command"], "fields": {**FIELDS, "lr": 0.2}}},
    ]
    assert all(keys(one).isdisjoint(before) for one in changed)


def test_a_comment_in_the_script_makes_no_new_row_that_could_be_tried_afresh(inside: Path, write: Write) -> None:
    mine = study(RUN, {"full": {}, "no gate": {"no_gate": True}}, fields=FIELDS, study_seeds=3)
    assert not run(mine).exploratory
    write("helper.py", "def gain(lr): return 0.1 * lr  # a comment\n")
    again = run(mine | {"seeds": [3, 4, 5]}, out=inside / "again")
    assert again.exploratory
    assert "'no gate' (try 2) was compared with its baseline before" in " ".join(again.summary)


def test_a_script_that_is_edited_while_the_study_runs_changes_nothing(inside: Path, write: Write) -> None:
    mine = study("python train.py --lr {lr} --seed {seed} --out {workdir}", fields={"lr": 0.1}, study_seeds=3)
    lines: list[str] = []

    def edit(line: str) -> None:
        lines.append(line)
        write("train.py", "raise SystemExit('edited')")

    table = ablate.run(mine, progress=edit, workers=1)
    assert lines
    assert table.rows[0].n_ok == 3


WAYS = """
    import json, os, signal, subprocess, sys, time
    way = sys.argv[1]
    print("way:", way, flush=True)
    if way == "exits 3": sys.exit(3)
    if way == "raises": raise RuntimeError("the loss exploded")
    if way == "is killed": os.kill(os.getpid(), signal.SIGKILL)
    if way == "segfaults": os.kill(os.getpid(), signal.SIGSEGV)
    if way == "reports nothing": sys.exit(0)
    if way == "reports another": print(json.dumps({"accuracy": 1.0})); sys.exit(0)
    if way == "reports twice": print('{"step": 1, "acc": 0.5}\\n{"step": 1, "acc": 0.6}'); sys.exit(0)
    if way == "is not finite": print('{"step": 1, "acc": NaN}'); sys.exit(0)
    if way == "asks": input("go on? ")
    if way == "prints bytes": os.write(1, b"\\xff\\xfe\\n")
    if way == "prints much":
        for _ in range(64): os.write(1, b"x" * 65535 + b"\\n")
    if way == "leaves children":
        subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(600)"])
        subprocess.Popen(["sleep", "600"])
    print(json.dumps({"step": 1, "acc": 0.5}), flush=True)
    if way == "closes stdout": os.close(1); os.close(2)
"""
GOOD = ("is fine", "prints bytes", "prints much", "leaves children", "closes stdout")
BAD = {
    "exits 3": "the script ended with status 3; the end of its output: way: exits 3",
    "raises": "RuntimeError: the loss exploded",
    "is killed": "the script was ended by SIGKILL (out of memory?); the end of its output: way: is killed",
    "segfaults": "the script was ended by SIGSEGV",
    "reports nothing": "the script reported no metric 'acc'; print a line of JSON",
    "reports another": "the script reported no metric 'acc'; it reported accuracy",
    "reports twice": "the script reported 'acc' twice at step 1: 0.5, then 0.6",
    "asks": "EOFError",
}


def test_every_way_to_go_wrong_is_one_sentence_and_the_study_goes_on(project: Path, write: Write) -> None:
    write("ways.py", WAYS)
    rows = {way: {"way": way} for way in (*GOOD, *BAD, "is not finite")}
    out = project / "out"
    document = project / "mine.json"
    document.write_text(json.dumps(study("python ways.py {way}", rows, fields={"way": "is fine"})))
    table = ablate.run(document, progress=False, workers=2, out=out)
    by_label = {row.label: row for row in table.rows}
    assert {label for label, row in by_label.items() if row.n_ok} == set(GOOD)
    assert by_label["is not finite"].n_diverged == 1
    records = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    reasons = {one["trial"]["recipe"]["way"]: one["outcome"]["reason"] for one in records}
    assert {way: text for way, text in BAD.items() if text not in reasons[way]} == {}
    assert reasons["is not finite"] == "metric 'acc' is not finite"
    much = out / "trials" / by_label["prints much"].trials[0][:16] / "log.txt"
    assert 1 << 20 < much.stat().st_size < 3 << 20
    assert b"bytes are left out" in much.read_bytes()
    assert not sleepers(str(project))


def sleepers(folder: str) -> list[str]:
    """Processes whose working directory is below a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(place.readlink()).startswith(folder):
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def test_a_program_and_a_script_that_are_not_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    run(study("no-such-program --seed {seed}"))
    (record,) = map(json.loads, (project / "ablate-out/mine-base/trials.jsonl").read_text().splitlines())
    assert "could not be started: 'no-such-program': No such file or directory" in record["outcome"]["reason"]
    with pytest.raises(StudyError, match=r"there is no file 'train\.py' in the folder of the study"):
        ablate.plan(study("python train.py --seed {seed}"))


def test_the_wrong_fields_of_a_command_are_reported_together(project: Path) -> None:
    wrong = study("python -c pass {lrr}", metrics={"acc": "maximal"}, fields={"lr": 0.1}, pyton="x")
    with pytest.raises(StudyError) as caught:
        ablate.plan(wrong)
    assert {problem.pointer for problem in caught.value.problems} == {"/command/metrics/acc", "/command/pyton"}
    for name in ("model_config", "copy", "schema", "_x", "seed"):
        with pytest.raises(StudyError, match=f"fields: '{name}' has a meaning of its own; give the field another name"):
            ablate.plan(study(f"python -c pass {{{name}}}", fields={name: 1}))
    fields = {"lambda": 1.0, "class": "\u00fc", "self": 1}
    assert ablate.plan(study("python -c pass {lambda} {class} {self}", fields=fields)).trials
    both = study("python -c pass", study_base={"task": "classify"})
    with pytest.raises(StudyError, match="the study has a \\[command\\], which is its task; remove 'task'"):
        ablate.plan(both)


def test_a_study_that_is_stopped_leaves_no_process_and_goes_on(project: Path, write: Write) -> None:
    write(
        "slow.py",
        """
        import os, pathlib, signal, sys, time
        folder = pathlib.Path(os.environ["ABLATE_WORKDIR"])
        if os.environ["ABLATE_ATTEMPT"] != "1":
            (folder / "again").write_text(os.environ["ABLATE_ATTEMPT"] + " " + os.environ["ABLATE_KEY"])
            print('{"step": 2, "acc": 0.5}', flush=True)
            sys.exit(0)
        (folder / "begun").write_text("x")
        signal.signal(signal.SIGTERM, lambda *_: ((folder / "asked").write_text("x"), sys.exit(1)))
        print('{"step": 1, "acc": 0.25}', flush=True)
        time.sleep(600)
        """,
    )
    document = project / "mine.toml"
    document.write_text(
        'name = "mine"\nseeds = 1\n[command]\nrun = "python slow.py {seed}"\nmetrics = { acc = "max" }\n'
        '[[rows]]\nlabel = "one"\n'
    )
    command = [sys.executable, "-m", "service.cli.main", "run", str(document), "--out", str(project / "out")]
    started = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=project)
    begun = threading.Event()
    while not list(project.glob("out/trials/*/files/begun")):
        begun.wait(0.05)
    started.send_signal(signal.SIGINT)
    started.communicate()
    assert started.returncode == 130
    while sleepers(str(project)):  # they end with the command
        begun.wait(0.05)
    assert list(project.glob("out/trials/*/files/asked")), "it was asked before it was killed"
    again = ablate.run(document, progress=False, out=project / "out")
    assert again.rows[0].cells["acc"].values == {0: 0.5}
    (said,) = project.glob("out/trials/*/files/again")
    assert said.read_text() == f"2 {again.rows[0].trials[0]}"


def test_a_script_that_hangs_is_ended_and_one_that_fails_is_tried_again(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        "moody.py",
        """
        import json, os, sys, time
        how, attempt = sys.argv[1], int(os.environ["ABLATE_ATTEMPT"])
        print("this is attempt", attempt, flush=True)
        if how == "hangs":
            time.sleep(600)
        if how == "recovers" and attempt < 3:
            sys.exit(3)
        if how == "breaks":
            sys.exit(4)
        print(json.dumps({"acc": float("nan") if how == "diverges" else attempt}))
        """,
    )
    rows = {how: {"how": how} for how in ("recovers", "breaks", "hangs", "diverges")}
    limits = {"timeout_s": 2, "max_retries": 2}
    document = study("python moody.py {how}", rows, fields={"how": ""}, study_resources=limits)
    lines: list[str] = []
    out = project / "out"
    monkeypatch.chdir(project)
    table = ablate.run(document, progress=lines.append, workers=4, out=out)
    assert [(row.n_ok, row.n_failed, row.n_diverged) for row in table.rows] == [
        (1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 0, 1),
    ]  # fmt: skip
    assert table.rows[0].cells["acc"].values == {0: 3.0}
    outcomes = {record.trial.recipe["how"]: record.outcome for record in Folder(out).read().values()}
    assert outcomes["breaks"].reason == (
        "the script ended with status 4; the end of its output: this is attempt 3; given up after 3 attempts that "
        "failed"
    )
    assert outcomes["hangs"].reason == (
        "it took longer than timeout_s = 2 in [resources], so it was ended; the end of its output: this is attempt 3; "
        "given up after 3 attempts that failed"
    )
    assert sum("is started again" in line for line in lines) == 6
    assert keys(document) == keys({**document, "resources": {}}), "limits are not part of a key"
    monkeypatch.undo()  # this process is not in the folder any more
    while sleepers(str(project)):
        threading.Event().wait(0.05)


SHOWS = """
    import csv, pathlib, sys, time
    def wait():
        while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)
    with open("metrics.csv", "w", buffering=1) as file:
        print("step,acc\\n1,0.25", file=file)
        wait()
        print("2,0.75", file=file)
"""
LOGS = """
    import pathlib, sys, time
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    def log(name, **events):
        writer = EventFileWriter(name)
        for step, acc in events.items():
            values = [Summary.Value(tag="acc", simple_value=acc), Summary.Value(tag="other", simple_value=1)]
            writer.add_event(Event(step=int(step[1:]), summary=Summary(value=values)))
        writer.flush()
        return writer
    one = log("runs/a", _1=0.25)
    while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)
    one.close()
    log("runs/b", _2=0.75).close()
"""


@pytest.mark.parametrize(("text", "files"), [(SHOWS, "metrics.csv"), (LOGS, "runs/**/events.out.tfevents.*")])
def test_progress_and_curves_follow_the_files_that_a_script_writes(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch, text: str, files: str
) -> None:
    if text is LOGS:
        pytest.importorskip("tensorboard", exc_type=ImportError)
    write("train.py", text)
    monkeypatch.chdir(project)
    gate = project.parent / "gate"
    (trial,) = ablate.plan(study(f"python train.py {gate}", files=[files])).trials.values()
    points = []
    for message in run_trial(trial, project.parent / "work"):
        if isinstance(message, ablate.EpochMetrics):
            points.append((message.step, message.metrics["acc"]))
            gate.touch()
    assert points == [(1, 0.25), (2, 0.75)]
    assert isinstance(message, ablate.Outcome)
    assert (message.metrics, message.reason) == ({"acc": 0.75}, None)


def test_a_script_that_prints_nothing_sends_signs_of_life(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablate.tasks.command.process.BEAT_S", 0.01)
    monkeypatch.chdir(project)
    gate = project.parent / "gate"
    write(
        "quiet.py",
        "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\nprint({'acc': 1})",
    )
    (trial,) = ablate.plan(study(f"python quiet.py {gate}")).trials.values()
    signs = 0
    for message in run_trial(trial, project.parent / "work"):
        signs += isinstance(message, ablate.Heartbeat)
        if signs == 20:
            gate.touch()
    assert signs >= 20
    assert isinstance(message, ablate.Outcome)
    assert message.status == "succeeded"


def test_event_files_need_an_extra_and_the_refusal_says_which(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(StudyError, match=r"/command/files: reading the event files .* pip install '\.\[tensorboard\]'"):
        ablate.plan(study("python -c pass", files=["runs/**/events.out.tfevents.*"]))


def test_a_trial_cannot_damage_the_files_that_all_trials_share_unseen(
    inside: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablate.tasks.command.shared.MAX_COPIED_BYTES", 100)
    write("writes.py", "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('new'); print({'acc': 1})")
    write("model.pt", "weights")
    write("large.bin", "x" * 101)
    names = ("model.pt", "data/offset.txt", "large.bin", "data/cache.txt", "notes.txt")
    document = study("python writes.py {name}", {name: {"name": name} for name in names}, fields={"name": ""})
    plan = ablate.plan(document)
    outcomes = {}
    for trial in plan.trials.values():
        *_, outcome = run_trial(trial, inside.parent / "work" / trial.key)
        outcomes[trial.recipe["name"]] = outcome
    assert [name for name, one in outcomes.items() if one.status == "succeeded"] == [
        "model.pt", "data/cache.txt", "notes.txt",
    ]  # fmt: skip
    assert outcomes["data/offset.txt"].reason == (
        "the script or another one at the same time has changed 'data/offset.txt', which lies beside the script and "
        "which all trials share; write into {workdir} instead, or move the file away if an earlier run has left it; "
        "the end of its output: {'acc': 1}"
    )
    assert "has changed 'large.bin'" in str(outcomes["large.bin"].reason)
    assert (inside / "model.pt").read_text() == "weights", "each trial has a copy of small files"
    left = {one.parent.name[:8]: one.read_text() for one in inside.parent.glob("work/*/run/model.pt")}
    assert list(left.values()) == ["new"], "copies that were not changed are removed"


def test_a_study_whose_hours_are_used_stops_and_the_same_call_goes_on(inside: Path) -> None:
    document = inside / "mine.json"
    limits = {"hours": 0.1 / 3600, "parallel": 1}
    document.write_text(json.dumps(study(RUN, fields=FIELDS, study_seeds=3, study_limits=limits)))
    lines: list[str] = []
    table = ablate.run(document, progress=lines.append, workers=2)
    assert table.rows[0].n_ok == 1, "what ran is finished"
    assert lines[-1] == (
        "the study has used its 2.77778e-05 h (hours in [limits]), so no more of its trials start: 2 trials left; run "
        "the same command again, and it gets as many hours again"
    )
    assert status_of(["run", str(document)]) == 1
    assert status_of(["run", str(document)]) == 0


def test_the_next_attempt_waits_until_the_script_of_an_earlier_one_has_ended(tmp_path: Path) -> None:
    def start(code: str) -> Script:
        text = f"import signal, sys, time; note = open('notes', 'a'); {code}"
        return Script([sys.executable, "-c", text], tmp_path, dict(os.environ), tmp_path / "lock")

    late = "(time.sleep(0.3), note.write('first ends '), sys.exit())"
    first = start(f"signal.signal(15, lambda *_: {late}); print('ready', flush=True); time.sleep(600)")
    assert b"ready" in next(part for part in first.parts() if part)
    second = start("note.write('second')")
    first.stop()
    assert list(second.parts())[-1:] in ([], [b""])
    second.stop()
    assert (tmp_path / "notes").read_text() == "first ends second"
