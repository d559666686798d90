"""Settings: what is wrong is told in Keyturn's own sentence, which names the setting and what it should be."""

from pathlib import Path

import pytest

from orchestrator.settings import load
from states.errors import InvalidSettings


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEYTURN_DATA", str(tmp_path / "data"))
    return tmp_path / "keyturn.toml"


def refusal(file: Path) -> str:
    with pytest.raises(InvalidSettings) as refused:
        load(file)
    return refused.value.message


UNKNOWN = {
    "[worker]\nthread = 3": "there is no setting worker.thread. Did you mean worker.threads?",
    "[workers]\nthreads = 3": "there is no setting workers. Did you mean worker?",
    "threads = 3": "there is no setting threads. Did you mean worker.threads?",
    "treads = 3": "there is no setting treads. Did you mean worker.threads?",
    "[http]\npoll = 3": "there is no setting http.poll. Did you mean worker.poll?",
    "[vault]\nsrouce = 'file'": "there is no setting vault.srouce. Did you mean vault.source?",
    "[worker]\nqqqqq = 3": "there is no setting worker.qqqqq.",
    "qqqqq = 3": "there is no setting qqqqq.",
    "data = '/srv'": "there is no setting data.",
    "config_file = 'x'": "there is no setting config_file.",
}


@pytest.mark.parametrize(("text", "told"), UNKNOWN.items())
def test_an_unknown_setting_is_named_with_the_nearest_right_one(file: Path, text: str, told: str) -> None:
    """Where there is one that is near."""
    file.write_text(text)
    assert f"{file}: {told}" == refusal(file)


VARIABLES = {
    "KEYTURN_WORKER__THREAD": "Did you mean KEYTURN_WORKER__THREADS?",
    "KEYTURN_WORKERS__THREADS": "Did you mean KEYTURN_WORKER__THREADS?",
    "KEYTURN_WORKER_THREADS": "Did you mean KEYTURN_WORKER__THREADS?",
    "KEYTURN_CONFG": "Did you mean KEYTURN_CONFIG?",
    "KEYTURN_QQQQQ": "",
}


@pytest.mark.parametrize(("variable", "nearest"), VARIABLES.items())
def test_an_unknown_variable_is_named_with_the_nearest_right_one(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    """A variable with Keyturn's prefix is never passed over."""
    file.touch()
    monkeypatch.setenv(variable, "s3cret")
    assert f"There is no setting for the environment variable {variable}. {nearest}".strip() == refusal(file)


WRONG = {
    "[worker]\nthreads = 0": "worker.threads should be a whole number from 1 to 64.",
    "[worker]\nthreads = 65": "worker.threads should be a whole number from 1 to 64.",
    "[worker]\nthreads = 's3cret'": "worker.threads should be a whole number from 1 to 64.",
    "[worker.threads]\na = 1": "worker.threads should be a whole number from 1 to 64.",
    "[worker]\nlease = 0.5": "worker.lease should be a number from 1 to 600.",
    "[http]\ntimeout = 0": "http.timeout should be a number above 0, at most 120.",
    "[http]\nca_bundle = 3": "http.ca_bundle should be a path.",
    "[store]\nurl = 3": "store.url should be a text.",
    "[log]\nlevel = 's3cret'": "log.level should be one of debug, info, warning, error.",
    "worker = 's3cret'": "worker should be a table: [worker].",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_a_wrong_value_is_told_by_what_it_should_be(file: Path, text: str, told: str) -> None:
    """And is not repeated: it may be a secret that was put in the wrong place."""
    file.write_text(text)
    assert f"{file}: {told}" == refusal(file)


def test_a_wrong_value_of_the_environment_names_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the file, in which there may be nothing wrong."""
    file.write_text("[worker]\nthreads = 4")
    monkeypatch.setenv("KEYTURN_WORKER__THREADS", "s3cret")
    assert "KEYTURN_WORKER__THREADS should be a whole number from 1 to 64." == refusal(file)
