"""docs/admission.md, from the table of rules. `python -m webhooks.page > docs/admission.md` writes it anew."""

import sys
from collections.abc import Iterator
from inspect import getdoc
from typing import Final

from model.resources import CLAIMS, CLASSES, SNAPSHOT_CLASSES, VOLUMES
from webhooks import settings
from webhooks.options import OPTIONS
from webhooks.rules import CHOSEN, DEFAULTS, KEEP_ANNOTATIONS
from webhooks.rules.policy import PROTECTED_PATHS
from webhooks.rules.rule import Kind, Operation, Phase, Rule

HEADINGS: Final = {
    VOLUMES: "Volumes",
    CLAIMS: "Claims",
    CLASSES: "Classes",
    SNAPSHOT_CLASSES: "Classes of snapshots",
}

INTRODUCTION: Final = """\
# Admission rules

<!-- Generated from webhooks/rules by `python -m webhooks.page`; a test compares. -->

`lading webhooks` looks at PersistentVolumes, PersistentVolumeClaims and StorageClasses before the API server stores
them. `/mutate` normalizes them, `/validate` refuses or warns. `lading check -f FILE` runs the same rules over
manifests, without a cluster. This page lists the rules; their names are stable, and stand in settings, metrics, audit
annotations (`rules`) and findings.

## What holds for all of them

- What is being deleted is let pass untouched. Deletion is never refused by default.
- What can not be changed later (a claim's class and access modes, a class's parameters, a volume's handle and node
  affinity) is normalized when it is made. On an update that means the same, the stored value is put back, so that
  applying a manifest again changes nothing; any other update is left to the API server.
- Refusals and warnings look at what a request makes new. What is stored already stays updatable.
- A patch holds only the operations that are needed. Fields that nobody here knows, status, managed fields, finalizers,
  owners, and labels and annotations of others are not touched. Running twice is running once.
- Rules look at informer caches. Where a decision rests on something being absent, the API server is asked first. From
  manifests alone nothing is concluded from absence.
- Trouble of our own is an HTTP error, never a refusal: failurePolicy decides.
- Access modes and mount options are never sorted: their order has a meaning.
"""

OPT_IN: Final = f"""
## Rules that are asked for

These are off: each is right for some clusters and wrong for others. Switch them on with `--enable NAME`, or in the
settings.

`{KEEP_ANNOTATIONS}` is switched like a rule, in the settings: it makes rules copy deprecated annotations into fields in
place of moving them, for GitOps tools that compare what is live with what is in the repository and show a removed
annotation as drift. (The other way is to mend the manifests: `lading check --fix` does.)
"""

SETTINGS: Final = """
## Settings

`lading webhooks --settings FILE`; `lading check` and `lading config webhooks` take the same file.

```yaml
{example}
```

{prose}

| action | of a rule that normalizes | of a rule that refuses | of a rule that warns |
|---|---|---|---|
| `off` | does not run | does not run | does not run |
| `on` | patches | refuses | warns |
| `warn` | says what it would change | warns | warns |
| `refuse` | – | refuses | refuses |

| rule | option | what it is |
|---|---|---|
{options}

By default {paths} are protected.
"""

PROTOCOL: Final = """\
## The answers

| what | answer |
|---|---|
| policy, or a conflict with another object | `allowed: false`, 403 `Forbidden`, the fields as causes |
| an object that is wrong in itself | `allowed: false`, 422 `Invalid`, the fields as causes |
| rules patch | `patchType: JSONPatch`, the operations of all rules in order |
| warnings | at most 256 characters each and 4096 together, without control characters |
| audit annotation `rules` | the rules that had something to say |
| no facts, a look-up that failed, a fault | HTTP 500 |
| no answer within 2.5 s, or 0.8 of the time that the API server gives | HTTP 503 or 500 |
| another content type, a body that is no AdmissionReview v1, one above 7 MiB | HTTP 415, 400, 413 |

A dry run is answered like any other request: rules write nothing.
"""


def page() -> str:
    """The page."""
    defaults = [INTRODUCTION, "## Rules that are on", *_sections(DEFAULTS)]
    return (
        "\n".join([*defaults, OPT_IN, *_sections(CHOSEN), _settings(), PROTOCOL]).rstrip().replace("\n\n\n", "\n\n")
        + "\n"
    )


def _sections(rules: tuple[Rule, ...]) -> Iterator[str]:
    for resource, heading in HEADINGS.items():
        rows = [_row(each) for each in rules if each.resource is resource]
        if rows:
            yield "\n".join(["", f"### {heading}", "", "| rule | when | does | what |", "|---|---|---|---|", *rows])


def _row(rule: Rule) -> str:
    when = ", ".join(str(each).lower() for each in Operation if each in rule.operations)
    what = f"Refuses where `{rule.instead_of}` warns." if _is_stricter(rule) else about(rule)
    if rule.name in OPTIONS:
        what += f" Option: `{OPTIONS[rule.name].key}`."
    return f"| `{rule.name}` | {when} | {rule.kind}{_early(rule)} | {what} |"


def _is_stricter(rule: Rule) -> bool:
    return rule.instead_of != "" and rule.check.__doc__ == _check_doc(rule.instead_of)


def _check_doc(name: str) -> str | None:
    return next(each.check.__doc__ for each in DEFAULTS if each.name == name)


def _early(rule: Rule) -> str:
    """A note on rules that look at objects before the server drops what it does not support."""
    return " (in both phases)" if rule.kind is Kind.REFUSES and Phase.MUTATE in rule.phases else ""


def about(rule: Rule) -> str:
    """All that is said of a rule, on one line."""
    return " ".join((getdoc(rule.check) or "").split())


def _settings() -> str:
    doc = settings.__doc__ or ""
    _, example, prose = doc.split("\n\n", 2)
    options = [f"| `{name}` | `{option.key}` | {option.about} |" for name, option in OPTIONS.items()]
    return SETTINGS.format(
        example="\n".join(line.removeprefix("    ") for line in example.splitlines()),
        prose=" ".join(prose.split()),
        options="\n".join(options),
        paths=", ".join(f"`{each}`" for each in PROTECTED_PATHS),
    )


if __name__ == "__main__":
    sys.stdout.write(page())
