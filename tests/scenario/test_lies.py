# SPDX-License-Identifier: LGPL-2.1-or-later
"""1,000 lies of sources and destinations, each found: the attempt fails (or, for those that break nothing, all arrives),
and at no time does a stored state cover rows that aren't durable. Honest pairs go through."""

import collections
import concurrent.futures
import os

import pytest

import lies

LIES = int(os.environ.get("GANTRY_TEST_LIES", "1000"))
# These wait for a time-out, at least 0.3 s each.
SLOW = {"hang", "hang-deaf", "hang-closed", "leave-child", "deaf", "hang-late", "hang-late-deaf"}


def draw_cases(n):
    """Each lie by itself first, then each with an honest-looking partner's lie beside it, until there are n."""
    source, destination = list(lies.SOURCE_LIES), list(lies.DESTINATION_LIES)
    singles = [(s, None) for s in source] + [(None, d) for d in destination]
    fast_source = [s for s in source if s not in SLOW]
    fast_destination = [d for d in destination if d not in SLOW]
    told = 0
    for seed in range(n):
        if seed < len(singles):
            pair = singles[seed]
        elif seed % 3 == 0:
            pair = (fast_source[seed // 3 % len(fast_source)], None)
        elif seed % 3 == 1:
            pair = (None, fast_destination[seed // 3 % len(fast_destination)])
        else:
            s, d = fast_source[seed // 3 % len(fast_source)], fast_destination[seed // 7 % len(fast_destination)]
            common = set(lies.SOURCE_LIES[s][1]) & set(lies.DESTINATION_LIES[d][1])
            pair = (s, d) if common else (s, None)
        yield lies.Case(seed, *pair)
        told += 2 if all(pair) else 1
        if told >= n:
            return


def run_all(cases, tmp_path):
    failed, told = [], collections.Counter()

    def one(case):
        return lies.check(case, tmp_path / str(case.seed))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = {pool.submit(one, case): case for case in cases}
        for future in concurrent.futures.as_completed(futures):
            try:
                told[future.result()] += 1
            except AssertionError as error:
                failed.append(f"{futures[future]!r}: {error}")
    return failed, told


def test_1000_lies_are_found(tmp_path):
    cases = list(draw_cases(LIES))
    failed, told = run_all(cases, tmp_path)
    assert not failed, f"{len(failed)} of {len(cases)}:\n" + "\n".join(failed[:10])
    words = " ".join(told)
    missing = [name for name in [*lies.SOURCE_LIES, *lies.DESTINATION_LIES] if name not in words and name != "anew"]
    assert not missing, f"never told: {missing}"
    assert sum(bool(c.source) + bool(c.destination) for c in cases) >= LIES


def test_honest_pairs_go_through(tmp_path):
    failed, _ = run_all([lies.Case(seed) for seed in range(60)], tmp_path)
    assert not failed, "\n".join(failed[:10])


def test_a_line_of_21_MiB_fails_and_says_why(tmp_path):
    case = lies.Case(1)
    options, source, destination = case.commands(tmp_path)
    result = lies.replicate(tmp_path, case.streams, options, [*source, "lie=long-line", "at=1"], destination)
    assert result["status"] == "failed"
    assert "longer than 20 MiB" in result["failures"][0]["externalMessage"]
    lies.check_not_ahead(result["states"], lies.read_json(tmp_path / "rows.json", {}))


@pytest.mark.parametrize("side", ("source", "destination"))
def test_a_program_that_is_not_there_fails(tmp_path, side):
    case = lies.Case(2)
    options, source, destination = case.commands(tmp_path)
    (source if side == "source" else destination)[0] = "/nonexistent/connector"
    result = lies.replicate(tmp_path, case.streams, options, source, destination)
    assert result["status"] == "failed"
    assert any(f["failureOrigin"] == side and "could not be run" in f["externalMessage"] for f in result["failures"])


@pytest.mark.parametrize("side,lie", (("source", "count-high"), ("destination", "count-low")))
def test_it_is_the_count_check_that_finds_wrong_counts(tmp_path, side, lie):
    """Positive control: with wrong counts tolerated, as Airbyte does, the very same sync completes."""
    draw = (lies.Case(seed, lie if side == "source" else None, lie if side == "destination" else None)
            for seed in range(100))
    case = next(c for c in draw if c.reject == 0 and c.every > 1)
    options, source, destination = case.commands(tmp_path)
    assert lies.replicate(tmp_path, case.streams, options, source, destination)["status"] == "failed"
    result = lies.replicate(tmp_path, case.streams, [*options, "--tolerate-counts"], source, destination)
    assert result["status"] == "completed"
