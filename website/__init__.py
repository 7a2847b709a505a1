"""What the documentation site is made of besides the pages of ``docs/``: pages generated from code, and their links."""
