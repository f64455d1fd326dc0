"""`idc new`: the command, the plugin that it writes, and its templates."""
