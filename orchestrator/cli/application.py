"""The table of commands, and running one of them.

Each command's module is imported when the command is run, so that the overview and completion answer at once.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, CycloptsError, Group, Parameter

from orchestrator import terminal
from orchestrator.cli import collector, completion, is_question, version_line

if TYPE_CHECKING:
    from orchestrator.cli.context import Context
    from orchestrator.cli.json_path import Template

_DAILY: Final = Group("Everyday", sort_key=1)
_LOOK: Final = Group("Looking", sort_key=2)
_SERVE: Final = Group("Running", sort_key=3)
_KEEP: Final = Group("Installation", sort_key=4)
_FORMS: Final = ("table", "wide", "json", "yaml", "name")
_OUTPUT: Final = (
    "A table, a table with more columns (wide), json, yaml, only names, one per line (name), or what a template takes "
    "out of the JSON (jsonpath=TEMPLATE)."
)
_GLOBAL: Final = Group("Global options", sort_key=100)

COMMANDS: Final = (
    ("demo", "demo:demo", _DAILY, "See it work: two rotations against simulated systems, one of them interrupted."),
    ("init", "installation:init", _DAILY, "Make the folders, settings file, key-encryption key and database."),
    ("setup", "setup:setup", _DAILY, "Set a connection up, step by step, on both sides."),
    ("suitescript", "suitescript:app", _DAILY, "Write the SuiteCloud project that NetSuite's administrator deploys."),
    ("connection", "connection:app", _DAILY, "Add, change, show and remove connections."),
    ("rotate", "rotate:rotate", _DAILY, "Give a connection a new certificate now."),
    ("rotation", "rotation:app", _DAILY, "Show rotations, and recover parked ones."),
    ("status", "status:status", _LOOK, "Show what needs a person now, the most harmful first."),
    ("health", "health:health", _LOOK, "Check the certificate in both systems."),
    ("needs-rotation", "health:needs_rotation", _LOOK, "Tell by exit code whether a new certificate is due."),
    ("request", "request:app", _LOOK, "Explain a real-time import that fails."),
    ("journal", "journal:app", _LOOK, "Show what happened to all rotations, in order."),
    ("evidence", "evidence:app", _LOOK, "Check a rotation's evidence file, without database and network."),
    ("credentials", "credentials:credentials", _LOOK, "Show Keyturn's own credentials, and when they end."),
    ("alert", "alert:app", _LOOK, "Show what is reported to people, send it, and try whether it arrives."),
    ("silence", "silence:app", _LOOK, "Keep alerts from being sent for a while, with a reason and an end."),
    ("metrics", "metrics:metrics", _LOOK, "Show figures for a monitoring system, in the text format of Prometheus."),
    ("doctor", "health:doctor", _LOOK, "Check everything that rotations depend on; each finding comes with its fix."),
    (
        "simulate",
        "simulate:simulate",
        _LOOK,
        "Forecast what would happen to this installation's connections, from now on.",
    ),
    ("diagram", "diagram:diagram", _LOOK, "Draw the states and every legal move."),
    ("worker", "worker:worker", _SERVE, "Carry rotations, and start those that are due, until it is stopped."),
    (
        "console",
        "console:console",
        _SERVE,
        "Show connections and rotations in a browser, until it is stopped.",
    ),
    ("run-due", "run_due:run_due", _SERVE, "Start what is due, carry what is claimable, and return: for cron."),
    ("simulator", "simulator:app", _SERVE, "Run simulated NetSuite and OpenAir on loopback."),
    (
        "version",
        "version:version",
        _KEEP,
        "Show the version, the commit it was built from, Python's version and the database's schema.",
    ),
    (
        "account",
        "account:app",
        _KEEP,
        "Add, list and remove the people who sign in to the console, and set passwords.",
    ),
    ("token", "token:app", _KEEP, "Add, list and revoke tokens for the API."),
    ("backup", "backup:backup", _KEEP, "Copy the database into a file while workers are at work, and check the copy."),
    ("db", "database:app", _KEEP, "Move to another database."),
    ("vault", "installation:vault", _KEEP, "Change the keys of the vault."),
)


def build(*, overview: bool = False) -> App:
    """Build the application.

    With ``overview`` each command has its line of ``COMMANDS`` as help, and none is imported; otherwise a command's
    help is its own docstring.
    """
    app = App(
        name="keyturn",
        help="Rotates the certificate that lets OpenAir trust real-time record imports from NetSuite.",
        version=version_line,
        version_flags=["--version"],
        version_format="plaintext",
        console=terminal.lazy_console(),  # for help
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
    )
    app.register_install_completion_command(group=_KEEP, help="Install completion for your shell.")
    for option in ("--help", "--version"):
        app[option].group = _GLOBAL
    for name, place, group, line in COMMANDS:
        app.command(f"orchestrator.cli.{place}", name=name, group=group, help=line if overview else None)

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[Path | None, Parameter(group=_GLOBAL, help="The settings file.")] = None,
        output: Annotated[
            str,
            Parameter(
                name=["--output", "-o"],
                group=_GLOBAL,
                help=_OUTPUT,
                validator=_check_output,
                completer=completion.forms,
            ),
        ] = "table",
        verbose: Annotated[bool, _switch("--verbose", "-v", "Write logs to stderr.")] = False,
        quiet: Annotated[bool, _switch("--quiet", "-q", "Print only results and errors.")] = False,
        yes: Annotated[bool, _switch("--yes", "-y", "Answer yes to every question.")] = False,
        no_input: Annotated[bool, _switch("--no-input", text="Never ask a question.")] = False,
    ) -> int:
        from orchestrator.cli.context import Context  # noqa: PLC0415
        from orchestrator.cli.output import Form, Output  # noqa: PLC0415 - --version and --help need neither

        level = "info" if verbose else None
        asks = not no_input and sys.stdin.isatty()
        form, _, template = output.partition("=")
        out = Output(Form(form), quiet=quiet, template=_template(template) if template else None)
        return _call(app, tokens, Context(out, config, level, yes=yes, asks=asks, is_question=is_question(tokens)))

    return app


def _check_output(_type: object, output: str) -> None:
    """Raise ValueError for a form that Keyturn does not have."""
    form, _, template = output.partition("=")
    if form == "jsonpath" and template:
        _template(template)
    elif output not in _FORMS:
        raise ValueError(f"Choose one of {', '.join(_FORMS)}, or jsonpath=TEMPLATE.")


def _template(text: str) -> "Template":
    from orchestrator.cli.json_path import template  # noqa: PLC0415 - seldom needed

    return template(text)


def _switch(name: str, short: str = "", text: str = "") -> Parameter:
    names = [name, short] if short else [name]
    return Parameter(name=names, group=_GLOBAL, help=text, negative=(), show_default=False)


def _call(app: App, tokens: Sequence[str], context: "Context") -> int:
    """Run one command; return its exit code."""
    from orchestrator.cli.streams import OutputLost  # noqa: PLC0415
    from states.errors import InternalError, KeyturnError  # noqa: PLC0415
    from states.next_action import by_hand  # noqa: PLC0415
    from states.shortage import shortage  # noqa: PLC0415

    command, bound, ignored = app.parse_args(tokens)  # imports the command's module
    collector.resume()
    if "context" in ignored:
        bound.arguments["context"] = context
    context.run.rotation = bound.arguments.get("rotation")
    try:
        return int(command(*bound.args, **bound.kwargs) or 0)
    except KeyturnError as error:
        return context.fail(error, rotation=context.run.rotation, connection=bound.arguments.get("name"))
    except OutputLost as error:
        context.note_kept(error)
        raise
    except Exception as error:  # noqa: BLE001 - printed without a traceback, and logged with one
        # Its text is not printed: it may contain a secret, which the log hides.
        _log(context).exception("command failed")
        if lacking := shortage(error):
            return context.fail(lacking)
        message = f"Keyturn itself failed ({type(error).__name__})."
        report = by_hand("Repeat the command with --verbose, and report the log's traceback.", None)
        return context.fail(InternalError(message, next_action=report))


def _log(context: "Context") -> logging.Logger:
    """The log; a command that failed early has not set it up yet."""
    from orchestrator import log  # noqa: PLC0415 - only for bugs

    if not logging.getLogger().handlers:
        log.set_up(context.level or "critical", "auto")
    return logging.getLogger("keyturn.cli")


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code. Errors are printed on stderr, without a traceback."""
    if odd := next((word for word in arguments if not _is_text(word)), None):
        return _usage(f"The argument {odd} is not UTF-8.", "keyturn", arguments)
    app = build(overview=all(argument.startswith("-") for argument in arguments))
    try:
        _import_lines(app, arguments)
        return int(app.meta(list(arguments)) or 0)
    except CycloptsError as error:
        chain = [word for word in error.command_chain or () if word != "keyturn"]
        return _usage(str(error).strip(), " ".join(["keyturn", *chain]), arguments)


def _import_lines(app: App, arguments: Sequence[str]) -> None:
    """Import the commands below the one that ``arguments`` name, so that its help has a line for each of them.

    cyclopts lists a command that was not imported without its line. A command that does something has none below it.
    """
    command = app
    for word in arguments:
        if not word.startswith("-") and word in list(command):
            command = command[word]
    if command is not app:
        for name in command:
            _ = command[name]  # looking a command up imports it


def _is_text(word: str) -> bool:
    """Whether ``word`` can be stored and sent: bytes that are not UTF-8 cannot."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _usage(message: str, command: str, arguments: Sequence[str]) -> int:
    """Print what is wrong with a command line that could not be parsed; return the exit code."""
    from orchestrator.cli.context import problem  # noqa: PLC0415
    from orchestrator.cli.exit_codes import Exit, NeedsRotation  # noqa: PLC0415
    from orchestrator.cli.output import Form, Output  # noqa: PLC0415
    from states.next_action import by_hand  # noqa: PLC0415

    exit_code = NeedsRotation.ERROR if is_question(arguments) else Exit.USAGE
    given = {word.removeprefix("--output").removeprefix("-o").removeprefix("=") for word in arguments}
    form = next((form for form in (Form.JSON, Form.YAML) if form in given), Form.TABLE)
    error_record = problem(
        "USAGE", message, "Nothing was changed.", by_hand(f"See `{command} --help`.", None), exit_code
    )
    Output(form).error(error_record)
    return int(exit_code)
