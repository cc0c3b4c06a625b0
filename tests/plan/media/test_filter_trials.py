"""How filters are tried. Tone mapping that clips, and text that is not drawn, are no errors of ffmpeg: they must be seen."""

import pytest

from transcoded.plan.media.attempts import Picture
from transcoded.plan.media.codec_trials import Claims, Sample
from transcoded.plan.media.filter_trials import (
    AUDIO_FILTERS,
    TONE_MAPPERS,
    VIDEO_FILTERS,
    burn_in_attempts,
    concluded_tone_mapping,
    filter_attempts,
    is_drawn,
    is_tone_mapped,
    tone_mapping_attempts,
)

PGS = Sample("hdmv_pgs_subtitle", "bitmap", "sup", b"PG")


def claims(*filters: str, decoders: tuple[str, ...] = ()) -> Claims:
    return Claims({codec: [codec] for codec in decoders}, frozenset(), frozenset(filters))


def ramp(curve: list[float], chroma: int = 128) -> bytes:
    """A picture of 256 by 16 pixels in yuv420p, with this luma from left to right."""
    row = bytes(max(0, min(255, round(value))) for value in curve)
    return row * 16 + bytes([chroma]) * (256 * 16 // 2)


GOOD = [16 + 210 * (at / 255) ** 0.8 for at in range(256)]


def test_a_sane_picture_is_accepted_also_with_the_noise_of_dithering() -> None:
    assert is_tone_mapped(ramp(GOOD))
    assert is_tone_mapped(ramp([value - (0.8 if number % 3 == 0 else 0) for number, value in enumerate(GOOD)]))


@pytest.mark.parametrize(
    ("picture", "what"),
    [
        pytest.param(b"", "nothing", id="nothing"),
        pytest.param(ramp(GOOD)[:-1], "cut", id="cut"),
        pytest.param(ramp([min(235, 16 + 375 * at / 255) for at in range(256)]), "clipped", id="clipped above SDR"),
        pytest.param(ramp([16 + 80 * at / 255 for at in range(256)]), "dark", id="not mapped: dark"),
        pytest.param(ramp(GOOD[:200] + [60.0] * 56), "falls", id="falls"),
        pytest.param(ramp(list(reversed(GOOD))), "inverted", id="inverted"),
        pytest.param(ramp([128.0] * 256), "flat", id="flat"),
        pytest.param(ramp(GOOD, chroma=90), "coloured", id="coloured"),
        pytest.param(ramp([value + 40 for value in GOOD]), "grey blacks", id="grey blacks"),
    ],
)
def test_a_picture_that_nobody_should_see_is_refused(picture: bytes, what: str) -> None:
    assert not is_tone_mapped(picture), what


def test_the_best_way_of_tone_mapping_that_works_is_taken() -> None:
    every = frozenset(f"tone_mapping/{way}" for way in TONE_MAPPERS)
    assert list(TONE_MAPPERS) == ["libplacebo", "zscale", "scale"]
    assert concluded_tone_mapping(every) == "libplacebo"
    assert concluded_tone_mapping(every - {"tone_mapping/libplacebo"}) == "zscale"
    assert concluded_tone_mapping(frozenset({"tone_mapping/scale", "filters/zscale"})) == "scale"
    assert concluded_tone_mapping(frozenset()) is None


def test_only_ways_whose_filters_are_there_are_tried() -> None:
    def tried(*filters: str) -> list[str]:
        found, runs = [], list(tone_mapping_attempts(claims(*filters)))
        while runs:
            (run,) = runs
            found += sorted(run.subjects)
            assert run.again(run.subjects) == [], "one that works is enough"
            runs = list(run.again(frozenset()))
        return found

    assert tried("scale", "zscale") == ["tone_mapping/scale"]
    assert tried("scale", "zscale", "tonemap") == ["tone_mapping/zscale", "tone_mapping/scale"]
    assert tried("scale", "libplacebo") == ["tone_mapping/libplacebo", "tone_mapping/scale"]
    assert tried() == []


def test_filters_are_tried_with_their_own_kind_of_stream() -> None:
    video, audio = filter_attempts(claims(*VIDEO_FILTERS, *AUDIO_FILTERS))
    assert video.subjects == {f"filters/{name}" for name in VIDEO_FILTERS}
    assert audio.subjects == {f"filters/{name}" for name in AUDIO_FILTERS}
    (only,) = filter_attempts(claims("bwdif", "anullsrc"))
    assert only.subjects == {"filters/bwdif"}


def test_text_is_drawn_from_a_file_that_is_there_in_the_sandbox_too() -> None:
    found = burn_in_attempts(claims("ass", "subtitles", "overlay", decoders=("hdmv_pgs_subtitle",)), [PGS])
    assert [sorted(one.subjects) for one in found] == [["filters/ass"], ["filters/subtitles"], ["burns_in/bitmap"]]
    text = found[0]
    assert isinstance(text, Picture)
    assert b"Dialogue:" in text.stdin
    assert "ass=filename=/proc/self/fd/0" in text.arguments


def test_without_the_filter_or_the_decoder_nothing_is_burned_in() -> None:
    assert burn_in_attempts(claims("overlay"), [PGS]) == []
    assert burn_in_attempts(claims("scale", decoders=("hdmv_pgs_subtitle",)), [PGS]) == []


@pytest.mark.parametrize(
    ("output", "drawn"),
    [
        pytest.param(bytes(10_000), False, id="black: there is no font"),
        pytest.param(b"\xff" * 10_000, False, id="white"),
        pytest.param(bytes(9_000) + b"\xff" * 1_000, True, id="letters"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_something_must_be_drawn(output: bytes, drawn: bool) -> None:
    assert is_drawn(output) == drawn
