"""The database's schema, one step a file; `python3 -m slipway_app.migrate` takes them."""
