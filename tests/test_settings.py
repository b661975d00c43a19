"""Settings from the environment: one reading for the library and the service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ablate.data.datasets import data_root
from ablate.settings import LibrarySettings, SettingsError, read_library_settings
from service.settings import Settings, read_settings

NAMES = [f"ABLATE_{name.upper()}" for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = read_settings()
    for name in NAMES:
        monkeypatch.setenv(name, "")
    assert read_settings() == unset
    assert read_library_settings() == LibrarySettings()
    assert data_root() == Path.home() / ".local/share/ablate/data"


def test_the_service_and_the_library_read_the_same_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": "~/state", "DATA": "sets", "WORKERS": "3", "MAX_TRIALS": "7", "API_KEY": "k"}.items():
        monkeypatch.setenv(f"ABLATE_{name}", value)
    library, service = read_library_settings(), read_settings()
    assert {name: getattr(service, name) for name in LibrarySettings.model_fields} == dict(library)
    assert (library.home, library.data_root) == (Path.home() / "state", tmp_path / "sets")
    assert (library.workers, library.max_trials) == (3, 7)
    assert data_root() == tmp_path / "sets"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("WORKERS", "many", "ABLATE_WORKERS should be a whole number"),
        ("WORKERS", "0", "ABLATE_WORKERS should be greater than or equal to 1; unset it to use the default"),
        ("MAX_TRIALS", "-1", "ABLATE_MAX_TRIALS should be greater than or equal to 1"),
        ("DISPATCHER", "dask", "ABLATE_DISPATCHER should be 'ray' or 'inline'; unset it to use the default"),
        ("ALLOWED_HOSTS", "[a", "ABLATE_ALLOWED_HOSTS"),
        ("ALLOWED_HOSTS", "http://a:80/", "ABLATE_ALLOWED_HOSTS should be host names without scheme and port"),
        ("ALLOWED_HOSTS", "{}", "ABLATE_ALLOWED_HOSTS should be host names"),
        ("DATABASE_URL", "mysql://u:hush@h/db", "ABLATE_DATABASE_URL should begin with postgresql:// or sqlite:///"),
        ("DATABASE_URL", "host=h password=hush", "ABLATE_DATABASE_URL should begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:hush@h:hush/db", "ABLATE_DATABASE_URL should be postgresql://USER:PASSWORD@"),
        ("DATABASE_URL", "postgresql://u:hush@h:99999/db", "ABLATE_DATABASE_URL should be postgresql://USER:PASSWORD@"),
        ("DATABASE_URL", "sqlite://", "ABLATE_DATABASE_URL should name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "ABLATE_DATABASE_URL should name a file"),
        ("RAY_ADDRESS", "hu sh", "ABLATE_RAY_ADDRESS should be `host:port`; unset it"),
        ("TRACKING_URI", "http://u:hush@h:99999", "ABLATE_TRACKING_URI should be `off`, or the address of an MLflow"),
        ("TRACKING_URI", "Off", "ABLATE_TRACKING_URI should be `off`"),
        ("SILENCE_S", "inf", "ABLATE_SILENCE_S should be a finite number; unset it"),
        ("NOTIFY_COMMAND", "[1,2]", "ABLATE_NOTIFY_COMMAND should be text; unset it to use the default$"),
        ("WORKERS", "99999999999", "ABLATE_WORKERS should be less than or equal to 4096"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    monkeypatch.setenv(f"ABLATE_{name}", value)
    with pytest.raises(SettingsError, match=f"^{text}") as refused:
        read_settings()
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgres://u:p@h/db", "u:p@h/db"),
        ("postgresql://u:p@h:5432/db?sslmode=require", "u:p@h:5432/db?sslmode=require"),
        ("postgresql+psycopg2://u:p%40ss@h/db", "u:p%40ss@h/db"),
        ("postgres://u:p@ss@h/db", "u:p%40ss@h/db"),
        ("postgres://u:50%off@h/db", "u:50%25off@h/db"),
        ("postgres://u:a/b?c#d@[::1]:1/db", "u:a%2Fb%3Fc%23d@[::1]:1/db"),
        ("postgres://u:p@h/db?application_name=a@b", "u:p@h/db?application_name=a@b"),
        ("postgresql:///db?host=/run/postgresql", "/db?host=/run/postgresql"),
    ],
)
def test_the_usual_ways_to_write_the_address_of_a_database_are_read(
    monkeypatch: pytest.MonkeyPatch, given: str, read: str
) -> None:
    monkeypatch.setenv("ABLATE_DATABASE_URL", given)
    assert read_settings().database == f"postgresql+psycopg://{read}"


def test_the_standard_place_for_data_counts_where_no_home_exists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert read_settings().home == tmp_path / "xdg/ablate"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # the standard says: ignored
    assert read_settings().home == tmp_path / ".local/share/ablate"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    (tmp_path / ".local/share/ablate").mkdir(parents=True)
    assert read_settings().home == tmp_path / ".local/share/ablate"
    monkeypatch.setenv("ABLATE_HOME", "~/chosen")
    assert read_settings().home == tmp_path / "chosen"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 4_242_424)  # in no list of users, as in many containers
    with pytest.raises(
        SettingsError, match=r"^ABLATE_HOME: .* HOME is not set, and this user has no home; set ABLATE_"
    ):
        read_settings()
    monkeypatch.setenv("ABLATE_HOME", "~/state")
    with pytest.raises(SettingsError, match=r"^ABLATE_HOME: '~/state' cannot be found"):
        read_settings()
    monkeypatch.delenv("ABLATE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert read_settings().home == tmp_path / "ablate"


@pytest.mark.parametrize("text", ["a.example, b.example", '["a.example", "b.example"]'])
def test_host_names_are_a_json_list_or_separated_by_commas(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ABLATE_ALLOWED_HOSTS", text)
    assert read_settings().allowed_hosts == ["a.example", "b.example"]


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"API_KEY": "hush", "DATABASE_URL": "postgresql://u:hush@db/a"}.items():
        monkeypatch.setenv(f"ABLATE_{name}", value)
    assert "hush" not in repr(read_settings())
    monkeypatch.setenv("ABLATE_NOTIFY_URL", "ftp://hush")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("kind", [LibrarySettings, Settings])
def test_every_setting_has_a_description_of_one_line(kind: type[LibrarySettings]) -> None:
    for name, field in kind.model_fields.items():
        assert field.description, name
        assert "\n" not in field.description


def test_the_librarys_settings_are_read_without_the_service() -> None:
    code = (
        "import sys, ablate.settings as s; s.read_library_settings(); assert not {'torch', 'service'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
