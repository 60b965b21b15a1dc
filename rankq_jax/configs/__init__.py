"""Configurations by name, e.g. `rankq.py`: a file here for each arm of a comparison."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def located(argument: str) -> str:
    """`FILE:TASK` with the path of the file: of this folder, unless a file of that path exists.

    `experiments/configs/NAME.py` is the name that these files have in a checkout of the project.
    """
    file, colon, rest = argument.partition(":")
    name = file.removeprefix("experiments/configs/").removesuffix(".py")
    own = FOLDER / f"{name}.py"
    if Path(file).exists() or "/" in name or not own.is_file():
        return argument
    return f"{own}{colon}{rest}"
