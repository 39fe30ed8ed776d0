"""The audit log over HTTP: read only, for administrators."""
