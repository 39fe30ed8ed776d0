"""The audit log: who did what, when and from where. Rows are only ever added."""
