"""Forecasts of Gaia's observations by protocols of the Virtual Observatory: ObjObsSAP, ObjVisSAP, ObsLocTAP.

=======================  ===============================================================================================
`gaia.gost.request`      what a client asks of /gost/query
`gaia.gost.visibility`   its rows: one for each time that a position crosses the focal plane
`gaia.gost.handlers`     HTTP
`gaia.gost.documents`    capabilities, examples, OpenAPI
`gaia.gost.obsplan`      the table ``ivoa.obsplan``: the strips of the sky that Gaia has swept, hour by hour
`gaia.gost.esa`          the client of ESA's own service, and `gaia.gost.exports`, which reads its answers
`gaia.gost.task`         the task ``transit-forecast-esa`` around that client
=======================  ===============================================================================================
"""
