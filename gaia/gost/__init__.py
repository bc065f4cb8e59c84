"""Forecasts of Gaia's observations by protocols of the Virtual Observatory: ObjObsSAP, ObjVisSAP, ObsLocTAP."""
