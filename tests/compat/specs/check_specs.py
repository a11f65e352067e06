#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real connectors' specifications through our reader: parsed, compiled, a valid and many invalid configurations told
apart with the field named, secrets found.

    check_specs.py                          the hand-written specs in shapes/ (this is what `make check` runs)
    check_specs.py --pins pins.txt          those of the pinned packages; wheels are fetched one by one into the cache
    check_specs.py --repository DIR         those of all sources in a clone of Airbyte's repository (a bare one will do)
    check_specs.py --report FILE            writes the table of counts

Nothing is installed: a wheel is opened and its spec.json, spec.yaml or manifest.yaml read. Configurations are made from
the spec itself (constants, defaults, examples, patterns). Where Debian's python3-jsonschema is there, it is the judge of
every configuration beside the construction. Prints TAP."""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter

try:
    import jsonschema
except ImportError:
    jsonschema = None

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUILD = pathlib.Path(os.environ.get("GANTRY_BUILD") or os.environ.get("builddir") or ROOT / "build").resolve()
WRONG_TEXT = "wrong-value-7c1d"
# A generated configuration is not tried for more branches and mutations than this.
VARIANTS_MAX = 6
TOLD_APART = "specifications with a valid and an invalid configuration told apart"
SPEC_NAMES = ("spec.json", "spec.yaml", "spec.yml")


class CannotGenerate(Exception):
    pass


# ---- reading specifications ----------------------------------------------------------------------------------------


def load_yaml(text):
    import yaml

    class Loader(yaml.SafeLoader):
        """Dates stay text, as they do in JSON."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, expr) for tag, expr in rules if not tag.endswith("timestamp")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(text, Loader=Loader)


def resolve(value, root, depth=0):
    """Follows a manifest's own references, which its runtime resolves before anybody sees the spec."""
    if depth > 50:
        raise ValueError("references without end")
    if isinstance(value, list):
        return [resolve(v, root, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str) and value["$ref"].startswith("#/"):
        target = root
        for token in value["$ref"][2:].split("/"):
            target = target[int(token)] if isinstance(target, list) else target[token]
        merged = resolve(target, root, depth + 1)
        rest = {k: resolve(v, root, depth + 1) for k, v in value.items() if k != "$ref"}
        return {**merged, **rest} if isinstance(merged, dict) else merged
    return {k: resolve(v, root, depth + 1) for k, v in value.items()}


def spec_of_text(name, text):
    """A ConnectorSpecification out of the file `name`; None where a manifest has none."""
    if not name.endswith("manifest.yaml"):
        return json.loads(text) if name.endswith(".json") else load_yaml(text)
    manifest = load_yaml(text)
    spec = manifest.get("spec")
    if not spec:
        return None
    spec = resolve(spec, manifest)
    return {
        "connectionSpecification": spec["connection_specification"],
        **({"documentationUrl": spec["documentation_url"]} if spec.get("documentation_url") else {}),
        **({"advanced_auth": spec["advanced_auth"]} if spec.get("advanced_auth") else {}),
    }


def best(names):
    """Of the files of one connector, the one that holds its spec."""
    ranked = sorted((n for n in names if n.rsplit("/", 1)[-1] in SPEC_NAMES), key=len)
    return ranked + sorted((n for n in names if n.rsplit("/", 1)[-1] == "manifest.yaml"), key=len)


def from_shapes():
    for path in sorted((HERE / "shapes").glob("*.json")):
        yield path.stem, "hand-written", json.loads(path.read_text())


def fetch_wheel(pin, cache):
    """The wheel of `name==version`; from the registry only when the cache hasn't got it."""
    name, version = pin.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    found = list(cache.glob(pattern))
    if not found:
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
             "--ignore-requires-python", "--disable-pip-version-check", "--retries", "1", "--dest", cache, pin],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        )
        found = list(cache.glob(pattern))
    return found[0]


def from_pins(pins):
    cache = BUILD / "cache" / "wheels"
    for line in pathlib.Path(pins).read_text().splitlines():
        pin = line.split("#")[0].strip()
        if not pin:
            continue
        try:
            with zipfile.ZipFile(fetch_wheel(pin, cache)) as wheel:
                for name in best(wheel.namelist()):
                    spec = spec_of_text(name, wheel.read(name).decode())
                    if spec:
                        yield pin, "wheel, " + name.rsplit("/", 1)[-1], spec
                        break
                else:
                    yield pin, "wheel, no spec file", {}
        except subprocess.CalledProcessError as e:
            # One refusal is enough: the registry is not asked for the rest.
            yield pin, f"not fetched: {' '.join(e.stderr.split('ERROR: ')[-1].split()) or e}", None
            return
        except zipfile.BadZipFile:
            yield pin, "wheel, damaged", {}


PUBLISHED = "on PyPI by its metadata"


def is_published(metadata):
    """Whether a connector's metadata.yaml says that it is released to PyPI too."""
    registries = (load_yaml(metadata).get("data") or {}).get("remoteRegistries") or {}
    return bool((registries.get("pypi") or {}).get("enabled"))


def from_repository(repository):
    def git(*args):
        return subprocess.run(["git", "-C", repository, *args], check=True, stdout=subprocess.PIPE).stdout

    connectors, published = {}, set()
    for path in git("ls-tree", "-r", "--name-only", "HEAD", "airbyte-integrations/connectors").decode().splitlines():
        parts = path.split("/")
        source = parts[2].startswith("source-") and not any(p in ("unit_tests", "integration_tests", "test") for p in parts)
        if source and parts[-1] in (*SPEC_NAMES, "manifest.yaml"):
            connectors.setdefault(parts[2], []).append(path)
        elif source and parts[3:] == ["metadata.yaml"] and is_published(git("show", "HEAD:" + path)):
            published.add(parts[2])
    for connector, names in sorted(connectors.items()):
        for name in best(names):
            spec = spec_of_text(name, git("show", "HEAD:" + name).decode())
            if spec:
                where = f"repository, {PUBLISHED}, " if connector in published else "repository, "
                yield connector, where + name.rsplit("/", 1)[-1], spec
                break


# ---- making configurations -----------------------------------------------------------------------------------------


def text_of_pattern(pattern):
    """A short text that the pattern matches; the parser is Python's own."""
    from re import _constants as c
    from re import _parser as parser

    def pick(options):
        op, value = options[0]
        if op == c.NEGATE:
            bad = {v for o, v in options[1:] if o == c.LITERAL}
            return next(ch for ch in "a0-_ " if ord(ch) not in bad)
        if op == c.RANGE:
            return chr(value[0])
        if op == c.CATEGORY:
            return {c.CATEGORY_DIGIT: "1", c.CATEGORY_SPACE: " "}.get(value, "a")
        return chr(value)

    def make(tree):
        out = ""
        for op, value in tree:
            if op == c.LITERAL:
                out += chr(value)
            elif op == c.NOT_LITERAL:
                out += "a" if value != ord("a") else "b"
            elif op == c.IN:
                out += pick(value)
            elif op == c.ANY:
                out += "a"
            elif op in (c.MAX_REPEAT, c.MIN_REPEAT):
                out += make(value[2]) * max(value[0], 1 if value[1] and not value[0] else value[0])
            elif op == c.SUBPATTERN:
                out += make(value[3])
            elif op == c.BRANCH:
                out += make(value[1][0])
        return out

    return make(parser.parse(pattern))


TEXTS = (
    "text", "2021-01-01T00:00:00Z", "2021-01-01", "2021-01-01T00:00:00.000Z", "2021-01-01 00:00:00", "2021-01", "12345",
    "https://example.com", "example.com", "user@example.com", "0f8fad5b-d9cb-469f-a165-70867728950e", "P1D", "abc123", "",
)


def types_of(schema):
    t = schema.get("type")
    return t if isinstance(t, list) else [t] if t else []


PYTHON_TYPES = {
    "string": str, "boolean": bool, "array": list, "object": dict, "null": type(None), "number": (int, float), "integer": int,
}


def is_type(value, name):
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, PYTHON_TYPES[name])


def fits(schema, value):
    """Whether a candidate meets what its own schema says of it; by hand, so that our reader is not its own judge."""
    types = types_of(schema)
    if types and not any(is_type(value, t) for t in types):
        return False
    if "const" in schema and schema["const"] != value or "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return False
        return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 1 << 30)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        items = schema.get("items")
        return len(value) >= schema.get("minItems", 0) and (
            not isinstance(items, dict) or all(fits(items, v) for v in value))
    return True


def scalar(schema):
    if "const" in schema:
        return schema["const"]
    examples = schema.get("examples", [])
    candidates = [*schema.get("enum", []), *([schema["default"]] if "default" in schema else [])]
    candidates += examples if isinstance(examples, list) else [examples]
    types = types_of(schema)
    if not types or "string" in types:
        candidates += TEXTS
        if "minLength" in schema:
            candidates.append("x" * schema["minLength"])
        if "pattern" in schema:
            try:
                candidates.append(text_of_pattern(schema["pattern"]))
            except (re.error, StopIteration, ValueError, IndexError):
                pass
    candidates += [1, 10, 100, 1000, 100000, True, None, schema.get("minimum", 0), schema.get("maximum", 0)]
    for value in candidates:
        if not isinstance(value, (dict, list)) and fits(schema, value):
            return value
    raise CannotGenerate(f"nothing for {json.dumps(schema)[:200]}")


def generate(schema, variant, everything):
    """A value for a schema. `variant` counts through the branches of oneOf and anyOf."""
    if not isinstance(schema, dict):
        return "text"
    if "const" in schema:
        return schema["const"]
    for word in ("oneOf", "anyOf"):
        if schema.get(word):
            branch = schema[word][variant % len(schema[word])]
            merged = {**{k: v for k, v in schema.items() if k not in (word, "default", "examples")}, **branch}
            merged["required"] = [*as_list(schema.get("required")), *as_list(branch.get("required"))]
            merged["properties"] = {**as_dict(schema.get("properties")), **as_dict(branch.get("properties"))}
            return generate(merged, variant, everything)
    if schema.get("allOf"):
        merged = {k: v for k, v in schema.items() if k != "allOf"}
        for part in schema["allOf"]:
            merged.update({k: v for k, v in part.items() if k not in ("required", "properties")})
            merged["required"] = [*as_list(merged.get("required")), *as_list(part.get("required"))]
            merged["properties"] = {**as_dict(merged.get("properties")), **as_dict(part.get("properties"))}
        return generate(merged, variant, everything)
    types = types_of(schema)
    if "object" in types or (not types and schema.get("properties")):
        value = {}
        required = as_list(schema.get("required"))
        for name, child in as_dict(schema.get("properties")).items():
            if name in required or everything or (isinstance(child, dict) and "const" in child):
                value[name] = generate(child, variant, everything)
        for name in required:
            value.setdefault(name, "text")
        return value
    if "array" in types:
        for candidate in (schema.get("default"), schema.get("examples")):
            if isinstance(candidate, list) and fits(schema, candidate):
                if not isinstance(schema.get("items"), dict) or not types_of(schema["items"]) == ["object"]:
                    return candidate
        n = max(schema.get("minItems", 0), 1 if everything else 0)
        return [generate(schema.get("items", {}), variant + i, everything) for i in range(n)]
    return scalar(schema)


def as_list(value):
    return value if isinstance(value, list) else []


def as_dict(value):
    return value if isinstance(value, dict) else {}


def wrong_value(schema):
    """A value of a type that the schema does not take, or None."""
    if not isinstance(schema, dict):
        return None
    types = types_of(schema)
    branches = [b for w in ("oneOf", "anyOf") for b in as_list(schema.get(w))]
    for branch in branches:
        types += types_of(branch) if isinstance(branch, dict) else []
        if not isinstance(branch, dict) or not types_of(branch):
            types += ["object"] if as_dict(branch).get("properties") and "object" in types else list(PYTHON_TYPES)
    if not types:
        return None
    for name, value in (("string", WRONG_TEXT), ("array", [WRONG_TEXT]), ("boolean", True), ("number", 12.5)):
        if name not in types and not (name == "number" and "integer" in types):
            return value
    return None


def mutations(schema, config):
    """(what was done, place that must be named, broken configuration)."""
    properties = as_dict(schema.get("properties"))
    for name in as_list(schema.get("required")):
        if name in config:
            yield f"without {name}", "/" + pointer_token(name), {k: v for k, v in config.items() if k != name}
    for name, child in properties.items():
        wrong = wrong_value(child)
        if wrong is not None:
            yield f"wrong type of {name}", "/" + pointer_token(name), {**config, name: wrong}
    for name, child in properties.items():
        if not isinstance(child, dict) or not isinstance(config.get(name), dict):
            continue
        for branch in [child, *as_list(child.get("oneOf"))]:
            # Only the branch that this configuration chose, which a constant tells.
            constants = {k: v["const"] for k, v in as_dict(branch.get("properties")).items()
                         if isinstance(v, dict) and "const" in v}
            if branch is not child and (not constants or any(config[name].get(k) != v for k, v in constants.items())):
                continue
            for inner in as_list(branch.get("required")):
                if inner in config[name] and inner not in constants:
                    broken = {k: v for k, v in config[name].items() if k != inner}
                    yield f"without {name}.{inner}", f"/{pointer_token(name)}", {**config, name: broken}


def pointer_token(name):
    return name.replace("~", "~0").replace("/", "~1")


def secrets_of(schema, config, pointer=""):
    """Our own walk over the marks, to compare with the program's."""
    if not isinstance(schema, dict) or config is None:
        return set()
    mark = schema.get("airbyte_secret")
    found = {pointer} if mark and mark != "false" else set()
    for word in ("oneOf", "anyOf", "allOf"):
        for branch in as_list(schema.get(word)):
            found |= secrets_of(branch, config, pointer)
    if isinstance(config, dict):
        for name, value in config.items():
            child = as_dict(schema.get("properties")).get(name, schema.get("additionalProperties"))
            found |= secrets_of(child, value, f"{pointer}/{pointer_token(name)}")
    if isinstance(config, list):
        for i, value in enumerate(config):
            found |= secrets_of(schema.get("items"), value, f"{pointer}/{i}")
    return found


# ---- judging -------------------------------------------------------------------------------------------------------


class Spec:
    def __init__(self, checker, name, spec, scratch):
        self.schema = spec["connectionSpecification"]
        self.file = scratch / (re.sub(r"[^A-Za-z0-9.-]", "_", name) + ".json")
        self.file.write_text(json.dumps(spec))
        self.checker = checker
        self.judge = jsonschema.Draft7Validator(self.schema) if jsonschema else None

    def ask(self, configs):
        text = "".join(json.dumps(c) + "\n" for c in configs)
        run = subprocess.run([self.checker, self.file], input=text.encode(), capture_output=True)
        if run.returncode != 0:
            raise ValueError(run.stderr.decode().strip())
        return [json.loads(line) for line in run.stdout.decode().splitlines()]

    def is_valid(self, config):
        """What the other library says; None without one, or where the spec is too odd for it."""
        if not self.judge:
            return None
        try:
            return self.judge.is_valid(config)
        except Exception:
            return None


def check_valid(spec, counts, problems):
    """Valid configurations are accepted and their secrets found. Gives those that were accepted."""
    good = []
    configs = []
    for everything in (False, True):
        for variant in range(VARIANTS_MAX):
            try:
                config = generate(spec.schema, variant, everything)
            except (CannotGenerate, RecursionError, TypeError, re.error) as e:
                counts["configurations that could not be made"] += 1
                problems.append(f"# cannot make a configuration: {e}")
                break
            if config not in configs:
                configs.append(config)
    for config, reply in zip(configs, spec.ask(configs)):
        judged = spec.is_valid(config)
        if judged is False:
            counts["made configurations that break their own spec"] += 1
            if reply["result"] == "valid":
                problems.append(f"accepted, the judge refuses: {json.dumps(config)[:300]}")
            continue
        counts["valid configurations"] += 1
        if reply["result"] != "valid":
            problems.append(f"refused: {reply.get('message')}: {json.dumps(config)[:300]}")
            continue
        good.append(config)
        expected = secrets_of(spec.schema, config)
        counts["secrets"] += len(expected)
        if set(reply["secrets"]) != expected:
            problems.append(f"secrets {sorted(reply['secrets'])}, not {sorted(expected)}")
    return good


def check_invalid(spec, config, counts, problems):
    broken = list(mutations(spec.schema, config))
    told = 0
    for (what, place, value), reply in zip(broken, spec.ask([b[2] for b in broken])):
        judged = spec.is_valid(value)
        if judged is True or (judged is None and reply["result"] == "valid" and what.startswith("wrong")):
            counts["broken configurations that their spec allows"] += 1
            if reply["result"] != "valid":
                problems.append(f"{what}: refused, the judge accepts: {reply.get('message')}")
            continue
        counts["invalid configurations"] += 1
        message = reply.get("message", "")
        if reply["result"] != "invalid":
            problems.append(f"{what}: {reply['result']}")
        elif not any(line.startswith(place) for line in message.splitlines()):
            problems.append(f"{what}: does not name {place}: {message}")
        elif WRONG_TEXT in message:
            problems.append(f"{what}: repeats the value: {message}")
        else:
            told += 1
    return told


class Liar(Spec):
    """Answers with a lie: this script must find each."""

    def __init__(self, lie, *args):
        super().__init__(*args)
        self.lie = lie

    def ask(self, configs):
        return [{**reply, **self.lie} for reply in super().ask(configs)]


LIES = (
    {"result": "valid"},
    {"result": "invalid", "message": "/shop: is wrong"},
    {"result": "undecided"},
    {"message": "the configuration: is wrong"},
    {"message": f"/shop: is {WRONG_TEXT}\n/credentials: is {WRONG_TEXT}\n/start_date: is {WRONG_TEXT}"},
    {"secrets": []},
    {"secrets": ["/shop"]},
)


def check_lies(checker, scratch):
    """The positive control: TAP lines' texts of the lies that were not found."""
    document = json.loads((HERE / "shapes" / "branches.json").read_text())
    return [json.dumps(lie) for lie in LIES
            if not any(not p.startswith("#") for p in
                       check_spec(Liar(lie, checker, "liar", document, scratch), Counter()))]


def check_spec(spec, counts):
    """The list of what is wrong; lines that begin with # are remarks."""
    problems = []
    try:
        spec.ask([])
        counts["specifications parsed and compiled"] += 1
        good = check_valid(spec, counts, problems)
        told = sum(check_invalid(spec, config, counts, problems) for config in good[:VARIANTS_MAX])
        counts["invalid configurations refused with the field named"] += told
        counts[TOLD_APART] += bool(good and told)
        if good and not told:
            problems.append("# nothing in it is required or typed: no configuration can break it")
    except (ValueError, KeyError, TypeError) as e:
        problems.append(f"{type(e).__name__}: {e}")
    return problems


def check_document(checker, name, document, scratch, counts):
    try:
        return check_spec(Spec(checker, name, document, scratch), counts)
    except (KeyError, TypeError) as e:
        return [f"no specification in it: {type(e).__name__}: {e}"]


def write_report(path, counts, origins, failed, skipped, args):
    """A page with counts alone: no name of this machine's paths, no copied specification."""
    what = []
    if args.pins:
        what.append("`--pins pins.txt`")
    if args.repository:
        revision = subprocess.run(["git", "-C", args.repository, "log", "-1", "--format=%h of %cs"], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout.strip()
        what.append(f"`--repository` with a clone of Airbyte's repository, commit {revision}")
    lines = ["# Specifications of public connectors, read by Gantry", ""]
    lines += [f"Made by `tests/compat/specs/check_specs.py`, {' and '.join(what)}, on {datetime.date.today()}."]
    machine = os.uname()
    lines += [f"Machine: {machine.sysname} {'.'.join(machine.release.split('.')[:2])}, {machine.machine}, {os.cpu_count()} cores."]
    lines += ["Judge beside the construction: " + ("python3-jsonschema." if jsonschema else "none."), ""]
    lines += ["| what | count |", "| --- | ---: |"]
    lines += [f"| specifications from: {origin} | {n} |" for origin, n in sorted(origins.items())]
    lines += [f"| {what} | {n} |" for what, n in counts.items()]
    lines += [f"| specifications that failed | {len(failed)} |", f"| without a specification | {len(skipped)} |"]
    if args.repository:
        lines += ["", f'"{PUBLISHED}": metadata.yaml has `remoteRegistries.pypi.enabled: true`; the spec is the file in the',
                  "repository at that commit. A wheel was opened only where the table says so."]
    lines += ["", *[f"- {name}: {'; '.join(why)[:400]}" for name, why in failed.items()]]
    pathlib.Path(path).write_text("\n".join(lines).rstrip() + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pins")
    parser.add_argument("--repository")
    parser.add_argument("--report")
    parser.add_argument("--checker", default=BUILD / "tests" / "tools" / "spec-check")
    args = parser.parse_args()

    sources = [from_pins(args.pins)] if args.pins else []
    sources += [from_repository(args.repository)] if args.repository else []
    scratch_directory = tempfile.TemporaryDirectory()
    scratch = pathlib.Path(scratch_directory.name)
    counts, origins, failed, skipped, number = Counter(), Counter(), {}, [], 0
    for source in sources or [from_shapes()]:
        for name, origin, document in source:
            number += 1
            if document is None:
                skipped.append(name)
                print(f"ok {number} - {name} # SKIP {origin}")
                continue
            origins[origin] += 1
            told = counts[TOLD_APART]
            problems = check_document(args.checker, name, document, scratch, counts)
            if PUBLISHED in origin:
                counts[TOLD_APART + ", " + PUBLISHED] += counts[TOLD_APART] - told
            wrong = [p for p in problems if not p.startswith("#")]
            print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
            for p in problems:
                print("# " + p.lstrip("# ").replace("\n", " | "))
            if wrong:
                failed[name] = wrong
    number += 1
    missed = check_lies(args.checker, scratch)
    print(f"{'not ok' if missed else 'ok'} {number} - lies about a specification are found")
    for lie in missed:
        print(f"# not found: {lie}")
    print(f"1..{number}")
    for what, n in counts.items():
        print(f"# {what}: {n}")
    print(f"# judged by python3-jsonschema beside the construction: {'yes' if jsonschema else 'no, not installed'}")
    if args.report:
        write_report(args.report, counts, origins, failed, skipped, args)
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
