"""The tests: `unit` touches nothing, `model` walks the table, `integration` needs servers and processes."""
