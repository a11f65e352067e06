# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daemon says of itself on the bus, as the text of the interface files in dbus/: one file a bus name, with all the
interfaces of all its objects. Used on this machine and, in tests/host, on an installed host."""

import xml.etree.ElementTree as ET

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
"""
# How many interfaces each bus name has.
KINDS = {"Server1": 5, "Workflow1": 2, "Workload1": 1, "Launcher1": 1}


def path(prefix, kind, name):
    """An object's path, its name escaped as sd_bus_path_encode() does."""
    safe = "".join(c if c.isascii() and c.isalnum() and (i > 0 or not c.isdigit()) else f"_{ord(c):02x}" for i, c in enumerate(name))
    return f"{prefix}/{kind}/{safe}"


def interfaces(text):
    """Those of ours in an Introspect answer, by name."""
    return {i.get("name"): i for i in ET.fromstring(text).iter("interface") if i.get("name").startswith("org.gantry.")}


def document(found):
    """The interface file of all these."""
    node = ET.Element("node")
    for name in sorted(found):
        node.append(found[name])
    ET.indent(node, " ")
    for element in node.iter():
        if element.tag in ("method", "signal", "property", "interface") and len(element) == 0:
            element.text = None
    return HEAD + ET.tostring(node, encoding="unicode").strip() + "\n"
