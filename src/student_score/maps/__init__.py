"""Maps: a training at every pixel of a grid, in tiles that any process may train."""
