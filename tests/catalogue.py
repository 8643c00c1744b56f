"""The catalogues of the pages' languages: what `make translations` does, and what the tests hold them to.

A catalogue (`.po`) holds every sentence of templates and modules (`_`, `ngettext`, `trans`) and every saying of
`app.web.sayings`; beside it lies what the program reads (`.mo`). Both come out the same whenever nothing has changed:
no dates, no line numbers, sentences in the order of their files.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.catalog import Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("pt_BR",)
KEYWORDS = DEFAULT_KEYWORDS | {"say": None, "say_count": (1, 2), "_l": None}
_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[-#0 +]*[0-9.]*[a-z%]")


def po_path(language: str) -> Path:
    return ROOT / "app" / "translations" / language / "LC_MESSAGES" / "messages.po"


def mo_path(language: str) -> Path:
    return po_path(language).with_suffix(".mo")


class Sentences(Catalog):
    """A catalogue whose head says nothing that changes from run to run."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        found = [
            ("Project-Id-Version", "PowerHive"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]
        return [*found, ("Language", str(self.locale)), ("Plural-Forms", self.plural_forms)] if self.locale else found


def extracted() -> Sentences:
    """Return every sentence of the program, without a translation."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = Sentences(fuzzy=False)
    for name, _line, ids, comments, context in extract_from_dir(ROOT, methods, options, KEYWORDS):
        found.add(ids, None, [(name, None)], auto_comments=comments, context=context)
    return found


def read(language: str) -> Sentences:
    """Return the catalogue of a language; an empty one where there is none yet."""
    known = Sentences(language, header_comment=f"# What PowerHive says, in {language}.", fuzzy=False)
    if po_path(language).exists():
        with po_path(language).open("rb") as file:
            for message in read_po(file, language):
                if message.id:
                    known[message.id] = message
    return known


def updated(language: str) -> Sentences:
    """Return the catalogue with the sentences of the program of today: new ones empty, old ones gone."""
    catalogue = read(language)
    catalogue.update(extracted(), no_fuzzy_matching=True, update_header_comment=False)
    catalogue.obsolete.clear()
    return catalogue


def po_bytes(catalogue: Sentences) -> bytes:
    out = BytesIO()
    write_po(out, catalogue, width=110, sort_by_file=True, ignore_obsolete=True, include_lineno=False)
    return out.getvalue()


def mo_bytes(catalogue: Sentences) -> bytes:
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def untranslated(catalogue: Catalog) -> list[Message]:
    """Return the sentences that lack a translation, or a plural of it, or have a doubtful one."""
    return [message for message in catalogue if message.id and (message.fuzzy or not _is_whole(message))]


def _is_whole(message: Message) -> bool:
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(forms) and (not message.pluralizable or len(forms) > 1)


def placeholders(text: str) -> list[str]:
    """Return the placeholders of a sentence, in order of their names."""
    return sorted(_PLACEHOLDER.findall(text))


def main() -> None:
    """Bring every catalogue up to date and compile it; print what is left to translate."""
    for language in LANGUAGES:
        catalogue = updated(language)
        po_path(language).parent.mkdir(parents=True, exist_ok=True)
        po_path(language).write_bytes(po_bytes(catalogue))
        mo_path(language).write_bytes(mo_bytes(read(language)))
        left = untranslated(catalogue)
        path = po_path(language).relative_to(ROOT)
        print(f"{language}: {len(catalogue)} sentences, {len(left)} left to translate in {path}")
        for message in left:
            print("  ", message.id)


if __name__ == "__main__":
    main()
