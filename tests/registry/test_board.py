"""The HTML board: well-formed, needing nothing else, and text to it whatever a name says."""

import json
import re
from html.parser import HTMLParser

import pytest

from registry import promotion, store
from registry.board import page
from registry.glance import read
from registry.leaderboard import leaderboard
from registry.settings import Settings
from registry.shown import shown
from zoo.artifact import seal
from zoo.published import Target

from .conftest import ENTRY, PROTOCOL, Making

VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})
HOSTILE = '</script><img src="http://evil" onerror="alert(1)">'


class Tree(HTMLParser):
    """What elements there are, whether each one ends where it should, and the text of each."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


def parsed(html: str) -> Tree:
    tree = Tree()
    tree.feed(html)
    tree.close()
    assert tree.open == []
    return tree


@pytest.fixture
def html(settings: Settings, make_model: Making) -> str:
    for name, right, entry in (("a", 0.6, ENTRY), ("b", 0.99, "other.digits"), ("c", 0.95, ENTRY)):
        promotion.challenge(store.register(make_model(name, right=right, entry=entry), settings), settings)
    target = Target(metric="accuracy", value=0.9, dataset="imagenet", source=HOSTILE)
    return page(read(settings), leaderboard(read(settings), targets={"other": (target,)}), settings)


def test_it_is_whole_and_needs_nothing_else(html: str) -> None:
    tree = parsed(html)
    sources = [
        value for _, attributes in tree.elements for name, value in attributes.items() if name in ("src", "srcset")
    ]
    assert sources
    assert all(source.startswith("data:image/webp;base64,") for source in sources if source)
    links = [attributes["href"] for _, attributes in tree.elements if "href" in attributes]
    assert all(link.startswith("#") for link in links)
    ids = [attributes["id"] for _, attributes in tree.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)
    assert not any(tag in ("link", "iframe", "object", "embed") for tag, _ in tree.elements)
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html


def test_a_name_can_be_nothing_but_text(html: str) -> None:
    tree = parsed(html)
    assert not any(name.startswith("on") for _, attributes in tree.elements for name in attributes)
    assert HOSTILE in tree.texts["td"]
    assert not any(attributes.get("src", "").startswith("http") for _, attributes in tree.elements)


def test_boards_pages_and_what_is_compared(html: str, settings: Settings) -> None:
    (facts,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', html, re.DOTALL)
    models = {model["reference"]: model for model in json.loads(facts)}
    assert set(models) == {"other.digits/1", f"{ENTRY}/2"}  # 2 beat 1, so champion and latest are one
    held = read(settings)
    assert models[f"{ENTRY}/2"]["value"] == held.numbered(ENTRY, 2).record.score.metrics["accuracy"]
    assert models[f"{ENTRY}/2"]["board"] == f"{PROTOCOL} on data dddddddd"
    pages = [
        attributes["id"] for tag, attributes in parsed(html).elements if "page" in attributes.get("class", "").split()
    ]
    assert pages == ["boards", "compare", "other.digits/1", f"{ENTRY}/2"]
    text = parsed(html).texts["td"]
    assert "better than the floor" in text  # the gate's reason for version 1, in the history
    assert html.count('<polyline class="curve"') == 2


def test_who_a_person_made_champion_is_by_hand(settings: Settings, make_model: Making) -> None:
    for name, right in (("a", 0.9), ("b", 0.3)):
        promotion.challenge(store.register(make_model(name, right=right), settings), settings)
    said = promotion.promote(read(settings).numbered(ENTRY, 2), settings, why="<it> is fast")
    held = read(settings)
    html = page(held, leaderboard(held), settings)
    (facts,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', html, re.DOTALL)
    assert [(model["reference"], model["said"]["verdict"]) for model in json.loads(facts)] == [
        (f"{ENTRY}/2", "by hand")
    ]
    assert html.count('<span class="pill by hand">by hand</span>') == 2  # on the board, and in its history
    assert '<span class="pill reject">' not in html
    assert f"{said.who}: <it> is fast" in parsed(html).texts["td"]


def test_a_card_cannot_bring_html(settings: Settings, make_model: Making) -> None:
    folder = make_model()
    (folder / "card.md").write_text(f"# title\n\n{HOSTILE}\n\n[link](javascript:alert(1))\n\n| a |\n| --- |\n| 1 |\n")
    seal(folder)
    store.register(folder, settings)
    tree = parsed(page(read(settings), leaderboard(read(settings)), settings))
    assert not any(attributes.get("src", "").startswith("http") for _, attributes in tree.elements)
    assert not any("javascript:" in value for _, attributes in tree.elements for value in attributes.values())
    assert HOSTILE in tree.texts["p"]


def test_files_that_were_changed_are_not_shown_and_hide_no_board(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    for picture in (settings.home / "artifacts").rglob("model*/**/samples.png"):
        picture.write_bytes(picture.read_bytes() + b"x")
    assert "samples.png: changed since" in shown(version, settings).fault
    html = page(read(settings), leaderboard(read(settings)), settings)
    assert "Its files cannot be shown" in html
    assert f'href="#{ENTRY}/1"' in html


def test_the_same_registry_gives_the_same_bytes_and_an_empty_one_a_page(settings: Settings, make_model: Making) -> None:
    parsed(page(read(settings), (), settings))
    store.register(make_model(), settings)
    twice = [page(read(settings), leaderboard(read(settings)), settings) for _ in range(2)]
    assert twice[0] == twice[1]
