"""Pictures are drawn from captures alone: equal on each run, each with its text twin, no markup in them but ours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midspan.errors import Refusal
from midspan.experiments.byte_ledgers import RECORDED
from midspan.pictures import costs, svg
from midspan.pictures.frames import anatomy, stack
from midspan.pictures.ladders import MOST_ARROWS, ladder
from midspan.pictures.scenes import bench_picture
from midspan.pictures.svg import NOT_XML, WIDTH, Picture, mono_px, under
from midspan.pictures.tables import frame_table, table
from midspan.protocols.capture import Capture, Chunk
from midspan.protocols.dissecting import SAMPLES, dissect, names, sample
from midspan.protocols.exchange import Exchange
from midspan.protocols.layering import layers
from midspan.protocols.websocket import Frame

SVG = "{http://www.w3.org/2000/svg}"
OURS = {"svg", "title", "desc", "g", "rect", "line", "polygon", "text"}


class Servers:
    """Anything with parts is a bench to the picture."""

    def parts(self) -> dict[str, str]:
        return {"raw": "raw server (websockets) over wss", "socketio": "<Socket.IO> & (python-socketio) over wss"}

    def __str__(self) -> str:
        return "client -> tap -> server"


def pictures(name: str) -> Iterator[Picture]:
    """Every kind of picture of one sample."""
    seen = dissect(sample(name))
    yield ladder(seen)
    yield ladder(seen, times=True, title="With times")
    for sighting in seen.frames():
        assert isinstance(sighting.record, Frame)
        yield stack(sighting)
        yield anatomy(sighting.record)
    yield stack(seen.find("GET"))


def one_frame(payload: bytes, opcode: int = 1) -> Exchange:
    """An exchange of one short frame."""
    return dissect(Capture((Chunk(1, "server", 0.0, "data", bytes([0x80 | opcode, len(payload)]) + payload),)))


def texts(picture: Picture) -> list[tuple[float, float, str, str, float]]:
    """x, y, words, anchor and size of each label."""
    found = []
    for element in ET.fromstring(picture.svg).iter(f"{SVG}text"):
        style = element.get("style", "")
        size = float(re.findall(r"font-size:([\d.]+)px", style)[0])
        place = float(element.get("x", "")), float(element.get("y", ""))
        found.append((*place, element.text or "", element.get("text-anchor", ""), size))
    return found


@pytest.mark.parametrize("name", names())
def test_each_picture_is_well_formed_and_speaks(name: str) -> None:
    """XML with a title, a description and a role, equal when drawn again, and its text twin is what str() gives."""
    for first, again in zip(pictures(name), pictures(name), strict=True):
        root = ET.fromstring(first.svg)
        assert first == again
        assert (root.get("role"), root.get("aria-label")) == ("img", root.findtext(f"{SVG}title"))
        assert root.findtext(f"{SVG}desc") == str(first) == first.text
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= OURS
        assert first._repr_html_().startswith("<div")


@pytest.mark.parametrize("name", names())
def test_labels_stay_inside_and_are_large_enough(name: str) -> None:
    """At 900 px no label leaves the picture, and none is smaller than 10 px."""
    for picture in pictures(name):
        for x, y, words, anchor, size in texts(picture):
            width = mono_px(words, size) * 0.93  # proportional faces are narrower than this
            left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
            assert left > -2, words
            assert left + width < WIDTH + 30, words
            assert 0 < y <= picture.height, words
            assert size >= 10


def test_labels_of_a_ladder_do_not_overlap() -> None:
    """Labels in a row begin after the one before has ended."""
    for name in names():
        rows: dict[float, list[tuple[float, float, str]]] = {}
        for x, y, words, anchor, size in texts(ladder(dissect(sample(name)))):
            if size == 12.5 and anchor == "start":
                rows.setdefault(y, []).append((x, x + mono_px(words, size), words))
        for row in rows.values():
            assert all(a[1] < b[0] for a, b in zip(sorted(row), sorted(row)[1:], strict=False)), row


@settings(max_examples=40)
@given(st.text(max_size=30).filter(lambda text: len(text.encode(errors="ignore")) < 100))
def test_no_payload_becomes_markup(payload: str) -> None:
    """Whatever comes over the wire, every element is one of ours and the file stays well-formed."""
    seen = one_frame(payload.encode(errors="replace"))
    for picture in (ladder(seen), stack(seen[0])):
        assert {element.tag.removeprefix(SVG) for element in ET.fromstring(picture.svg).iter()} <= OURS
        assert not NOT_XML.search(picture.svg)


def test_a_hostile_payload_stays_text() -> None:
    """The classic one, in the picture and in the HTML around it."""
    hostile = b'</svg><script>alert("1")</script>'
    drawn = ladder(one_frame(hostile), title="<img onerror=x>")._repr_html_()
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "alert" in drawn


def test_every_protocol_has_its_own_colour_and_tag() -> None:
    """Neither is used twice, and each layer has a protocol: colour is never the only sign."""
    assert len({protocol.colour for protocol in svg.PROTOCOLS}) == len(svg.PROTOCOLS)
    assert len({protocol.tag for protocol in svg.PROTOCOLS}) == len(svg.PROTOCOLS)
    for name in names():
        for seen in dissect(sample(name)).frames():
            assert all(layer.name in svg.OF_LAYER for layer in layers(seen))


@pytest.mark.parametrize("protocol", svg.PROTOCOLS, ids=lambda protocol: protocol.name)
def test_tags_can_be_read_on_their_colour(protocol: svg.Protocol) -> None:
    """A contrast of 4.5 : 1 or more between ink and colour (WCAG 2.2, 1.4.3)."""
    light, dark = sorted(map(luminance, (protocol.colour, protocol.ink)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_faults_are_drawn_as_faults() -> None:
    """What breaks the protocol, and what is incomplete, has its own sign."""
    seen = dissect(Capture((Chunk(1, "client", 0.0, "data", b"\x81\x02Hi\x81"), Chunk(1, "server", 1.0, "reset"))))
    assert [seen[0].fault, str(seen[1].record)[:16]] == ["incorrect masking", "incomplete frame"]
    assert "✗ WS" in ladder(seen).svg
    assert "fault, or incomplete" in ladder(seen).svg


def test_a_long_message_is_drawn_without_its_middle() -> None:
    """Sixty-four KiB make a picture of a page, and the header can still be seen."""
    data = b"\x82\x7f" + (65536).to_bytes(8, "big") + bytes(65536)
    picture = stack(Frame.parse(data)[0])
    assert picture.height < 300
    assert "bytes left out" in picture.svg
    assert (
        anatomy(Frame.parse(data)[0]).text.splitlines()[7].startswith("extended payload length 00 00 00 00 00 01 00 00")
    )


def test_the_bench_is_drawn_from_its_parts() -> None:
    """Any object with .parts() will do; its words are escaped, its text twin is its str()."""
    picture = bench_picture(Servers())
    assert picture.text == "client -> tap -> server"
    assert "&lt;Socket.IO&gt; &amp;" in picture.svg


def test_pictures_one_under_the_other() -> None:
    """As tall as both, with both texts."""
    one = ladder(one_frame(b"Hi"))
    both = under(one, one, title="Two")
    assert both.height > 2 * one.height
    assert both.text == f"{one.text}\n\n{one.text}"


def test_tables_have_a_row_for_each_sighting() -> None:
    """All sightings in one, frames in the other; numbers can be summed."""
    seen = dissect(sample("socketio"))
    assert list(table(seen).what) == [seen.hidden(s.what) for s in seen]
    frames = frame_table(seen)
    assert list(frames.socketio) == ["", "CONNECT", "CONNECT", "EVENT", "ACK", "", ""]
    assert int((frames.header + frames.payload).sum()) == sum(len(s.record.raw) for s in seen.frames())
    assert "at_s" in table(seen, times=True).columns
    assert len(table(Exchange())) == len(frame_table(Exchange())) == 0


def test_the_readme_shows_what_the_code_draws(tmp_path: Path) -> None:
    """docs/exchange.svg is what `python -m midspan picture` would write now."""
    committed = Path(__file__).parent.parent / costs.PATH
    assert costs.write_exchange(tmp_path).read_text("utf-8") == committed.read_text("utf-8")


def test_every_sample_can_be_recorded_again() -> None:
    """A conversation for each name, and no other."""
    assert list(RECORDED) == list(SAMPLES)


def as_any(value: object) -> Any:
    """A value of the wrong type, past the type checker."""
    return value


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: ladder(as_any("text")), "Expected an exchange, but got 'text'."),
        (lambda: ladder(Exchange(dissect(sample("raw")).sightings * 40)), f"Expected {MOST_ARROWS} sightings at most"),
        (lambda: stack(as_any(b"\x81")), "Expected a frame, or a sighting"),
        (lambda: anatomy(as_any(dissect(sample("raw"))[0])), "Expected a frame"),
        (lambda: bench_picture(as_any("bench")), "Expected a bench, but got 'bench'."),
        (lambda: table(as_any([])), "Expected an exchange, but got []."),
        (lambda: frame_table(as_any(None)), "Expected an exchange, but got None."),
        (lambda: under(title="none"), "Expected a picture or more"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
