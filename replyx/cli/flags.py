"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="Most rows.")]
Offset = Annotated[int, typer.Option(min=0, help="Rows to leave out.")]
WhichUser = Annotated[str, typer.Argument(metavar="USER", help="E-mail or id.", show_default=False)]
WhichAssistant = Annotated[str, typer.Argument(metavar="ASSISTANT", help="Name or id.", show_default=False)]
