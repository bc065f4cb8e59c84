-- Bodies of functions that queries call and that are too long to stand in each query. tap/adql/functions declares them.
-- They compute with their arguments alone: no table, no dynamic SQL, nothing volatile. Where PostgreSQL raises an error
-- for a number that is no position, no time or no motion, they give NULL, so that one row does not end a query.

CREATE SCHEMA vo_udf;

-- ---- motion of stars ----------------------------------------------------------------------------------------------------

-- ra, dec, parallax, pmra, pmdec, radial velocity after some Julian years: ESA SP-1200, volume 1, section 1.5.5.
-- tap/adql/functions/motion.py is the same for constants.
CREATE FUNCTION vo_udf.space_motion(
    ra double precision, "dec" double precision, parallax double precision, pmra double precision,
    pmdec double precision, radial_velocity double precision, years double precision
) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 200 AS $$
DECLARE
    mas CONSTANT double precision := pg_catalog.radians(1::double precision / 3600000);
    unit CONSTANT double precision := 4.740470463533349;
    greatest_number CONSTANT double precision := 1e12;
    least_number CONSTANT double precision := 1e-15;
    sine_ra double precision; cosine_ra double precision; sine_dec double precision; cosine_dec double precision;
    east double precision; north double precision; radial double precision; proper double precision;
    square double precision; factor double precision; ahead double precision;
    x double precision; y double precision; z double precision;
    u double precision; v double precision; w double precision;
    flat double precision; cosine double precision; sine double precision; lon double precision;
BEGIN
    -- NaN is greater than every number.
    IF NOT (pg_catalog.abs(ra) < greatest_number AND pg_catalog.abs("dec") <= 90
            AND pg_catalog.abs(parallax) < greatest_number AND pg_catalog.abs(pmra) < greatest_number
            AND pg_catalog.abs(pmdec) < greatest_number AND pg_catalog.abs(radial_velocity) < greatest_number
            AND pg_catalog.abs(years) < greatest_number) THEN
        RETURN NULL;
    END IF;
    -- Products of numbers smaller than these would be too small for PostgreSQL.
    IF pg_catalog.abs(ra) < least_number THEN ra := 0; END IF;
    IF pg_catalog.abs("dec") < least_number THEN "dec" := 0; END IF;
    IF pg_catalog.abs(parallax) < least_number THEN parallax := 0; END IF;
    IF pg_catalog.abs(pmra) < least_number THEN pmra := 0; END IF;
    IF pg_catalog.abs(pmdec) < least_number THEN pmdec := 0; END IF;
    IF pg_catalog.abs(radial_velocity) < least_number THEN radial_velocity := 0; END IF;
    IF pg_catalog.abs(years) < least_number THEN years := 0; END IF;
    sine_ra := pg_catalog.sin(pg_catalog.radians(ra));
    cosine_ra := pg_catalog.cos(pg_catalog.radians(ra));
    sine_dec := pg_catalog.sin(pg_catalog.radians("dec"));
    cosine_dec := pg_catalog.cos(pg_catalog.radians("dec"));
    east := pmra * mas;
    north := pmdec * mas;
    radial := radial_velocity * parallax / unit * mas;
    proper := east * east + north * north;
    square := 1 + 2 * radial * years + (proper + radial * radial) * years * years;
    IF square <= 0 THEN
        RETURN NULL;
    END IF;
    factor := 1 / pg_catalog.sqrt(square);
    ahead := 1 + radial * years;
    u := -east * sine_ra - north * sine_dec * cosine_ra;
    v := east * cosine_ra - north * sine_dec * sine_ra;
    w := north * cosine_dec;
    x := (cosine_dec * cosine_ra * ahead + u * years) * factor;
    y := (cosine_dec * sine_ra * ahead + v * years) * factor;
    z := (sine_dec * ahead + w * years) * factor;
    proper := proper * years;
    u := (u * ahead - cosine_dec * cosine_ra * proper) * factor * factor * factor;
    v := (v * ahead - cosine_dec * sine_ra * proper) * factor * factor * factor;
    w := (w * ahead - sine_dec * proper) * factor * factor * factor;
    flat := pg_catalog.sqrt(x * x + y * y);
    IF flat > 0 THEN
        cosine := x / flat;
        sine := y / flat;
    ELSE
        cosine := cosine_ra;
        sine := sine_ra;
    END IF;
    lon := pg_catalog.degrees(pg_catalog.atan2(sine, cosine));
    proper := proper + radial * radial * years;
    RETURN ARRAY[
        CASE WHEN lon < 0 THEN lon + 360 ELSE lon END,
        pg_catalog.degrees(pg_catalog.atan2(z, flat)),
        parallax * factor,
        (v * cosine - u * sine) / mas,
        (w * flat - (u * cosine + v * sine) * z) / mas,
        CASE WHEN parallax = 0 THEN radial_velocity
            ELSE (radial + proper) * factor * factor / mas * unit / (parallax * factor) END
    ];
END $$;

-- An unknown parallax is zero, unknown motions too; without position or epochs the catalogue of functions asks for an error.
CREATE FUNCTION vo_udf.epoch_prop_pos(
    ra double precision, "dec" double precision, parallax double precision, pmra double precision,
    pmdec double precision, radial_velocity double precision, ref_epoch double precision, out_epoch double precision
) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 200 AS $$
BEGIN
    IF ra IS NULL OR "dec" IS NULL OR ref_epoch IS NULL OR out_epoch IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'propagation between epochs needs ra, dec and both epochs; '
            'leave out rows without them by a condition such as ra IS NOT NULL';
    END IF;
    RETURN (vo_udf.space_motion(
        ra, "dec", COALESCE(parallax, 0), COALESCE(pmra, 0), COALESCE(pmdec, 0), COALESCE(radial_velocity, 0),
        CASE WHEN pg_catalog.abs(ref_epoch) < 1e12 AND pg_catalog.abs(out_epoch) < 1e12
            THEN out_epoch - ref_epoch ELSE 'NaN' END))[1:2];
END $$;

-- What was unknown stays unknown, and of a proper motion both components or none are known.
CREATE FUNCTION vo_udf.epoch_prop(
    ra double precision, "dec" double precision, parallax double precision, pmra double precision,
    pmdec double precision, radial_velocity double precision, ref_epoch double precision, out_epoch double precision
) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 200 AS $$
DECLARE
    moves CONSTANT boolean := pmra IS NOT NULL AND pmdec IS NOT NULL;
    found double precision[];
BEGIN
    IF ra IS NULL OR "dec" IS NULL OR ref_epoch IS NULL OR out_epoch IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'propagation between epochs needs ra, dec and both epochs; '
            'leave out rows without them by a condition such as ra IS NOT NULL';
    END IF;
    found := vo_udf.space_motion(
        ra, "dec", COALESCE(parallax, 0), CASE WHEN moves THEN pmra ELSE 0 END, CASE WHEN moves THEN pmdec ELSE 0 END,
        COALESCE(radial_velocity, 0),
        CASE WHEN pg_catalog.abs(ref_epoch) < 1e12 AND pg_catalog.abs(out_epoch) < 1e12
            THEN out_epoch - ref_epoch ELSE 'NaN' END);
    RETURN CASE WHEN found IS NOT NULL THEN ARRAY[
        found[1], found[2],
        CASE WHEN parallax IS NOT NULL THEN found[3] END,
        CASE WHEN moves THEN found[4] END,
        CASE WHEN moves THEN found[5] END,
        CASE WHEN radial_velocity IS NOT NULL THEN found[6] END] END;
END $$;

-- ---- places on the sky --------------------------------------------------------------------------------------------------

-- Pairs of longitude and latitude in another frame; a number after the last pair, the radius of a circle, stays.
CREATE FUNCTION vo_udf.rotated(coordinates double precision[], matrix double precision[]) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 200 AS $$
DECLARE
    lon double precision; lat double precision; a double precision; b double precision; c double precision;
    x double precision; y double precision; z double precision;
BEGIN
    FOR i IN 1 .. pg_catalog.cardinality(coordinates) - 1 BY 2 LOOP
        lon := coordinates[i];
        lat := coordinates[i + 1];
        IF lon IS NULL OR lat IS NULL OR NOT (pg_catalog.abs(lon) < 1e15 AND pg_catalog.abs(lat) <= 90) THEN
            RETURN NULL;
        END IF;
        c := pg_catalog.sin(pg_catalog.radians(CASE WHEN pg_catalog.abs(lat) < 1e-30 THEN 0 ELSE lat END));
        b := pg_catalog.cos(pg_catalog.radians(lat));
        a := b * pg_catalog.cos(pg_catalog.radians(lon));
        b := b * pg_catalog.sin(pg_catalog.radians(CASE WHEN pg_catalog.abs(lon) < 1e-30 THEN 0 ELSE lon END));
        x := matrix[1] * a + matrix[2] * b + matrix[3] * c;
        y := matrix[4] * a + matrix[5] * b + matrix[6] * c;
        z := matrix[7] * a + matrix[8] * b + matrix[9] * c;
        IF pg_catalog.abs(x) < 1e-30 THEN x := 0; END IF;
        IF pg_catalog.abs(y) < 1e-30 THEN y := 0; END IF;
        lon := pg_catalog.degrees(pg_catalog.atan2(y, x));
        coordinates[i] := CASE WHEN lon < 0 THEN lon + 360 ELSE lon END;
        coordinates[i + 1] := pg_catalog.degrees(pg_catalog.atan2(z, pg_catalog.sqrt(x * x + y * y)));
    END LOOP;
    RETURN coordinates;
END $$;

-- The pixel of a position in the NESTED scheme (Gorski et al. 2005). pgSphere 1.2.0 has such a function, which is wrong
-- where faces meet: at the poles, on the meridians of 0, 90, 180 and 270 degrees north of 41.8, at (45, 0).
CREATE FUNCTION vo_udf.healpix_index(depth integer, lon double precision, lat double precision) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 200 AS $$
DECLARE
    nside bigint; face bigint; x bigint; y bigint; i bigint; j bigint;
    z double precision; turn double precision; size double precision;
BEGIN
    IF NOT (depth BETWEEN 0 AND 29 AND pg_catalog.abs(lon) < 1e15 AND pg_catalog.abs(lat) <= 90) THEN
        RETURN NULL;
    END IF;
    nside := 1::bigint << depth;
    turn := lon / 90 - 4 * pg_catalog.floor(lon / 360);
    IF turn >= 4 THEN
        turn := 0;
    END IF;
    z := pg_catalog.sin(pg_catalog.radians(lat));
    IF pg_catalog.abs(z) <= 2::double precision / 3 THEN
        i := pg_catalog.floor(nside * (0.5::double precision + turn - 0.75::double precision * z));
        j := pg_catalog.floor(nside * (0.5::double precision + turn + 0.75::double precision * z));
        face := CASE
            WHEN i >> depth = j >> depth THEN ((i >> depth) & 3) | 4
            WHEN i < j THEN (i >> depth) & 3
            ELSE ((j >> depth) & 3) + 8 END;
        x := j & (nside - 1);
        y := nside - 1 - (i & (nside - 1));
    ELSE
        face := pg_catalog.floor(turn);
        turn := turn - face;
        -- 1 - |z| keeps its digits near a pole by way of the half angle.
        size := nside * pg_catalog.sqrt(6::double precision)
            * pg_catalog.sin(pg_catalog.radians(90 - pg_catalog.abs(lat)) / 2);
        i := LEAST(nside - 1, pg_catalog.floor(turn * size)::bigint);
        j := LEAST(nside - 1, pg_catalog.floor((1 - turn) * size)::bigint);
        IF z > 0 THEN
            x := nside - 1 - j;
            y := nside - 1 - i;
        ELSE
            face := face + 8;
            x := i;
            y := j;
        END IF;
    END IF;
    -- The bits of x and y take turns.
    x := (x | (x << 16)) & 281470681808895;
    x := (x | (x << 8)) & 71777214294589695;
    x := (x | (x << 4)) & 1085102592571150095;
    x := (x | (x << 2)) & 3689348814741910323;
    x := (x | (x << 1)) & 6148914691236517205;
    y := (y | (y << 16)) & 281470681808895;
    y := (y | (y << 8)) & 71777214294589695;
    y := (y | (y << 4)) & 1085102592571150095;
    y := (y | (y << 2)) & 3689348814741910323;
    y := (y | (y << 1)) & 6148914691236517205;
    RETURN (face << (2 * depth)) + x + (y << 1);
END $$;

-- The centre of a pixel.
CREATE FUNCTION vo_udf.healpix_center(depth integer, pixel bigint) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 200 AS $$
DECLARE
    rings CONSTANT integer[] := '{2,2,2,2,3,3,3,3,4,4,4,4}';
    places CONSTANT integer[] := '{1,3,5,7,0,2,4,6,1,3,5,7}';
    nside bigint; face integer; x bigint; y bigint; ring bigint; count bigint; shift integer := 0;
    lat double precision; place double precision; lon double precision;
BEGIN
    IF NOT (depth BETWEEN 0 AND 29) OR pixel < 0 OR pixel >= (12::bigint << (2 * depth)) THEN
        RETURN NULL;
    END IF;
    nside := 1::bigint << depth;
    face := (pixel >> (2 * depth)) + 1;
    x := pixel & (nside * nside - 1);
    y := (x >> 1) & 6148914691236517205;
    x := x & 6148914691236517205;
    x := (x | (x >> 1)) & 3689348814741910323;
    x := (x | (x >> 2)) & 1085102592571150095;
    x := (x | (x >> 4)) & 71777214294589695;
    x := (x | (x >> 8)) & 281470681808895;
    x := (x | (x >> 16)) & 4294967295;
    y := (y | (y >> 1)) & 3689348814741910323;
    y := (y | (y >> 2)) & 1085102592571150095;
    y := (y | (y >> 4)) & 71777214294589695;
    y := (y | (y >> 8)) & 281470681808895;
    y := (y | (y >> 16)) & 4294967295;
    ring := rings[face] * nside - x - y - 1;
    IF ring < nside THEN
        count := ring;
        lat := 90 - pg_catalog.degrees(2 * pg_catalog.asin(ring / (pg_catalog.sqrt(6::double precision) * nside)));
    ELSIF ring > 3 * nside THEN
        count := 4 * nside - ring;
        lat := pg_catalog.degrees(2 * pg_catalog.asin(count / (pg_catalog.sqrt(6::double precision) * nside))) - 90;
    ELSE
        count := nside;
        shift := (ring - nside) & 1;
        lat := pg_catalog.degrees(pg_catalog.asin((2 * nside - ring) * 2 / (3::double precision * nside)));
    END IF;
    place := (places[face] * count + x - y + 1 + shift) / 2::double precision;
    IF place > 4 * nside THEN
        place := place - 4 * nside;
    ELSIF place < 1 THEN
        place := place + 4 * nside;
    END IF;
    lon := (place - (shift + 1) / 2::double precision) * 90 / count;
    RETURN ARRAY[CASE WHEN lon >= 360 THEN lon - 360 ELSE lon END, lat];
END $$;

-- ---- strings ------------------------------------------------------------------------------------------------------------

-- Degrees of 'd:m:s', 'd m s', 'dDmMsS' and 'ddmmss', of hours if so asked; NULL for what is none of them.
CREATE FUNCTION vo_udf.sexagesimal(written text, hours boolean) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    plain CONSTANT text := pg_catalog.lower(pg_catalog.btrim(written));
    parts text[];
    first double precision; minutes double precision; seconds double precision; size double precision;
BEGIN
    parts := pg_catalog.regexp_match(plain, '^([-+]?)([0-9]{1,3})[: ]([0-9]{1,2})[: ]([0-9]{1,2}(?:[.][0-9]{0,30})?)$');
    IF parts IS NULL THEN
        parts := pg_catalog.regexp_match(
            plain, '^([-+]?)([0-9]{1,3})' || CASE WHEN hours THEN 'h' ELSE 'd' END
            || ' ?([0-9]{1,2})m ?([0-9]{1,2}(?:[.][0-9]{0,30})?)s$');
    END IF;
    IF parts IS NULL THEN
        parts := pg_catalog.regexp_match(plain, '^([-+]?)([0-9]{2,3})([0-9]{2})([0-9]{2}(?:[.][0-9]{0,30})?)$');
    END IF;
    IF parts IS NULL OR hours AND parts[1] <> '' THEN
        RETURN NULL;
    END IF;
    first := parts[2];
    minutes := parts[3];
    seconds := parts[4];
    size := (first + minutes / 60 + seconds / 3600) * CASE WHEN hours THEN 15 ELSE 1 END;
    IF minutes >= 60 OR seconds >= 60 OR size > 360 THEN
        RETURN NULL;
    END IF;
    RETURN CASE WHEN parts[1] = '-' THEN -size ELSE size END;
END $$;

-- ---- histograms ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION vo_udf.count_bin(counts integer[], bin integer, bins integer) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF counts IS NULL THEN
        counts := pg_catalog.array_fill(0, ARRAY[bins]);
    END IF;
    counts[bin + 1] := counts[bin + 1] + 1;
    RETURN counts;
END $$;
CREATE FUNCTION vo_udf.add_bins(one integer[], other integer[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    FOR i IN 1 .. pg_catalog.cardinality(one) LOOP
        one[i] := one[i] + other[i];
    END LOOP;
    RETURN one;
END $$;
-- How many rows have each number of bin from 0 on; the second argument is the number of bins.
CREATE AGGREGATE vo_udf.histogram(integer, integer) (
    SFUNC = vo_udf.count_bin, STYPE = integer[], COMBINEFUNC = vo_udf.add_bins, PARALLEL = SAFE
);

-- ---- rights -------------------------------------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA vo_udf TO vo_tap;
REVOKE ALL ON ALL ROUTINES IN SCHEMA vo_udf FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA vo_udf TO vo_tap;
