"""Bodies, answers, and the shapes of older microversions."""
