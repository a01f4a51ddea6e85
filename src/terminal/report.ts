/** Reports events to people (lines or a live view) or machines (JSON lines). Must be the only printer besides main. */
