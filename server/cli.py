"""The command `gengap`: a group that imports the module of a command only when that command is called."""

import importlib

import click

# Each command with the folder of its module and what `gengap --help` says of it.
COMMANDS = {
    "demo": ("operate", "Set up everything and run a small real competition."),
    "serve": ("operate", "Run the web server."),
    "worker": ("operate", "Run a worker that evaluates submissions."),
    "doctor": ("operate", "Report what works on this machine, what is missing and how to get it."),
    "login": ("participant", "Log in to a server, for the commands below."),
    "submit": ("participant", "Submit a measure to a phase, and follow it."),
    "status": ("participant", "Show the progress of your submissions."),
    "cancel": ("participant", "Stop a submission."),
    "leaderboard": ("participant", "Show a phase's leaderboard."),
    "download": ("participant", "Download a competition's starting kit."),
    "logout": ("participant", "Revoke the token of the login, and forget it."),
    "evaluate": ("local", "Evaluate a measure on a zoo, locally, in the same sandbox."),
    "score": ("local", "Score values against a truth."),
    "baselines": ("local", "List the measures that ship, and evaluate them on zoos."),
    "account": ("operate", "Create organizers, and reset passwords."),
    "zoo": ("zoo", "Train, import, check, add and publish model zoos."),
    "phase": ("operate", "Open phases over zoos."),
}


class LazyGroup(click.Group):
    """Imports a command on use, so that `gengap score` does not load Celery, nor `gengap worker` Flask."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            command = importlib.import_module(_module_of(cmd_name)).command
        except ModuleNotFoundError as error:  # the server's image contains only what `serve` needs
            where = "use a worker's image, or a checkout after `make setup`"
            raise click.ClickException(
                f"`gengap {cmd_name}` needs {error.name}, which is not installed: {where}"
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _module_of(command: str) -> str:
    return f"server.commands.{COMMANDS[command][0]}.{command}"


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gengap")
def main() -> None:
    """Gengap: competitions in predicting generalization."""


if __name__ == "__main__":
    main()
