"""The task ``crossmatch``: which rows of two selections are near each other on the sky.

To be read in this order:

===============================  =======================================================================================
`tap.crossmatch.parameters`      what a client can ask
`tap.crossmatch.task`            the declaration, and a run from beginning to end
`tap.crossmatch.planning`        the plan: what the tables can do, which columns are read, which engine is quicker
`tap.crossmatch.costs`           measured costs of both engines
`tap.crossmatch.sides`           a selection read: places into one file, columns into another
`tap.crossmatch.epochs`          places at another epoch
`tap.crossmatch.places`          files of places in blocks, and which blocks are near given places
`tap.crossmatch.ordering`        putting places in order along the sky, where they are not
`tap.crossmatch.rows`            files of the columns that come into the result
`tap.crossmatch.kernel`          the pairs of some rows of one side with all of the other
`tap.crossmatch.separations`     how far apart two places are
`tap.crossmatch.pairs`           files of pairs that wait for others
`tap.crossmatch.streaming`       all pairs: the kernel for one piece of the sky after the other, in several processes
`tap.crossmatch.symmetric`       pairs in which every row is at most once
`tap.crossmatch.stacks`          the same where many rows are at one place
`tap.crossmatch.neighbours`      pairs that the database's index has found
`tap.crossmatch.result`          the table that comes out
===============================  =======================================================================================

The kernel holds neither side in memory. Both are in files of the run's folder, which are mapped; each piece of the
first side, some ten thousand rows near each other, is compared with those blocks of the second whose surrounding
spheres it touches. That is exact whatever the order of the rows, at the poles as anywhere; only the speed depends on
the order.
"""
