"""The interface as documents: JSON Schemas and an AsyncAPI description of what passes over the bus, made from models.

What clients write is described by the models that read it (`relay.bus.bodies`). What relay writes is described by the
models here, and the tests hold every event that they hear against them: a field that no model has fails a test, as
does one that is missing.
"""

from relay.interface.compiled import file, files, schema, schema_names, urn_name

__all__ = ["file", "files", "schema", "schema_names", "urn_name"]
