"""Physical tables in PostgreSQL, whatever their lifetime: conversion, order on the sky, loading, indexes."""
