"""What the benchmark of adaptive streaming computes: places, commands, goals, scores; and ffmpeg by hand on a short clip."""

import json
import math
import random
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.adaptive_goals import adaptive_goals
from benchmarks.adaptive_hand import frame_scores, know, shown_by_hand, worst_mean
from benchmarks.adaptive_loads import FIRST, WHOLE, far_places, per_minute, spread_places
from benchmarks.adaptive_servers import filled, go_vod_config, ours, peer
from benchmarks.figures import Figures
from benchmarks.workshop import CannotMeasure
from tests.support.clips import Clips
from tests.support.programs import NEWEST
from transcoded.plan.media.capabilities import Capabilities


@pytest.mark.parametrize("seed", range(20))
def test_places_are_far_from_each_other_and_from_the_beginning(seed: int) -> None:
    places = far_places(random.Random(seed), 170.0, 10, 15.0)
    assert len(places) == 10
    assert all(later - earlier >= 15.0 - 1e-9 for earlier, later in pairwise([0.0, *sorted(places)]))
    assert max(places) <= 170.0


def test_the_same_seed_gives_the_same_places() -> None:
    assert far_places(random.Random(3), 170.0, 3) == far_places(random.Random(3), 170.0, 3)


def test_too_many_places_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        far_places(random.Random(1), 100.0, 10, 15.0)


def test_a_crowd_is_spread_over_its_places() -> None:
    assert spread_places(6, 4) == [0.0, 40.0, 80.0, 120.0, 0.0, 40.0]


def test_processor_for_a_minute() -> None:
    assert per_minute(4.0, 24.0) == 10.0


def test_only_known_marks_are_replaced_in_a_command() -> None:
    command = peer("serve --on {port} '{media}/a b' {other}", None, None, None).command
    assert filled(command, {"port": "80", "media": "/m"}) == ["serve", "--on", "80", "/m/a b", "{other}"]


def test_a_peer_has_the_urls_of_go_vod_unless_others_are_given() -> None:
    assert peer("/opt/go-vod {config}", None, None, None).urls.master == "/{viewer}{path}/index.m3u8"
    other = peer("serve", "other", "/hls/{name}/all.m3u8", None)
    assert (other.name, other.urls.master, other.urls.leave) == ("other", "/hls/{name}/all.m3u8", None)


def test_a_peer_without_a_command_is_refused() -> None:
    with pytest.raises(CannotMeasure, match="no command"):
        peer("  ", None, None, None)


def test_the_configuration_of_go_vod_stays_on_loopback(tmp_path: Path) -> None:
    config = json.loads(go_vod_config(4000, tmp_path, "/bin/ffmpeg", "/bin/ffprobe"))
    assert config["bind"] == "127.0.0.1:4000"
    assert config["tempdir"].startswith(str(tmp_path))
    assert config["qf"] > 0


def test_the_daemon_listens_on_loopback(tmp_path: Path) -> None:
    command = filled(ours(tmp_path, "transcoded").command, {"port": "5", "media": "/m", "work": "/w"})
    assert "tcp:5:interface=127.0.0.1:backlog=512" in command
    assert "m=/m" in command


def test_goals_beside_a_peer() -> None:
    figures = Figures()
    figures.add("cold", "ours", **{FIRST: 300.0, WHOLE: 600.0})
    figures.add("cold", "theirs", **{FIRST: 1000.0, WHOLE: 1300.0})
    for mine in (100.0, 200.0, 900.0):
        figures.add("seek", "ours", **{FIRST: mine, WHOLE: mine})
    figures.add("seek", "theirs", **{FIRST: 1000.0, WHOLE: 1000.0})
    verdicts = {one.text.partition(":")[0] + one.text[-20:]: one for one in adaptive_goals(figures, "ours", "theirs")}
    found = [(one.text, one.value, one.verdict) for one in verdicts.values() if one.verdict != "not measured"]
    assert found == [
        ("720p: first byte of video < 400 ms", 300.0, "met"),
        ("cold: segments of video and audio ≤ 0.5 x theirs", 600 / 1300, "met"),
        ("seek: segments of video and audio ≤ 0.5 x theirs", 0.2, "met"),
        ("seek: the slowest ≤ 0.5 x the median of theirs", 0.9, "MISSED"),
    ]


def test_goals_without_a_peer_are_not_measured_beside_one() -> None:
    figures = Figures()
    figures.add("seek", "ours", **{WHOLE: 5.0})
    beside = [one for one in adaptive_goals(figures, "ours", None) if "0.5 x" in one.text]
    assert beside
    assert all(math.isnan(one.value) and one.verdict == "not measured" for one in beside)


def test_a_contender_without_a_figure_has_an_empty_cell() -> None:
    figures = Figures()
    figures.add("load", "one", ms=5.0, more=1.0)
    figures.add("load", "two", ms=7.0)
    assert figures.table("load", "a load").splitlines()[-1] == "| two    | 7.00 |      |"


def test_the_scores_of_frames() -> None:
    log = json.dumps({"frames": [{"frameNum": 0, "metrics": {"vmaf": 91.5}}, {"frameNum": 1, "metrics": {"x": 1}}]})
    assert frame_scores(log) == [91.5]
    with pytest.raises(CannotMeasure, match="no frame"):
        frame_scores('{"frames": []}')


def test_the_worst_twentieth() -> None:
    assert worst_mean([*map(float, range(40))]) == 0.5
    assert worst_mean([3.0, 2.0]) == 2.0


@pytest.mark.parametrize("place", [0.0, 3.0, 99.0])
@pytest.mark.parametrize("copied", [True, False])
def test_segments_by_hand(clips: Clips, copied: bool, place: float) -> None:
    path = clips.film.path if copied else clips.broadcast.path
    known = know(path, NEWEST.ffmpeg, NEWEST.ffprobe, Capabilities.everything())
    assert known.video(None).copied == copied
    shown = shown_by_hand(known, None if copied else known.video(None).height, place)
    assert 0 < shown.first <= shown.whole
    assert 0 < shown.film <= 4.1


def test_a_height_that_is_not_encoded_cannot_be_measured(clips: Clips) -> None:
    known = know(clips.broadcast.path, NEWEST.ffmpeg, NEWEST.ffprobe, Capabilities.everything())
    with pytest.raises(CannotMeasure, match="is not encoded with 17 rows"):
        known.video(17)
