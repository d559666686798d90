"""Renders a next action as a sentence with complete command lines: the one table of verbs and commands."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from states.next_action import NextAction, Value, Verb


@dataclass(frozen=True, slots=True)
class _Command:
    """How a verb is written."""

    words: str
    subject: str = ""
    """The option that is the command's argument."""
    options: tuple[str, ...] = ()
    """The options that the command may have, besides."""
    otherwise: str = ""
    """The command that lists the subjects, for an action that names none."""
    remark: str = ""
    """What a sentence adds to the command."""


def _on_connection(words: str, *options: str, otherwise: str = "keyturn connection list") -> _Command:
    return _Command(words, "connection", options, otherwise)


def _on_rotation(words: str, *options: str) -> _Command:
    return _Command(words, "rotation", options, "keyturn rotation list")


COMMANDS: Final[Mapping[Verb, _Command]] = {
    Verb.INIT: _Command("keyturn init", options=("config",)),
    Verb.WORKER: _Command("keyturn worker", remark=", unless a worker is running"),
    Verb.DOCTOR: _on_connection("keyturn doctor", otherwise="keyturn doctor"),
    Verb.TEST_ALERTS: _Command("keyturn alert test"),
    Verb.EXPORT_SUITESCRIPT: _Command("keyturn suitescript export keyturn-suitescript"),
    Verb.SETUP: _on_connection("keyturn setup", "new_certificate"),
    Verb.LIST_CONNECTIONS: _Command("keyturn connection list"),
    Verb.SHOW_CONNECTION: _on_connection("keyturn connection show"),
    Verb.EDIT_CONNECTION: _on_connection(
        "keyturn connection edit",
        *("secret", "algorithm", "account", "openair_url"),
        *("oauth2", "real_time_integration", "starts_by_hand", "bundle", "certificate_until"),
    ),
    Verb.AUTHORIZE: _on_connection("keyturn connection authorize"),
    Verb.ROTATE: _on_connection("keyturn rotate"),
    Verb.ADD_TOKEN: _Command("keyturn token add", "token", ("role",), "keyturn token list"),
    Verb.REVOKE_TOKEN: _Command("keyturn token revoke", "token", (), "keyturn token list"),
    Verb.LIST_SILENCES: _Command("keyturn silence list"),
    Verb.LIST_ROTATIONS: _Command("keyturn rotation list"),
    Verb.SHOW_ROTATION: _on_rotation("keyturn rotation show"),
    Verb.EXPLAIN: _on_rotation("keyturn rotation explain"),
    Verb.WATCH: _on_rotation("keyturn rotation watch"),
    Verb.PARK: _on_rotation("keyturn rotation park"),
    Verb.CARRY: _on_rotation("keyturn rotation carry"),
    Verb.RESUME: _on_rotation("keyturn rotation resume", "overwrite", "create_record"),
    Verb.BEGIN: _on_rotation("keyturn rotation begin"),
    Verb.CONFIRM: _on_rotation("keyturn rotation confirm", "fingerprint"),
    Verb.RESTORE: _on_rotation("keyturn rotation restore", "approves", "overwrite", "fingerprint"),
    Verb.ADOPT: _on_rotation("keyturn rotation adopt", "approves", "fingerprint"),
    Verb.ABANDON: _on_rotation("keyturn rotation abandon", "approves"),
    Verb.WITHDRAW: _on_rotation("keyturn rotation withdraw"),
}
"""Keyturn's command for each verb that has one."""


def _close_files(options: Mapping[str, Value]) -> str:
    paths = options["paths"]
    assert isinstance(paths, tuple)
    files = " ".join(shlex.quote(path) for path in paths)
    return f"chown $USER {files} && chmod 600 {files}" if options.get("take") else f"chmod go= {files}"


_SHELL: Final[Mapping[Verb, Callable[[Mapping[str, Value]], str]]] = {
    Verb.CLOSE_FILES: _close_files,
    Verb.INSTALL_EXTRA: lambda options: f"pip install '.[{options['extra']}]'",
    Verb.DUMP_POSTGRESQL: lambda options: (
        f"pg_dump --format=custom --file={shlex.quote(str(options['file']))} {shlex.quote(str(options['url']))}"
    ),
    Verb.STORE_KEK: lambda options: f"keyring set {options['service']} {options['user']}",
}
"""The shell's command for the others."""

_PURPOSES: Final[Mapping[tuple[Verb, str], str]] = {
    (Verb.RESUME, ""): "go on",
    (Verb.RESUME, "overwrite"): "put Keyturn's certificate in its place",
    (Verb.RESUME, "create_record"): "let Keyturn create the record",
    (Verb.RESTORE, "overwrite"): "put the previous certificate in its place",
    (Verb.ABANDON, ""): "give this rotation up",
    (Verb.WITHDRAW, ""): "take the request back",
    (Verb.EXPLAIN, ""): "see what else is possible",
    (Verb.CARRY, ""): "carry it on now",
    (Verb.LIST_SILENCES, ""): "see the silences",
    (Verb.LIST_ROTATIONS, ""): "see the rotations",
    (Verb.SHOW_CONNECTION, ""): "see the existing one",
    (Verb.EDIT_CONNECTION, "secret"): "give the secret again",
    (Verb.AUTHORIZE, ""): "consent in OpenAir again",
}
"""What a command is for, by its verb and option: said where it is one of several."""

_SUPPLIED: Final = {
    "fingerprint": "the SHA-256 that OpenAir shows",
    "algorithm": "another key algorithm",
    "account": "the account",
    "openair_url": "the base URL",
    "bundle": "the bundle and its version, such as 369630=4.02",
    "certificate_until": "the day on which NetSuite shows that it ends, such as 2028-11-26",
}
"""What a person supplies, by the option."""


_ACTIONS: Final = ("next_action", "action", "fix")
"""The fields of JSON records that hold an action."""


def render(action: NextAction) -> str:
    """The action, what follows it and its alternatives, as sentences."""
    shown = _sequence(action)
    for each in action.alternatives:
        shown = _joined(shown, _sequence(each, instead=True))
    return shown


def command(action: NextAction) -> str:
    """The command line to run next as it is; empty where there is none.

    It is that of the first choice that needs nothing done by hand before. Where each does, it is what follows the
    first one's work. What replaces another party's certificate is a person's choice, and never the line to run next.
    Where a person supplies the last option's value, the line ends with that option.
    """
    safe = [each for each in action.choices if not each.replaces_others]
    ready = (each for each in safe if each.verb is not Verb.BY_HAND and _first_line(each))
    found = next(ready, safe[0] if safe else None)
    return _first_line(found) if found else ""


def _first_line(action: NextAction) -> str:
    return line(action) or (_first_line(action.then) if action.then else "")


def with_commands(record: Any) -> Any:
    """A JSON record in which every next action has its ``command``, and the whole of it its ``text``."""
    if isinstance(record, list):
        return [with_commands(each) for each in record]
    if not isinstance(record, dict):
        return record
    return {name: _shown(value) if name in _ACTIONS else with_commands(value) for name, value in record.items()}


def _shown(data: Any) -> Any:
    if data is None:
        return None
    action = NextAction.from_data(data)
    return {**_with_command(action), "command": command(action) or None, "text": render(action)}


def _with_command(action: NextAction) -> Mapping[str, Any]:
    shown = {**action.to_data(), "command": _first_line(action) or None}
    if action.then:
        shown["then"] = _with_command(action.then)
    if action.alternatives:
        shown["alternatives"] = [_with_command(each) for each in action.alternatives]
    return shown


def _sequence(action: NextAction, *, instead: bool = False) -> str:
    shown = _alternative(action) if instead else _sentence(action, "Run", "Repeat")
    following = action.then
    while following:
        shown = _joined(shown, _sentence(following, "Then run", "Then repeat"))
        following = following.then
    return shown


def _alternative(action: NextAction) -> str:
    """An alternative: for its reason where it has one, for the command's usual purpose otherwise."""
    own = line(action)
    if not own or action.because:
        ending = " instead" if own else ""
        return _sentence(action, "Run", "Repeat", ending)
    return _sentence(action, "Or run", "Or repeat", _purpose(action))


def _sentence(action: NextAction, run: str, repeat: str, ending: str = "") -> str:
    if action.verb is Verb.BY_HAND:
        return action.because
    if action.verb is Verb.WAIT:
        return _joined("Nothing to do.", action.because)
    if action.verb is Verb.REPEAT:
        return _joined(action.because, f"{repeat} the command.")
    return _joined(action.because, f"{run} `{line(action)}`{_remark(action)}{ending}.")


def _joined(before: str, after: str) -> str:
    """Two sentences, on one line unless the first is a list of lines."""
    return f"{before}{after}" if before.endswith("\n") else f"{before} {after}".strip()


def line(action: NextAction) -> str:
    """The action's own command line; empty where it has none."""
    options = action.options
    if shell := _SHELL.get(action.verb):
        return shell(options)
    known = COMMANDS.get(action.verb)
    if known is None:
        return ""
    if known.subject and known.subject not in options:
        return known.otherwise
    words = [known.words, *([shlex.quote(str(options[known.subject]))] if known.subject else [])]
    given = [(name, options[name]) for name in known.options if name in options]
    words += [_option(name, value) for name, value in sorted(given, key=lambda each: each[1] is None)]
    return " ".join(words)


def _option(name: str, value: Value) -> str:
    if name == "secret":
        return f"--{_hyphened(str(value))}-file -"
    flag = f"--{_hyphened(name)}"
    if isinstance(value, tuple):
        return " ".join(f"{flag} {shlex.quote(each)}" for each in value)
    return flag if value is None or value is True else f"{flag} {shlex.quote(str(value))}"


def _remark(action: NextAction) -> str:
    """What the command line leaves open, and to whom."""
    if action.verb is Verb.INSTALL_EXTRA:
        return " in Keyturn's checkout"
    if secret := action.options.get("secret"):
        return f", and give the {str(secret).replace('_', ' ')} on standard input"
    supplied = [_SUPPLIED[name] for name, value in action.options.items() if value is None]
    if supplied:
        return f", followed by {supplied[0]}"
    if action.options.get("given_again"):
        return " with all options that `keyturn connection add` needs"
    if action.verb is Verb.EDIT_CONNECTION and set(action.options) <= {"connection"}:
        return " with the options to change"
    known = COMMANDS.get(action.verb)
    return known.remark if known else ""


def _purpose(action: NextAction) -> str:
    named = [name for name in action.options if (action.verb, name) in _PURPOSES]
    purpose = _PURPOSES.get((action.verb, named[0] if named else ""))
    return f" to {purpose}" if purpose else ""


def _hyphened(name: str) -> str:
    return name.replace("_", "-")
