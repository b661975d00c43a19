"""Results of other programs: what is read, how it is named, and what is refused, in files as people have them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.app import status_of
from ablate.errors import StudyError, TableError, TrialError
from ablate.local.folder import Folder, RunOfStudy
from ablate.local.imported.goals import goal_of
from ablate.local.imported.results import Results, read_results, write_records
from ablate.local.imported.roles import Asked
from ablate.local.study import run
from ablate.study.plan import plan_document
from ablate.tables.build import build_table
from ablate.tables.table import Table
from ablate.trials.registry import list_tasks
from service.cli import main

assert main  # `export` is a command of the service's console script
LONG = "row,seed,metric,value\n" + "".join(
    f"{row},{seed},acc,{mean + seed / 100 + wobble * (seed % 2) / 1000:.4f}\n"
    for row, mean, wobble in (("base", 0.8, 0), ("wide", 0.85, 1), ("narrow", 0.7, 2))
    for seed in range(4)
)
WIDE = "Variant;Seed;Accuracy;Loss\n" + "".join(
    f"{row};{seed};0,{80 + seed + 5 * index};1,5{seed}\n"
    for index, row in enumerate(("base", "wide"))
    for seed in range(4)
)
WANDB = '"Name","State","Created","Runtime","Sweep","batch_size","lr","out","seed","val/acc","train/loss"\n' + "".join(
    f'"sun-{n}","{state}","2024-05-0{9 - n}","10{n}","","128","{lr}","o/{n}","{seed}","{acc}","0.{n}"\n'
    for n, state, lr, seed, acc in (
        (0, "crashed", "0.01", 2, "0.1"), (1, "finished", "0.01", 1, "0.82"), (2, "finished", "0.01", 0, "0.81"),
        (3, "finished", "0.1", 2, "0.93"), (4, "finished", "0.1", 1, "0.92"), (5, "finished", "0.1", 0, "0.91"),
        (6, "failed", "0.1", 0, ""),
    )
)  # fmt: skip
MLFLOW = "run_id,status,start_time,metrics.val_acc,metrics.loss,params.opt,params.seed,tags.mlflow.runName\n" + "".join(
    f"r{n},FINISHED,2024-01-0{6 - n},0.{n + 5},0.{n},{'adam' if n < 3 else 'sgd'},{n % 3},run {n}\n" for n in range(6)
)


def imported(text: str | bytes, tmp_path: Path, name: str = "results.csv", **asked: Any) -> Results:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_results("mine", path, Asked(**asked))


def table_of(found: Results) -> Table:
    return build_table(found.plan, {record.trial.key: record for record in found.records})


def values(found: Results) -> dict[str, dict[int, float]]:
    table = table_of(found)
    return {row.name: row.cells[table.metric].values for row in table.rows}


def refused(text: str | bytes, tmp_path: Path, **asked: Any) -> str:
    with pytest.raises(TableError) as caught:
        imported(text, tmp_path, **asked)
    return str(caught.value)


def test_a_long_file_becomes_a_table_that_decides_and_says_what_it_is(tmp_path: Path) -> None:
    table = table_of(imported(LONG, tmp_path))
    assert [(row.label, row.baseline, row.cells["acc"].decision) for row in table.rows] == [
        ("base", True, "baseline"), ("wide", False, "better"), ("narrow", False, "worse"),
    ]  # fmt: skip
    assert table.exploratory
    assert table.imported is not None
    assert table.imported.file == "results.csv"
    assert table.summary[-1].startswith("Imported from results.csv (sha256 ")
    assert "ablate did not train these" in table.summary[-1]
    assert not table.provenance


@pytest.mark.parametrize(
    "header", ["Method,Random Seed,Metric Name,Score", "label,seed,measure,value", "row,rep,key,result"]
)
def test_columns_have_their_usual_names(header: str, tmp_path: Path) -> None:
    found = imported(LONG.replace("row,seed,metric,value", header), tmp_path)
    assert values(found) == values(imported(LONG, tmp_path))


def test_a_wide_file_with_semicolons_and_decimal_commas_is_read(tmp_path: Path) -> None:
    found = imported(WIDE, tmp_path)
    assert values(found)["wide"] == {0: 0.85, 1: 0.86, 2: 0.87, 3: 0.88}
    assert (found.plan.metric, found.plan.metrics) == ("Accuracy", ("Loss",))
    assert found.plan.lower_is_better == {"Accuracy": False, "Loss": True}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_of_spreadsheets_are_read(encoding: str, tmp_path: Path) -> None:
    found = imported(WIDE.replace("wide", "größer").encode(encoding), tmp_path)
    assert list(values(found)) == ["base", "größer"]


def test_an_export_of_wandb_has_its_rows_seeds_and_failed_runs(tmp_path: Path) -> None:
    found = imported(WANDB, tmp_path)
    assert values(found) == {"lr=0.1": {0: 0.91, 1: 0.92, 2: 0.93}, "lr=0.01": {0: 0.81, 1: 0.82}}
    assert found.plan.metric == "val/acc"
    assert "its state was crashed" in table_of(found).rows[1].notes[0]
    assert any("1 run that failed was left out" in remark for remark in found.remarks)


def test_runs_of_mlflow_in_a_csv_file_begin_with_the_oldest(tmp_path: Path) -> None:
    found = imported(MLFLOW, tmp_path)
    assert values(found) == {"opt=sgd": {0: 0.8, 1: 0.9, 2: 0.10}, "opt=adam": {0: 0.5, 1: 0.6, 2: 0.7}}
    assert found.plan.metric == "val_acc"


def test_runs_of_mlflow_are_read_from_its_database_and_its_folder(tmp_path: Path) -> None:
    database, folder = tmp_path / "mlflow.db", tmp_path / "mlruns"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(
            "CREATE TABLE experiments (experiment_id, name, lifecycle_stage);"
            "CREATE TABLE runs (run_uuid, name, status, experiment_id, lifecycle_stage, start_time);"
            "CREATE TABLE params (run_uuid, key, value);"
            "CREATE TABLE latest_metrics (run_uuid, key, value, is_nan);"
            "INSERT INTO experiments VALUES (0, 'Default', 'active'), (1, 'mine', 'active'), (2, 'other', 'active');"
            "INSERT INTO runs VALUES ('p', 'parent', 'FINISHED', 1, 'active', 0);"
            "INSERT INTO runs VALUES ('o', 'other', 'FINISHED', 2, 'active', 0);"
        )
        (folder / "1").mkdir(parents=True)
        (folder / "1" / "meta.yaml").write_text("experiment_id: '1'\nname: mine\n")
        for n in range(4):
            opt, seed, acc = ("sgd", "adam")[n // 2], str(n % 2), 0.5 + n / 10
            connection.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', 1, 'active', ?)", (f"r{n}", f"run {n}", n))
            connection.executemany(
                "INSERT INTO params VALUES (?, ?, ?)", [(f"r{n}", "opt", opt), (f"r{n}", "seed", seed)]
            )
            connection.execute("INSERT INTO latest_metrics VALUES (?, 'acc', ?, 0)", (f"r{n}", acc))
            run_folder = folder / "1" / f"r{n}"
            for kind, name, text in (
                ("params", "opt", opt),
                ("params", "seed", seed),
                ("metrics", "acc", f"1 0 0\n2 {acc} 1\n"),
            ):
                (run_folder / kind).mkdir(parents=True, exist_ok=True)
                (run_folder / kind / name).write_text(text)
            (run_folder / "meta.yaml").write_text(
                f"run_name: run {n}\nstatus: 3\nstart_time: {n}\nlifecycle_stage: active\n"
            )
        connection.commit()
    of_database = read_results("mine", database, Asked(experiment="mine"))
    of_folder = read_results("mine", folder, Asked())
    assert values(of_database) == values(of_folder) == {"opt=sgd": {0: 0.5, 1: 0.6}, "opt=adam": {0: 0.7, 1: 0.8}}
    with pytest.raises(TableError, match="2 experiments with runs"):
        read_results("mine", database, Asked())


def test_a_seeds_csv_of_ours_gives_the_same_numbers(tmp_path: Path) -> None:
    text = (
        "row,group,seed,metric,value,key,status\n"
        "'- x,g,0,err,1.5,abc,ok\n'- x,g,1,err,,abc,diverged\ng / y,g,0,err,2.5,abc,ok\ng / y,g,1,err,3.5,abc,ok\n"
    )
    found = imported(text, tmp_path)
    assert values(found) == {"- x": {0: 1.5}, "y": {0: 2.5, 1: 3.5}}
    assert (found.plan.rows[0].group, table_of(found).rows[0].n_diverged) == ("g", 1)


def test_options_name_columns_metrics_and_baseline(tmp_path: Path) -> None:
    text = "arch,lr,s,quality,cost\n" + "".join(
        f"{a},{lr},{s},0.{s}{lr},{s}\n" for a in "xy" for lr in (1, 2) for s in range(2)
    )
    asked: dict[str, Any] = {
        "rows": ("arch", "lr"),
        "seed": "S",
        "metrics": (("quality", "max"),),
        "baseline": "arch=y, lr=2",
    }
    found = imported(text, tmp_path, **asked)
    assert [row.label for row in found.plan.rows if row.is_baseline] == ["arch=y, lr=2"]
    assert found.plan.metrics == ()
    assert "did you mean 'arch=y, lr=2'" in refused(text, tmp_path, **asked | {"baseline": "arch=y, lr=3"})
    assert "no column 'lrr', which --row names; did you mean 'lr'?" in refused(
        text, tmp_path, **asked | {"rows": ("lrr",)}
    )
    assert "give --metric quality=max or --metric quality=min" in refused(
        text, tmp_path, **asked | {"metrics": (("quality", None),)}
    )


def test_rows_are_compared_within_their_groups(tmp_path: Path) -> None:
    text = "group,row,seed,acc\n" + "".join(f"{g},{r},{s},0.{s}\n" for g in "ab" for r in ("x", "y") for s in range(3))
    found = imported(text, tmp_path, baseline="y")
    assert [row.name for row in found.plan.rows if row.is_baseline] == ["a / y", "b / y"]


@pytest.mark.parametrize(
    ("name", "goal"),
    [("val_acc", "max"), ("top1_error_pct", "min"), ("valLoss", "min"), ("eval/rougeL", "max"), ("Test F1", "max"),
     ("power", None), ("answers", None), ("confidence", None), ("testaccuracy", "max")],
)  # fmt: skip
def test_the_name_of_a_metric_tells_its_goal_or_nothing(name: str, goal: str | None) -> None:
    assert goal_of(name) == goal


def test_what_is_missing_or_not_finite_is_said_and_never_invented(tmp_path: Path) -> None:
    text = "row,seed,acc,loss\na,0,0.5,1\na,1,0.6,nan\na,2,0.7,1\nb,0,nan,1\nb,1,,1\nb,2,0.9,1\nc,0,0.3,1\n"
    found = imported(text, tmp_path)
    assert values(found) == {"a": {0: 0.5, 1: 0.6, 2: 0.7}, "b": {2: 0.9}, "c": {0: 0.3}}
    notes = [" | ".join(row.notes) for row in table_of(found).rows]
    assert "did not report loss on seed 1" in notes[0]
    assert "diverged on seed 0: acc is nan in results.csv, line 5" in notes[1]
    assert "did not report acc on seed 1" in notes[1]
    assert "did not report acc, loss on seeds 1, 2" in notes[2]


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    table = table_of(imported("model,accuracy\na,0.5\nb,0.9\n", tmp_path))
    assert [row.cells["accuracy"].decision for row in table.rows] == ["baseline", "undecided"]
    assert table.summary[1].startswith("1 seed: nothing is decided")


def test_rows_without_common_seeds_are_not_compared_unless_order_pairs_them(tmp_path: Path) -> None:
    text = "row,seed,acc\n" + "".join(
        f"{r},{s},0.{s}5\n" for r, seeds in (("a", (0, 1, 2)), ("b", (3, 4, 5))) for s in seeds
    )
    apart = imported(text, tmp_path)
    assert table_of(apart).rows[1].cells["acc"].diff is None
    assert "have no seed in common" in apart.remarks[-1]
    paired = table_of(imported(text, tmp_path, unpaired=True))
    diff = paired.rows[1].cells["acc"].diff
    assert diff is not None
    assert (diff.n, round(diff.mean, 9)) == (3, 0.3)
    assert "Its runs are paired in their order." in paired.summary[-1]
    assert not any("paired by seed" in text or "paired seed" in text for text in (*paired.notes, *paired.summary))


REFUSED = {
    "row,seed,acc\na,0,0.5\na,1,oops\na,2,0.5\n": "line 3: 'oops' in column 'acc' is not a number",
    "row,seed,acc\na,0,0.5\na,0,0.6\n": "line 2 and line 3 are both row 'a', seed 0",
    "row,lr,seed,acc\na,1,0,0.5\na,2,0,0.6\n": "They differ in 'lr': name a further column with --row",
    LONG + "base,0,acc,0.9\n": "line 2 and line 14 both have 'acc' of row 'base', seed 0",
    "row,seed,acc\na,x,0.5\nb,1,0.5\n": "line 2: 'x' in column 'seed' is not a seed",
    "row,seed,acc\n,0,0.5\nb,1,0.5\n": "line 2: column 'row' is empty",
    "row,seed,acc\na,0\n": "line 2 has 2 cells, and the first line names 3 columns",
    "row,seed,acc,acc\na,0,1,1\n": "two columns 'acc'",
    "row,acc\na,0.5\na,0.6\n": "no column is called a seed, and rows have several runs",
    "row,seed,quality\na,0,0.5\n": "Give for example --metric quality=max",
    "x,seed,acc\n1,0,0.5\n1,1,0.6\n": "name one or several as --row COLUMN",
    "row;seed;acc\na;0;1,250\n": "'1,250' may be a thousand or a decimal number",
    "row;seed;acc\na;0;0,5\nb;0;0.5\n": "writes decimals in two ways",
    "row,seed,acc\n": "no line of values",
    "just text\nmore\n": "has only one column",
    "": "is empty",
    b"PK\x03\x04....": "is a spreadsheet or an archive; save it as CSV",
    b"a,b\x00\x01": "is not a text file",
    b"SQLite format 3\0": "is not a tracking database of MLflow",
    f"row,seed,acc\n{'a' * 300},0,1\n": "the label of the row has 300 characters",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items(), ids=REFUSED.values())
def test_what_is_not_clear_is_refused_with_its_place(text: str | bytes, sentence: str, tmp_path: Path) -> None:
    assert sentence in refused(text, tmp_path)


def test_imported_values_never_mix_with_trained_ones(tmp_path: Path) -> None:
    found = imported(LONG, tmp_path)
    assert {trial.task for trial in found.plan.trials.values()} == {"imported"}
    assert "imported" not in list_tasks()
    other = imported(LONG.replace("0.8000", "0.8001"), tmp_path)
    assert not found.plan.trials.keys() & other.plan.trials.keys()
    with pytest.raises(StudyError, match="imported results have no recipes"):
        plan_document({"name": "x", "base": {"task": "imported", "row": "base"}, "rows": [{"label": "a"}]})
    with pytest.raises(TrialError, match="ablate cannot train them"):
        run(found.plan.study, out=tmp_path / "out", progress=False)
    folder = Folder(tmp_path / "trained")
    folder.path.mkdir()
    folder.trials_file.touch()
    folder.keep_study(RunOfStudy(study={"name": "trained"}, scale=None))
    with pytest.raises(TrialError, match="has results of `ablate run`"):
        write_records(found, folder)


def test_the_command_writes_a_folder_that_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results.csv").write_text(LONG)
    assert status_of(["import", "mine", "results.csv", "--rows", "!narrow"]) == 0
    shown = capsys.readouterr()
    assert "### Imported, exploratory: mine" in shown.out
    assert "narrow (" not in shown.out
    assert "metric: acc, higher is better" in shown.err
    folder = Path("ablate-out/mine-imported")
    assert {f"table.{end}" for end in ("md", "tex", "csv", "html", "json")} | {"seeds.csv", "forest.pdf"} <= {
        path.name for path in folder.iterdir()
    }
    assert all("ablate did not train these" in (folder / f"table.{end}").read_text() for end in ("md", "tex", "html"))
    assert json.loads((folder / "table.json").read_text())["imported"]["file"] == "results.csv"
    first = (folder / "trials.jsonl").read_bytes()
    again = read_results("mine", Path("results.csv"), Asked())
    write_records(again, Folder(folder))
    assert (folder / "trials.jsonl").read_bytes() == first
    assert values(read_results("mine", folder / "seeds.csv", Asked())) == values(again)
    capsys.readouterr()
    assert status_of(["export", str(folder), "out.zip"]) == 0
    assert status_of(["verify", "out.zip"]) == 0
    assert "equal: " in capsys.readouterr().out
    assert status_of(["rerun", f"{folder}:base:0"]) == 2
    assert "ablate cannot train them" in capsys.readouterr().err
