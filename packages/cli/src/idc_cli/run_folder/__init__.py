"""What a run keeps on disk: its folder, its log, and the lock that guards both."""
