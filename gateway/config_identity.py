"""`[identity]` of config.toml: which certificate fields name the mailbox."""

from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gateway.config_section import FROM_TOML, Section
from gateway.core.username_binding import (
    ATTRIBUTES,
    DEFAULT_FIELDS,
    Affinity,
    BindingRules,
    CertificateField,
    DirectoryAttribute,
    SerialNumberOrder,
    UsernameBinding,
    affinity,
)


class BindingTable(Section):
    """One of `identity.binding`: a certificate field and what it is compared with."""

    field: Annotated[CertificateField, FROM_TOML]
    attribute: Annotated[DirectoryAttribute, FROM_TOML] | None = None
    priority: Annotated[int, Field(ge=0)] | None = None
    affinity: Annotated[Affinity, FROM_TOML] | None = None

    @field_validator("attribute")
    @classmethod
    def _comparable(
        cls, value: DirectoryAttribute | None, info: ValidationInfo
    ) -> DirectoryAttribute | None:
        bound = info.data.get("field")
        if value is not None and bound is not None and value not in ATTRIBUTES[bound]:
            names = " or ".join(repr(one.value) for one in ATTRIBUTES[bound])
            raise ValueError(f"{bound.value} is compared with {names}")
        return value

    @field_validator("affinity")
    @classmethod
    def _as_entra_has_it(cls, value: Affinity | None, info: ValidationInfo) -> Affinity | None:
        bound = info.data.get("field")
        if value is not None and bound is not None and value is not affinity(bound):
            raise ValueError(
                f"{bound.value} has {affinity(bound).value!r}, which cannot be chosen; "
                "leave the key out"
            )
        return value

    @property
    def binding(self) -> UsernameBinding:
        """With the field's first attribute where none is named."""
        return UsernameBinding(self.field, self.attribute or ATTRIBUTES[self.field][0])


class Identity(Section):
    """`[identity]`: which certificate fields name the mailbox."""

    username_bindings: Annotated[tuple[Annotated[CertificateField, FROM_TOML], ...], FROM_TOML] = (
        DEFAULT_FIELDS
    )
    binding: Annotated[tuple[BindingTable, ...], FROM_TOML] | None = None
    required_affinity: Annotated[Affinity, FROM_TOML] = Affinity.LOW
    require_sid_match: bool = False
    serial_number_order: Annotated[SerialNumberOrder, FROM_TOML] = SerialNumberOrder.CERTUTIL

    @field_validator("username_bindings")
    @classmethod
    def _at_least_one(cls, value: tuple[CertificateField, ...]) -> tuple[CertificateField, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name at least one binding, and each only once")
        return value

    @field_validator("binding")
    @classmethod
    def _in_one_order(cls, value: tuple[BindingTable, ...] | None) -> object:
        tables = value or ()
        bindings = {table.binding for table in tables}
        if value is not None and (not tables or len(bindings) != len(tables)):
            raise ValueError("name at least one binding, and each only once")
        priorities = [table.priority for table in tables if table.priority is not None]
        if priorities and len(priorities) != len(tables):
            raise ValueError("give each binding a priority, or none")
        if len(set(priorities)) != len(priorities):
            raise ValueError("give each binding a priority of its own")
        return value

    @model_validator(mode="after")
    def _bindings_fit(self) -> Self:
        if self.binding is not None and "username_bindings" in self.model_fields_set:
            raise ValueError("binding takes the place of username_bindings; leave one out")
        if not self.rules.in_use:
            raise ValueError('required_affinity = "high", and each binding has low affinity')
        return self

    @property
    def rules(self) -> BindingRules:
        """What both ways of writing bindings come to."""
        tables = self.binding or ()
        by_priority = any(table.priority is not None for table in tables)
        ordered = sorted(tables, key=lambda table: table.priority or 0)
        return BindingRules(
            tuple(table.binding for table in ordered)
            or BindingRules.of(self.username_bindings).bindings,
            by_priority=by_priority,
            required_affinity=self.required_affinity,
            require_sid_match=self.require_sid_match,
            serial_number_order=self.serial_number_order,
        )
