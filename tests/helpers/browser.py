"""What tests of pages in a browser share."""

from pathlib import Path

GRAVE = ("serious", "critical")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
VIEW = {"width": 1300, "height": 900}
MOST_BYTES, MOST_SECONDS = 5 << 20, 1.0


def above_the_fold(page) -> str:
    """The first sentence of an opened page; it has a number, and it and a figure need no scroll."""
    sentence = page.locator(".lead p").first
    assert any(sign.isdigit() for sign in sentence.inner_text())
    picture = page.locator("main img").first
    for box in (sentence.bounding_box(), picture.bounding_box()):
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= VIEW["height"]
    assert picture.evaluate("image => image.naturalWidth") > 300
    return sentence.inner_text()


def load_time(page, path: Path) -> float:
    """Seconds of the quickest of three loads: what else the machine does is not the page's."""
    times = []
    for _ in range(3):
        page.goto(path.as_uri(), wait_until="load")
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].duration"))
    return min(times) / 1000


def violations(page, axe: Path) -> list[tuple[str, str]]:
    """What axe finds serious: the rule, and the first place."""
    page.evaluate(f"{axe.read_text(encoding='utf-8')};0")
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in GRAVE]
