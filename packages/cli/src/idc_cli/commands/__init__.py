"""A module for each subcommand: what it takes and what it does.

`idc --help` imports all of them, so whatever takes long to import is imported in the body of the command.
"""
