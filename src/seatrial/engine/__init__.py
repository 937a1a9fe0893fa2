"""The load engine: offers the schedule over real sockets and records what became of every step. It never judges."""
