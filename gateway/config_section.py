"""What every table of config.toml is made of."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

FOLDER: Final = "folder"
"""The key of the validation context that says what relative paths are relative to."""

# TOML has types, and "443" is no number: every section is strict. Paths, enumerations and tuples
# are what TOML lacks, so these alone are made of its texts and arrays.
FROM_TOML = Field(strict=False)


class Section(BaseModel):
    """Base of all tables: an unknown key is an error, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, strict=True)


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get(FOLDER, Path())
    try:
        return folder / path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path} begins with the home of a user who is not known") from error


FilePath = Annotated[Path, FROM_TOML, AfterValidator(_beside_the_file)]
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
