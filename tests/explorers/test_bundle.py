"""Scripts are joined in the order of their imports, and refused where that would change what they do."""

from __future__ import annotations

import re
import subprocess

import pytest

from site_extension.explorers import scripts as scripts_of_the_site
from tools.npm import node_command
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base, bundle


@pytest.fixture
def scripts(tmp_path):
    """A function that writes scripts and returns the path of the first."""

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.js").write_text(text + "\n", encoding="utf-8")
        return tmp_path / f"{next(iter(files))}.js"

    return write


def test_modules_follow_those_that_they_import(scripts):
    entry = scripts(
        entry='import { b } from "./second.js";\nimport {\n  a,\n  c,\n} from "./first.js";\n'
        "export const sum = a + b + c;",
        second='import { a } from "./first.js";\nexport const b = 10 * a;',
        first="export const a = 1;\nexport function c() { return 2; }",
    )
    assert [path.stem for path in bundle.ordered([], entry)] == ["first", "second", "entry"]
    joined = bundle.joined([], entry)
    assert not re.search(r"^(import|export)\b", joined, re.M)
    assert joined.index("const a") < joined.index("const b") < joined.index("const sum")


def test_what_an_explorer_alone_needs_is_joined_too(scripts):
    entry = scripts(
        entry="export const e = 1;", own='import { o } from "./other.js";\nexport const explorer = o;'
    )
    scripts(other="export const o = 2;")
    own = entry.with_name("own.js")
    assert [path.stem for path in bundle.ordered([own], entry)] == ["other", "entry"]
    assert bundle.expression(own, "explorer").startswith("(() => {")


A_FROM_ONE = 'import { a } from "./one.js";'


@pytest.mark.parametrize(
    ("entry", "one", "words"),
    [
        (A_FROM_ONE, "const a = 1;", r"entry\.js imports a, which one\.js does not export"),
        ('import { a } from "./none.js";', "", r"\./none\.js, which does not exist"),
        ('import { a as b } from "./one.js";', "export const a = 1;", "because of: import"),
        ('import * as all from "./one.js";', "export const a = 1;", "because of: import"),
        ("export { a };\nconst a = 1;", "", "because of: export"),
        ("export default 1;", "", "because of: export default"),
        ("const [a, b] = [1, 2];", "", "because of: const"),
        ("let a, b;", "", "because of: let"),
        ("var a = 1;", "", "because of: var"),
        (f"{A_FROM_ONE}\nexport const b = 1;", 'import { b } from "./entry.js";\nexport const a = 1;',
         r"import each other: entry\.js, one\.js"),
        (f"{A_FROM_ONE}\nclass same {{}}", "export const a = 1;\nconst same = 2;",
         r"one\.js and entry\.js both declare same"),
        (f"{A_FROM_ONE}\nasync function same() {{}}", "export const a = 1;\nexport function same() {}",
         r"one\.js and entry\.js both declare same"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_refused(scripts, entry, one, words):
    with pytest.raises(ValueError, match=words):
        bundle.joined([], scripts(entry=entry, one=one))


def test_an_explorer_must_be_exported(scripts):
    with pytest.raises(ValueError, match=r"own\.js must export explorer"):
        bundle.expression(scripts(own="const explorer = {};"), "explorer")


@pytest.mark.parametrize("name", EXPLORERS)
def test_notebook_and_site_have_the_same_explorer(name):
    script = bundle.expression(base.SCRIPTS / f"{name}.js", "explorer")
    assert script in EXPLORERS[name]._esm
    if EXPLORERS[name].own_script:
        assert bundle.source(base.SCRIPTS / f"{name}.js") in scripts_of_the_site(EXPLORERS)[f"{name}.js"]
    else:
        assert script in scripts_of_the_site(EXPLORERS)["explorers.js"]


PROGRAM = """
const { render } = (await import("./notebook.mjs")).default;
const fonts = { load: () => 0 };
const none = () => [];
globalThis.document = { fonts, readyState: "complete", querySelectorAll: none, getElementsByTagName: none };
Object.assign(globalThis, { window: globalThis, location: { hash: "" }, addEventListener() {} });
await import("./train.mjs");
await import("./explorers.mjs");
await new Promise((done) => setTimeout(done, 20)); // behind the task that looks for cards
console.log(typeof render, typeof wakeExplorers, typeof ownExplorers.train.draw);
"""


def test_joined_scripts_run(tmp_path):
    """Node runs the notebook's and the site's: no name is declared twice or used before its turn."""
    (tmp_path / "notebook.mjs").write_text(base.notebook_script("latent"), encoding="utf-8")
    for name, text in scripts_of_the_site(EXPLORERS).items():
        (tmp_path / name).with_suffix(".mjs").write_text(text, encoding="utf-8")
    command = [node_command(), "--input-type=module", "--eval", PROGRAM]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.split() == ["function", "function", "function"], run.stderr
