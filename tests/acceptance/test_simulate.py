"""`keyturn simulate` on an installation: what it prints, and that it changes nothing."""

from datetime import datetime, timedelta

from acceptance.installed_keyturn import NAME, InstalledKeyturn, error


def test_a_forecast_reads_only(connected: InstalledKeyturn) -> None:
    """It repeats itself but for the moment, needs no key and no system, and leaves the database as it was."""
    assert 0 == connected("rotate", NAME).returncode
    due_at = datetime.fromisoformat(connected.json("connection", "show", NAME)["due_at"])
    before = connected.dump()
    connected.kek.unlink()
    first, second = (connected.json("simulate", "--days", "1000") for _ in range(2))
    assert before == connected.dump()
    weeks = [week for week in first["weeks"] if week["begun"]]
    assert {"connection", "at", "margin"} == set(first["nearest"])
    assert datetime.fromisoformat(weeks[0]["from"]) <= due_at < datetime.fromisoformat(weeks[0]["from"]) + timedelta(7)
    assert (1, 1, []) == (first["connections"], first["automatic"], first["expired"])
    assert [week["begun"] for week in first["weeks"]] == [week["begun"] for week in second["weeks"]]
    assert 2 == sum(week["completed"] for week in first["weeks"])


def test_a_certificate_that_expires_comes_first(connected: InstalledKeyturn) -> None:
    """Without its bundles no schedule rotates it: exit code 3, its name and the reason in the first lines."""
    assert 0 == connected("rotate", NAME).returncode
    assert 0 == connected("connection", "edit", NAME, "--bundle", "369637=").returncode
    shown = connected("simulate", "--days", "400")
    first, second, *_ = shown.stdout.splitlines()
    assert (3, "1 certificate would expire in use: imports are refused from then on.") == (shown.returncode, first)
    assert second.startswith(f"    {NAME}: ")
    assert "No schedule rotates it. Bundle 369637 is not recorded" in second
    assert (3, f"{NAME}\n") == (
        (names := connected("simulate", "-o", "name", "--days", "400")).returncode,
        names.stdout,
    )
    assert (0, "No certificate would expire in use.") == (
        (fine := connected("simulate", "--days", "300")).returncode,
        fine.stdout.splitlines()[0],
    )


def test_an_outage_of_both_systems(connected: InstalledKeyturn) -> None:
    """The rotation that it meets is named, with the time for which imports would be refused."""
    assert 0 == connected("rotate", NAME).returncode
    shown = connected("simulate", "--outage", "6h")
    assert 0 == shown.returncode
    assert "1 rotation would be postponed, 0 undone and tried again." in shown.stdout
    assert f"    {NAME}: Imports would be refused for 6 h.\n" in shown.stdout
    wrong = connected("simulate", "--outage-at", "2027-01-01", "-o", "json")
    assert (2, "INVALID_INPUT") == (wrong.returncode, error(wrong)["code"])


def test_a_plot_is_a_new_file(connected: InstalledKeyturn) -> None:
    """It is an SVG; a file that exists is refused and kept."""
    file = connected.folder / "weeks.svg"
    assert f"written  {file}\n" in connected("simulate", "--plot", file).stdout
    drawn = file.read_text("utf-8")
    assert drawn.startswith("<svg ")
    refused = connected("simulate", "--days", "10", "--plot", file)
    assert (2, drawn) == (refused.returncode, file.read_text("utf-8"))
    assert "Name another file with --plot: none is overwritten." in refused.stderr
