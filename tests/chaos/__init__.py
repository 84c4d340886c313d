"""`make chaos`: faults are injected at random into a real installation, then its promises are checked.

`site` runs PostgreSQL (or SQLite), Redis, the web server and the workers; `traffic` submits measures through the API;
`storm` injects the kinds of `faults`; `invariants` and `leftovers` check what must hold at the end. `campaign` puts
them together, `report` prints. docs/operations.md has the counts.
"""
