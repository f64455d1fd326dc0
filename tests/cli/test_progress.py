"""Progress of long tasks."""

import json

import pytest

from idc_cli.terminal.progress import Display
from idc_cli.terminal.text import duration


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("idc_cli.terminal.progress.time.monotonic", lambda: now[0])
    return now


def tracked(display: Display, clock: list[float], seconds: int = 40) -> None:
    """Forty steps, a second each but for the first, which takes ten."""
    with display.track("condense", 40) as track:
        clock[0] += 9.0
        for step in range(seconds):
            clock[0] += 1.0
            track.update(step + 1.0, of=f"iteration {step + 1}/40", loss=1 / (step + 1), memory=2e9)


def test_lines_come_ever_more_rarely_and_the_time_left_is_judged_by_the_later_steps(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    tracked(Display(), clock)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "condense: 2 %, iteration 1/40, loss 1, 2 GB", "no time left from one step"
    assert lines[1] == "condense: 8 %, iteration 3/40, loss 0.333, 2 GB, 37 s left"
    assert [line.split()[1] for line in lines[:-1]] == ["2", "8", "18", "38", "62", "88"]
    assert lines[-1] == "condense: done in 49.0 s"


def test_json_is_an_object_in_each_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(json=True)
    display.say("going on")
    tracked(display, clock)
    message, first, second, *_, last = map(json.loads, capsys.readouterr().err.splitlines())
    assert message == {"message": "going on"}
    assert first == {
        **{"phase": "condense", "total": 40, "done": 1.0, "of": "iteration 1/40"},
        **{"loss": 1.0, "memory": 2e9},
    }
    assert second["seconds_left"] == 37.0
    assert last == {"phase": "condense", "total": 40, "done": 40, "seconds": 49.0}


def test_quiet_says_only_what_comes_of_it(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(quiet=True)
    display.mention("choose baselines")
    display.say("stopped")
    tracked(display, clock)
    assert capsys.readouterr().err == "stopped\n"


def test_silent_says_nothing_because_another_process_says_it(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    for json_lines in (False, True):
        display = Display(json=json_lines, silent=True)
        display.say("stopped")
        tracked(display, clock)
    assert capsys.readouterr().err == ""


def test_durations_for_people() -> None:
    assert duration(363 * 86_400) == "363 days"
    assert [duration(each) for each in (0.4, 119, 120, 7_199, 7_200, 172_799, 172_800)] == [
        *("0 s", "119 s", "2 min", "120 min", "2 h", "48 h", "2 days"),
    ]
