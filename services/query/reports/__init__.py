"""Pure reports, one module each; none has arithmetic of its own."""
