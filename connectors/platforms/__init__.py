"""One module a platform; `registry` is the only door to them."""
