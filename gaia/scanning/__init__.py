"""The nominal scanning law of Gaia: where it looked at any time, and when it saw a direction.

=======================  ===============================================================================================
`transits`               `forecast`: all transits of targets, with the columns of ESA's observation forecast tool
`search`, `targets`      when directions cross the fields of view
`law`                    the attitude: segments of the mission and the solution of the law's equations
`sun`                    the nominal Sun, which the law follows
`ephemeris`              where Gaia was and how fast it moved
`focal_plane`            fields of view and rows of CCDs
`parallax`               parallax factors and scan angles
`times`                  TDB, TCB, UTC and revolutions of the on-board clock
`gaps`                   when data were lost, from the lists that DPAC published
`coverage`               how often each pixel of a HEALPix map was seen
`making`                 makes the files in ``data`` (``scripts/make-scanning-data``)
=======================  ===============================================================================================

Inside the package vectors are in the ecliptic frame of J2000, times are modified Julian days of TDB, angles are
radians. How exact all of it is in each segment stands in the documentation of the task ``transit-forecast``.
"""

VERSION = "1.0"
"""Of the kernel: it changes when its numbers do."""
