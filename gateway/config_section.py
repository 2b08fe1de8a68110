"""What every table of config.toml is made of."""

from pydantic import BaseModel, ConfigDict, Field

# TOML has types, and "443" is no number: every section is strict. Paths, enumerations and tuples
# are what TOML lacks, so these alone are made of its texts and arrays.
FROM_TOML = Field(strict=False)


class Section(BaseModel):
    """Base of all tables: an unknown key is an error, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, strict=True)
