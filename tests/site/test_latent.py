"""The explorer that holds a trained model: drawing, dragging in the plane, choosing images, its training."""

from __future__ import annotations

import math

import pytest
from cards import Card

from vae_lib.explorers import Latent
from vae_lib.explorers.shared import network


@pytest.fixture
def latent(card):
    """A function that opens the explorer on a page of its own, with a model of a short training."""
    return lambda **options: card("latent", **options)


@pytest.fixture
def in_chapter_8(served, tab):
    """The explorer on its page, with the model of the chapter."""
    problems = []
    yield Card(tab(f"{served}book/08_training.html", problems=problems), "latent")
    assert problems == []


def test_drawing_is_hidden_in_print(latent):
    card = latent()
    card.page.emulate_media(media="print")
    assert not card.root.get_by_text("draw here").is_visible()
    assert not card.root.get_by_text("Clear").is_visible()
    assert card.root.get_by_text("image", exact=True).is_visible()
    assert card.root.locator(".typed").first.is_visible(), "the values of the state are printed"


def boxes(card):
    return card.root.get_by_role("checkbox")


def middle(card, i):
    """The place of a pixel on the screen."""
    box = boxes(card).nth(i).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def stroke(card, *pixels):
    """Press on the first pixel, move over the others, let go."""
    mouse = card.page.mouse
    boxes(card).first.scroll_into_view_if_needed()
    mouse.move(*middle(card, pixels[0]))
    mouse.down()
    for i in pixels[1:]:
        mouse.move(*middle(card, i), steps=3)
    mouse.up()
    card.rest()
    return card.state()["drawing"]


def test_drawing_by_keyboard_changes_the_loss(latent):
    card = latent()
    card.root.get_by_role("button", name="Clear").click()
    card.rest()
    before, key = card.shown(), card.page.keyboard
    boxes(card).first.focus()
    for press in ("ArrowDown", "ArrowDown", "ArrowRight", "Space", "ArrowRight", "Space"):
        key.press(press)
    card.rest()
    assert card.page.evaluate("document.activeElement.ariaLabel") == "row 3, column 3"
    assert [i for i, level in enumerate(card.state()["drawing"]) if level] == [17, 18]
    assert boxes(card).and_(card.page.locator(":checked")).count() == 2
    card.check()
    assert card.shown()["reconstruction"] != before["reconstruction"] and card.shown()["kl"] != before["kl"]
    key.press("Space")
    card.rest()
    assert [i for i, level in enumerate(card.state()["drawing"]) if level] == [17]
    card.check()


def test_the_pixels_are_one_tab_stop_and_have_ends(latent):
    card = latent()
    boxes(card).first.focus()
    key, focused = card.page.keyboard, "document.activeElement.ariaLabel"
    for press, name in (
        ("ArrowLeft", "row 1, column 1"),
        ("ArrowUp", "row 1, column 1"),
        ("End", "row 1, column 8"),
        ("ArrowRight", "row 1, column 8"),
        ("ArrowDown", "row 2, column 8"),
        ("Home", "row 2, column 1"),
    ):
        key.press(press)
        assert card.page.evaluate(focused) == name
    assert boxes(card).and_(card.page.locator("[tabindex='0']")).count() == 1
    key.press("Tab")
    key.press("Shift+Tab")
    assert card.page.evaluate(focused) == "row 2, column 1", "Tab comes back to where one was"


def test_a_pointer_paints_softly_and_a_tap_clears(latent):
    card = latent()
    card.root.get_by_role("button", name="Clear").click()
    card.rest()
    assert set(card.state()["drawing"]) == {0}
    drawn = stroke(card, 11, 19, 27, 35)  # downwards in the fourth column
    assert [drawn[i] for i in (11, 19, 27, 35)] == [16] * 4
    assert all(0 < drawn[i] < 16 for i in (10, 12, 18, 20, 26, 28, 34, 36)), "its neighbours are grey"
    assert set(drawn[0::8] + drawn[7::8]) == {0}
    card.check()
    crossed = stroke(card, 19, 21)  # a stroke may begin on ink
    assert crossed[19] == crossed[20] == crossed[21] == 16
    tapped = stroke(card, 19)
    assert tapped == (*crossed[:19], 0, *crossed[20:])
    card.check()
    assert boxes(card).first.evaluate("box => getComputedStyle(box.parentNode).touchAction") == "none"


def test_painting_goes_on_from_the_image_that_is_shown(latent):
    card = latent()
    card.set("image", 3)
    image = tuple(int(level) for level in 16 * network.images(card.data)[2])
    assert card.state()["drawing"] == image
    dark = image.index(0, 40)
    drawn = stroke(card, dark)
    assert card.state()["image"] == 0 and drawn[dark] == 16
    assert all(now >= then for now, then in zip(drawn, image, strict=True)) and drawn != image
    card.check()
    card.set("image", 3)
    assert card.state()["drawing"] == image, "the test image itself is as it was"
    card.set("image", 0)
    assert card.state()["drawing"] == drawn


def hold(card):
    """The place of the point one holds, on the canvas."""
    return card.root.locator("canvas").evaluate("c => [c.handles[0].x, c.handles[0].y]")


@pytest.mark.parametrize("width", [1280, 375])
def test_the_point_is_dragged_in_two_dimensions(width, latent):
    card = latent(width=width)
    canvas = card.root.locator("canvas")
    canvas.evaluate("c => c.scrollIntoView()")
    box, (x, y), before = canvas.bounding_box(), hold(card), card.state()
    picture, shown, mouse = card.picture(), card.shown(), card.page.mouse
    mouse.move(box["x"] + x, box["y"] + y)
    mouse.down()
    mouse.move(box["x"] + x + 40, box["y"] + y - 30)
    card.rest()
    mouse.up()
    after = card.state()
    assert after["z_1"] > before["z_1"] + 0.2 and after["z_2"] > before["z_2"] + 0.2
    assert card.picture() != picture
    changed = {key for key, value in card.shown().items() if value != shown[key]}
    assert changed == {"log_likelihood"}, "nothing else hangs on it"
    card.check()


def test_a_click_in_the_plane_moves_the_point_and_nothing_else(latent):
    card = latent()
    before, (x, y) = card.state(), hold(card)
    for dx, dy in ((60, -40), (100, -120)):
        card.root.locator("canvas").click(position={"x": x + dx, "y": y + dy})
        card.rest()
        assert hold(card) == pytest.approx([x + dx, y + dy], abs=1.5)
        now = card.state()
        assert now["z_1"] > before["z_1"] + 0.5 and now["z_2"] > before["z_2"] + 0.5
        assert now | {"z_1": before["z_1"], "z_2": before["z_2"]} == before
        card.check()
    card.root.locator("canvas").click(position={"x": 15, "y": 200})  # beside the plane
    card.rest()
    assert card.state() == now


def test_all_that_is_live_fits_a_small_telephone(latent):
    """Plane, images and loss together are lower than a screen of 667 pixels below the bar of the page."""
    box = latent(width=375).root.locator(".picture").bounding_box()
    assert box["height"] <= 667 - 56


def test_the_numbers_are_folded_but_on_paper(latent):
    card = latent()
    output = card.root.locator("output").first
    assert not output.is_visible()
    card.root.get_by_text("All numbers").click()
    assert output.is_visible()
    card.root.get_by_text("All numbers").click()
    card.page.emulate_media(media="print")
    assert output.bounding_box()["height"] > 10
    card.page.emulate_media(media="screen")


def test_each_stored_epoch_has_a_plane_of_its_own(latent):
    card, pictures = latent(), set()
    for snapshot, epoch in enumerate(card.data["epochs"]):
        card.set("snapshot", snapshot)
        assert f"after {epoch} epochs" in card.input("snapshot").get_attribute("aria-valuetext")
        card.check()
        pictures.add(card.picture())
    assert len(pictures) == len(card.data["epochs"]) == 6


def test_every_test_image_has_the_elbo_of_torch(latent):
    """The page's mean is that of vae_lib for other draws, too, and so is each of a few images."""
    card = latent()
    for image, seed in ((1, 0), (180, 7), (359, 99)):
        card.set("image", image)
        card.set("seed", seed)
        wanted = Latent(_data=card.data, image=image, seed=seed).numbers()
        for key in ("elbo", "mean_elbo"):
            assert math.isclose(card.shown()[key], wanted[key], rel_tol=1e-11)


def test_the_training_of_chapter_8_and_the_cell_below(in_chapter_8):
    """The cell prints what the explorer shows, numbers that hang on the training, so that none are stored to
    compare with; from epoch to epoch both terms move, the reconstruction always upwards."""
    card, terms = in_chapter_8, []
    cell = card.page.locator(".cell", has_text='shown["log_likelihood"]').locator(".cell_output")
    printed = dict(line.split() for line in cell.text_content().splitlines() if len(line.split()) == 2)
    assert printed == {name: text.split()[0].replace("−", "-") for name, text in card.texts().items()}
    for snapshot in range(len(card.data["epochs"])):
        card.set("snapshot", snapshot)
        found = card.read()
        found.check()
        terms.append((found.shown()["mean_reconstruction"], found.shown()["mean_kl"]))
    assert len(terms) == 6
    assert terms == sorted(terms) and len({round(kl, 3) for _, kl in terms}) == 6
