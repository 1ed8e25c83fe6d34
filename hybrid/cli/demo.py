"""``hybrid demo``: a web page on this machine."""

import logging
import os
import threading

import click

from hybrid.cli.command import Command
from hybrid.cli.model import backends, device_option, dtype_option, load_model, model_option

# PennyLane devices that are no use here: for other particles, for Clifford gates alone, or too slow.
_OTHERS = {"default.clifford", "default.gaussian", "default.mixed", "default.tensor", "null.qubit"}


@click.command(
    name="demo",
    cls=Command,
    examples=[
        ("Open the address it prints in a browser; Ctrl-C ends it", "hybrid demo"),
        ("For others in the network, too", "hybrid demo --host 0.0.0.0 --port 8000"),
    ],
)
@model_option
@device_option
@dtype_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on; 0.0.0.0 lets other machines in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
def command(model: str | None, device: str, dtype: str | None, host: str, port: int) -> None:
    """Serve a web page to try pictures on.

    The page's address is printed on stdout; Ctrl-C ends it. Pictures stay on this machine, and nothing is
    reported to anybody.
    """
    # gradio and the hub's client read these at import.
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        import gradio
    except ImportError as error:
        raise click.ClickException(f"the page needs gradio ({error}); pip install 'qproj[demo]'") from None
    pair = load_model(model, device, dtype, to_caption=True)
    from hybrid.data.images import MAX_BYTES
    from hybrid.inference.demo import Page

    known = [name for name in backends() if name not in _OTHERS and "qutrit" not in name]
    try:
        page = Page(*pair, known).build()
    except ValueError as error:
        raise click.UsageError(f"--model {model}: {error}") from None
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port or _free_port(host),
            share=False,
            quiet=True,
            ssr_mode=False,
            max_file_size=MAX_BYTES,
            footer_links=[],
            theme=gradio.themes.Base(
                font="sans-serif", font_mono="monospace"
            ),  # no fonts from another server
            prevent_thread_lock=True,
        )
    except OSError as error:
        raise click.UsageError(f"--host {host} --port {port}: cannot be bound ({error})") from None
    try:
        click.echo(address)
        threading.Event().wait()
    finally:
        # The server would report the connections that this closes as errors.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        page.close(verbose=False)


def _free_port(host: str) -> int:
    import socket

    with socket.create_server((host, 0)) as server:
        port: int = server.getsockname()[1]
    return port
