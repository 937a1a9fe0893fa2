"""How dates look and how they are typed, for each language (Django's ``FORMAT_MODULE_PATH``)."""
