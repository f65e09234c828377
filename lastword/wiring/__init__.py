"""The one place that builds and wires everything: roles, the processes that play them, the whole stack."""
