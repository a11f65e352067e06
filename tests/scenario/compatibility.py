# SPDX-License-Identifier: LGPL-2.1-or-later
"""What changed between two specifications or two catalogs of a connector, and whether it breaks those who rely on the old.

A specification is what a connector takes: it breaks when a configuration that was good may now be refused or mean
something else. A catalog is what it gives: it breaks when a stream, a column, its type, or what orders and identifies its
records is not what it was. Both functions return (breaking, harmless): sentences that begin with the path."""

# keyword → whether a greater value refuses more
BOUNDS = {"minimum": True, "exclusiveMinimum": True, "minLength": True, "minItems": True, "minProperties": True,
          "maximum": False, "exclusiveMaximum": False, "maxLength": False, "maxItems": False, "maxProperties": False}
# Any other value of these means something else to a configuration that is stored already.
MEANING = ("const", "default", "format", "multipleOf", "uniqueItems", "airbyte_secret", "gantry_path")


class Findings:
    def __init__(self):
        self.breaking, self.harmless = [], []

    def breaks(self, path, sentence):
        self.breaking.append(f"{path or '/'}: {sentence}")

    def harmless_at(self, path, sentence):
        self.harmless.append(f"{path or '/'}: {sentence}")

    def result(self):
        return self.breaking, self.harmless


def types_of(schema):
    """The types that a schema lets pass; None for all. An integer is a number, too."""
    found = schema.get("type")
    if found is None:
        return None
    found = {found} if isinstance(found, str) else set(found)
    return found | {"integer"} if "number" in found else found


def shown(value):
    return "nothing" if value is None else repr(value)


def same(a, b):
    """Equal as JSON: 1 is not true."""
    return type(a) is type(b) and a == b


# ---- what a connector takes ----

def compare_types(old, new, path, found):
    before, after = types_of(old), types_of(new)
    if before == after:
        return
    if after is not None and (before is None or not before <= after):
        gone = "any type" if before is None else " and ".join(sorted(before - after))
        found.breaks(path, f"the type is narrower: {gone} may be stored, but only {' and '.join(sorted(after))} is taken")
    else:
        found.harmless_at(path, "the type is wider")


def compare_enums(old, new, path, found):
    before, after = old.get("enum"), new.get("enum")
    if before is not None and after is not None:
        for value in (v for v in before if not any(same(v, w) for w in after)):
            found.breaks(path, f"the enum's value {value!r} is gone")
        for value in (v for v in after if not any(same(v, w) for w in before)):
            found.harmless_at(path, f"the enum has a new value {value!r}")
    elif after is not None:
        found.breaks(path, "an enum now says which values are taken")
    elif before is not None:
        found.harmless_at(path, "the enum is gone")


def compare_bounds(old, new, path, found):
    for word, greater_refuses in BOUNDS.items():
        before, after = old.get(word), new.get(word)
        if before == after:
            continue
        narrower = after is not None and (before is None or (after > before) == greater_refuses)
        if narrower:
            found.breaks(path, f"{word} was {shown(before)} and is {after}: less is taken")
        else:
            found.harmless_at(path, f"{word} was {before} and is {shown(after)}")
    if old.get("pattern") != new.get("pattern"):
        if "pattern" in new:
            found.breaks(path, f"the pattern was {shown(old.get('pattern'))} and is {new['pattern']!r}")
        else:
            found.harmless_at(path, "the pattern is gone")
    if old.get("additionalProperties", True) is not False and new.get("additionalProperties", True) is False:
        found.breaks(path, "unknown properties are refused")


def new_name_of(name, old, new):
    """A property that may be the lost one under another name: it is new and takes the same."""
    def essence(schema):
        return {k: v for k, v in schema.items() if k not in ("title", "description", "order", "examples")}
    for other in new:
        if other not in old and essence(new[other]) == essence(old[name]):
            return other
    return None


def compare_properties(old, new, path, found):
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before:
        if name in after:
            compare_schema(before[name], after[name], f"{path}/{name}", found)
            continue
        other = new_name_of(name, before, after)
        found.breaks(f"{path}/{name}", f"the property was renamed to {other!r}" if other else "the property is gone")
    for name in (n for n in after if n not in before):
        found.harmless_at(f"{path}/{name}", "the property is new")
    for name in sorted(set(new.get("required", [])) - set(old.get("required", []))):
        found.breaks(f"{path}/{name}", "the property is required now")
    for name in sorted(set(old.get("required", [])) - set(new.get("required", []))):
        found.harmless_at(f"{path}/{name}", "the property is not required any more")


def branch_key(branch):
    """A branch of oneOf is known by its constants, as in the forms that are made from it."""
    return tuple(sorted((k, repr(v["const"])) for k, v in branch.get("properties", {}).items() if "const" in v))


def compare_branches(old, new, path, found):
    if "oneOf" not in old and "oneOf" not in new:
        return
    before = {branch_key(b): b for b in old.get("oneOf", [])}
    after = {branch_key(b): b for b in new.get("oneOf", [])}
    if not before:
        found.breaks(path, "only the branches of a oneOf are taken now")
        return
    if not after:
        found.harmless_at(path, "the oneOf is gone")
        return
    for key, branch in before.items():
        name = "+".join(f"{k}={v}" for k, v in key) or "nameless"
        if key in after:
            compare_schema(branch, after[key], f"{path}/oneOf[{name}]", found)
        else:
            found.breaks(f"{path}/oneOf[{name}]", "the branch is gone or its const has changed")
    for key in (k for k in after if k not in before):
        found.harmless_at(path, f"the oneOf has a new branch {'+'.join(f'{k}={v}' for k, v in key)}")


def compare_schema(old, new, path, found):
    compare_types(old, new, path, found)
    compare_enums(old, new, path, found)
    compare_bounds(old, new, path, found)
    compare_properties(old, new, path, found)
    compare_branches(old, new, path, found)
    for word in MEANING:
        if not same(old.get(word), new.get(word)):
            found.breaks(path, f"{word} was {shown(old.get(word))} and is {shown(new.get(word))}")
    if "items" in old or "items" in new:
        compare_schema(old.get("items", {}), new.get("items", {}), f"{path}/*", found)
    for word in sorted(set(old) | set(new)):
        if word in ("title", "description", "order", "examples", "pattern_descriptor") and old.get(word) != new.get(word):
            found.harmless_at(path, f"the {word} reads differently")


def compare_specs(old, new):
    """`old` and `new`: the payload of SPEC messages."""
    found = Findings()
    compare_schema(old["connectionSpecification"], new["connectionSpecification"], "", found)
    for mode in old.get("supported_destination_sync_modes", []):
        if mode not in new.get("supported_destination_sync_modes", []):
            found.breaks("supported_destination_sync_modes", f"{mode} is gone")
    for mode in new.get("supported_destination_sync_modes", []):
        if mode not in old.get("supported_destination_sync_modes", []):
            found.harmless_at("supported_destination_sync_modes", f"{mode} is new")
    for flag in ("supportsIncremental", "supports_file_transfer", "supportsFileTransfer"):
        if old.get(flag) and not new.get(flag):
            found.breaks(flag, "is not supported any more")
        elif new.get(flag) and not old.get(flag):
            found.harmless_at(flag, "is supported now")
    if old.get("protocol_version") != new.get("protocol_version"):
        same_major = str(old.get("protocol_version")).split(".")[0] == str(new.get("protocol_version")).split(".")[0]
        (found.harmless_at if same_major else found.breaks)("protocol_version", f"is {shown(new.get('protocol_version'))}")
    return found.result()


# ---- what a source gives ----

def column_kind(schema):
    """What a column is made from. Whether it may be null changes no column."""
    return ((types_of(schema) or set()) - {"null"}, schema.get("format"), schema.get("airbyte_type"),
            schema.get("contentEncoding"))


def compare_columns(old, new, path, found):
    if column_kind(old) != column_kind(new):
        def say(schema):
            types, *more = column_kind(schema)
            return " ".join(["/".join(sorted(types)) or "anything"] + [str(x) for x in more if x])
        found.breaks(path, f"the type was {say(old)} and is {say(new)}")
    elif old.get("type") != new.get("type"):
        found.harmless_at(path, "whether it may be null has changed")
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before:
        if name in after:
            compare_columns(before[name], after[name], f"{path}/{name}", found)
        else:
            other = new_name_of(name, before, after)
            found.breaks(f"{path}/{name}", f"the column was renamed to {other!r}" if other else "the column is gone")
    for name in (n for n in after if n not in before):
        found.harmless_at(f"{path}/{name}", "the column is new")
    if "items" in old or "items" in new:
        compare_columns(old.get("items", {}), new.get("items", {}), f"{path}/*", found)


def compare_streams(old, new, path, found):
    compare_columns(old["json_schema"], new["json_schema"], path, found)
    for mode in old["supported_sync_modes"]:
        if mode not in new["supported_sync_modes"]:
            found.breaks(path, f"the sync mode {mode} is gone")
    for mode in new["supported_sync_modes"]:
        if mode not in old["supported_sync_modes"]:
            found.harmless_at(path, f"the sync mode {mode} is new")
    # Records that are stored were ordered and told apart by these.
    for word, name in (("default_cursor_field", "cursor"), ("source_defined_primary_key", "primary key")):
        before, after = old.get(word) or None, new.get(word) or None
        if before != after:
            found.breaks(path, f"the {name} was {shown(before)} and is {shown(after)}")
    for word in ("source_defined_cursor", "is_resumable", "is_file_based"):
        before, after = bool(old.get(word)), bool(new.get(word))
        if before and not after:
            found.breaks(path, f"{word} is not true any more")
        elif after and not before:
            found.harmless_at(path, f"{word} is true now")


def compare_catalogs(old, new):
    """`old` and `new`: the payload of CATALOG messages."""
    found = Findings()

    def by_name(catalog):
        return {".".join(x for x in (s.get("namespace"), s["name"]) if x): s for s in catalog["streams"]}

    before, after = by_name(old), by_name(new)
    for name in before:
        if name in after:
            compare_streams(before[name], after[name], name, found)
        else:
            found.breaks(name, "the stream is gone")
    for name in (n for n in after if n not in before):
        found.harmless_at(name, "the stream is new")
    return found.result()
