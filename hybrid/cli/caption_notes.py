"""What ``hybrid caption`` says of captions that mean little."""

from hybrid.cli.caption_request import Request
from hybrid.cli.messages import log

# The bundled model was trained under the scatter of 1,024 shots.
_ENOUGH_SHOTS = 1_000


def note_unfamiliar(image: str) -> None:
    """Say once that a picture is unlike any that the model learnt from."""
    log(
        f"note: {image} is unlike anything this model was trained on, so its caption means nothing. The "
        "bundled miniature only knows drawn scenes of one or two shapes; for photographs run hybrid download "
        "photos once, or give a model trained on them, as --model FOLDER or --model owner/name"
    )


def note_beyond_the_bundled_model(o: Request, prompt: str) -> None:
    """Say what the bundled model was not trained for: another prompt, few shots."""
    if o.prompt not in (None, prompt):
        log(
            f"note: the bundled model was trained on one prompt, {prompt!r}, so its answer to another means "
            "nothing; leave --prompt out, or give another --model"
        )
    shots = o.model["shots"]
    if shots is not None and shots < _ENOUGH_SHOTS:
        log(
            f"note: with {shots} shots an expectation value is off by about {shots**-0.5:.2g}, more than the "
            "bundled model was trained to bear, so the caption is less certain; give "
            f"--shots {_ENOUGH_SHOTS} or more"
        )
