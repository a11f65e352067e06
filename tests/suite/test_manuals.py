# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing that can be typed is undocumented: each program has a man page with its options, each verb of gantryctl is in its page and
in the completion, each setting and each environment variable is told where one looks for it."""

import pathlib
import re
import subprocess

import pytest
from conftest import BUILD, ROOT

MAN = ROOT / "man"


def plain(path):
    """A man page without its markup."""
    text = path.read_text()
    for a, b in ((r"\\-", "-"), (r"\\f[BIRP]", ""), (r"\\&", ""), (r"\\e", "\\\\")):
        text = re.sub(a, b, text)
    return text


def page(program):
    (path,) = [p for section in "18" for p in [MAN / f"{program}.{section}"] if p.exists()] or [None]
    assert path, f"{program} has no man page"
    return plain(path)


def programs():
    """What `make install` installs of programs, but for connectors."""
    text = "".join(p.read_text() for p in (ROOT / "src").rglob("Makemodule.am"))
    names = {n for line in re.findall(r"^(?:bin|pkglibexec)_PROGRAMS \+= *(.*)$", text, re.M) for n in line.split()}
    assert {"gantry", "gantryctl", "gantry-server", "gantry-shim"} <= names, names
    return sorted(names)


def help_of(program, *arguments):
    return subprocess.run([BUILD / program, *arguments, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("program", programs())
def test_each_program_has_a_page_with_its_options(program):
    text = page(program)
    # gantry and gantryctl: below, and in tests/scenario/test_cli.py. What takes no options is not run at all: to it a word is no question.
    if program in ("gantry", "gantryctl") or "--help" not in text:
        return
    done = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    for option in set(re.findall(r"^ +(?:-\w )?(--[a-z-]+)", done.stdout, re.M)):
        assert option in text, f"{option} of {program} is not in its man page"


def told(path):
    """Options that stand in the heads of a page's paragraphs, where it explains them."""
    lines = path.read_text().splitlines()
    heads = [line for before, line in zip(lines, lines[1:]) if before in (".TP", ".TQ")]
    return {o for line in heads for o in re.findall(r"--[a-z][a-z-]+", re.sub(r"\\f[BIRP]", "", line.replace("\\-", "-")))}


# What only the suite's own units call.
INTERNAL = {("gantry-launcher", "--probe-isolation")}


@pytest.mark.parametrize("program", programs())
def test_no_page_has_an_option_that_the_program_does_not_show(program):
    (path,) = [p for section in "18" for p in [MAN / f"{program}.{section}"] if p.exists()]
    if program == "gantryctl":
        shown = "".join(help_of(program, noun) for noun in nouns())
        assert {f"--{o}" for o in re.findall(r"--([a-z][a-z-]+)", page(program))} <= set(re.findall(r"--[a-z][a-z-]+", shown))
    elif program == "gantry":
        shown = "".join(help_of(program, *words) for words in ([], ["sync"], ["connector"], ["spec"], ["check"], ["discover"], ["read"], ["write"]))
    elif "--help" in plain(path):
        shown = help_of(program)
    else:
        return
    left = {o for o in told(path) - set(re.findall(r"--[a-z][a-z-]+", shown)) if (program, o) not in INTERNAL}
    assert not left, f"{program} does not show {left}"


def nouns():
    found = re.findall(r"^  ([a-z]+) ", help_of("gantryctl"), re.M)
    assert len(found) > 8, found
    return found


def verbs():
    """(noun, verb or "", its options) of all there are."""
    rows = []
    for noun in nouns():
        text = help_of("gantryctl", noun)
        for line in re.findall(rf"^gantryctl {noun}(.*)$", text, re.M):
            words = line.split()
            rows.append((noun, words[0] if words and re.fullmatch(r"[a-z-]+", words[0]) else ""))
        assert any(n == noun for n, _ in rows), (noun, text)
    return rows


def complete(*words):
    """What bash offers for the last word."""
    script = (f". {ROOT}/completions/bash/gantryctl; COMP_WORDS=({' '.join(words)} ''); COMP_CWORD={len(words)}; "
              "_gantryctl_names() { echo a-name; }; _gantryctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()


def options(noun, verb):
    """Those that the program takes for it: an option that isn't its is told before anything is asked."""
    found = []
    for name in sorted(set(re.findall(r"^  --([a-z-]+)", help_of("gantryctl", noun), re.M))):
        done = subprocess.run([BUILD / "gantryctl", noun, *filter(None, [verb]), f"--{name}"], capture_output=True, text=True, check=False,
                              env={"GANTRY_BUS_ADDRESS": "unix:path=/nonexistent"})
        takes = "does not take" not in done.stderr
        if "requires an argument" in done.stderr:
            done = subprocess.run([BUILD / "gantryctl", noun, *filter(None, [verb]), f"--{name}=1", *["x"] * 2], capture_output=True,
                                  text=True, check=False, env={"GANTRY_BUS_ADDRESS": "unix:path=/nonexistent"})
            takes = f"does not take --{name}" not in done.stderr
        if takes and name not in ("json", "no-legend", "no-pager", "host", "no-ask-password", "help", "version", "quiet"):
            found.append(name)
    return found


def test_the_completion_knows_every_noun_verb_and_option():
    assert sorted(complete("gantryctl")) == sorted(nouns())
    for noun in nouns():
        wanted = sorted(v for n, v in verbs() if n == noun and v)
        if wanted:
            assert sorted(complete("gantryctl", noun)) == wanted, noun
    missing = []
    for noun, verb in verbs():
        script = (f". {ROOT}/completions/bash/gantryctl; COMP_WORDS=(gantryctl {noun} {verb} --); COMP_CWORD={3 if verb else 2}; "
                  "compopt() { :; }; _gantryctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
        offered = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()
        missing += [f"{noun} {verb} --{name}" for name in options(noun, verb) if not any(o.startswith(f"--{name}") for o in offered)]
    assert not missing, missing


def test_the_page_of_gantryctl_knows_every_verb_and_option():
    text = re.sub(r"\s+", " ", re.sub(r"^\.(?:B|I|BR|BI|IR|RB|TP|TQ|IB|RI)\b", "", page("gantryctl"), flags=re.M).replace('"', ""))
    for noun, verb in verbs():
        assert f"{noun} {verb}".strip() in text or re.search(rf"\b{noun}\b.*\b{verb}\b", text), f"gantryctl {noun} {verb}"
    for name in set(re.findall(r"^  (?:-\w )?--([a-z-]+)", "".join(help_of("gantryctl", n) for n in nouns()), re.M)):
        assert f"--{name}" in text, name


def test_each_setting_and_variable_is_told():
    sources = {p: p.read_text() for p in (ROOT / "src").rglob("*.c")}
    conf = plain(MAN / "gantry.conf.5")
    places = r'(?:conf_file_get|read_url\(conf|, parse_(?:span|bytes|count), ).*'
    lines = [line for text in sources.values() for line in text.splitlines() if re.search(places, line)]
    keys = {key for line in lines for key in re.findall(r'"([A-Z][A-Za-z]+)"', line)} - {"Connectors", "Files", "Launcher", "Retention", "Web"}
    assert {"ReadRoots", "WriteRoots", "IndexUrl", "JobsMaxAge", "AllowUnisolated", "Hosts"} <= keys, keys
    for key in keys:
        assert f"{key}=" in conf, f"{key}= is not in gantry.conf(5)"
    pages = "".join(plain(p) for p in MAN.glob("*.[158]"))
    for path, text in sources.items():
        for name in re.findall(r'getenv\("(GANTRY_\w+)"\)', text):
            assert name in pages, f"{name} ({path.name}) is in no man page"


def test_each_bus_name_that_people_may_call_has_a_page():
    policies = {p.name.removesuffix(".conf"): p.read_text() for p in (ROOT / "dbus").glob("*.conf")}
    for name, text in policies.items():
        default = re.search(r'<policy context="default">(.*?)</policy>', text, re.S)
        if default and "<allow send" in default.group(1):
            assert pathlib.Path(MAN / f"{name}.5").exists(), name
