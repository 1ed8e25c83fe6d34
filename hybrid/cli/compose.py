"""``hybrid compose``: a vision tower and a language model become one captioner."""

from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import Command, switch
from hybrid.cli.connector import chosen_connector, connector_options, vision_feature_option
from hybrid.cli.data import offline_option


@click.command(
    name="compose",
    cls=Command,
    examples=[
        (
            "A classical connector of ten numbers between two models from local folders",
            "hybrid compose --vision clip --language llama --connector classical --width 10 --output new",
        ),
    ],
)
@click.option(
    "--vision",
    type=click.Path(),
    metavar="NAME",
    required=True,
    help="The vision model: a folder, or owner/name on the hub.",
)
@click.option("--vision-revision", metavar="COMMIT", help="Version of --vision on the hub.")
@vision_feature_option
@click.option(
    "--language",
    type=click.Path(),
    metavar="NAME",
    required=True,
    help="The language model, a causal one such as Llama: a folder, or owner/name on the hub.",
)
@click.option("--language-revision", metavar="COMMIT", help="Version of --language on the hub.")
@connector_options
@click.option("--prompt", metavar="TEXT", help="The text before every caption, in training and later.")
@switch("chat", help="Put prompts into the language model's chat template.")
@offline_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder to write the model to; it must not exist yet.",
)
def command(**o: Any) -> int:
    """Join a vision model and a language model by a new connector, and save the whole.

    The connector is untrained: hybrid train --model DIR --data DATA trains it.
    """
    from hybrid.cli.quiet import quiet_transformers
    from hybrid.loading.checkpoints import whole_folder
    from hybrid.loading.compose import compose
    from hybrid.loading.names import ModelError
    from hybrid.model.connectors import fresh_connector

    output: Path = o.pop("output")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise click.UsageError(f"--output {output}: is there already; name a new folder")
    o.pop("offline")
    chosen = chosen_connector(o) or fresh_connector()
    quiet_transformers()
    try:
        model, processor = compose(connector=chosen, **{k: v for k, v in o.items() if v is not None})
    except ModelError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with whole_folder(output) as part:
        model.save_pretrained(part)
        processor.save_pretrained(part)
    click.echo(output)
    return 0
