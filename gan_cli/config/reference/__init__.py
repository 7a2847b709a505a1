"""Description of all that can be configured, from its own sources: ``conf/``, the schema, the classes of options.

Nothing here imports torch: classes are read as source, not imported, because their modules take seconds to load. A
test compares the result with their signatures. ``gan-train --help GROUP`` and the reference pages of the documentation
are two renderings of this model.
"""
