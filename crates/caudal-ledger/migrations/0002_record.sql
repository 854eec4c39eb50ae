-- Records a set of invoices once. A function, because its plans are kept for as long as a server's session: to plan these
-- statements takes longer than to run them for a lone invoice, and a PgBouncer in transaction mode lets no client keep
-- statements of its own. Every set is looked up by key, whatever the statistics of young tables say.
--
-- The first statement makes or locks the clients in their order, so that no two sets wait for each other. The second reads
-- and writes the state as it is after the locks: a snapshot taken together with them would be too old.
--
-- One row for each (RUT, number), sorted by it. Verdicts, a letter for each row: (n)ew, (c)hanged, (s)ame content with a
-- newer version, (d)elivered before, (o)ld. A program that the tables no longer allow changes nothing.
CREATE FUNCTION record_invoices(
    program integer, ruts text[], numbers text[], amounts numeric[], dates date[], ruts_received text[], batch_ids uuid[],
    versions bigint[], times_received timestamptz[], OUT oldest integer, OUT verdicts text
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
BEGIN
    SELECT oldest_program INTO oldest FROM compatibility WHERE one;
    IF oldest > program THEN
        RETURN;
    END IF;

    INSERT INTO clients AS client (rut)
    SELECT DISTINCT given.rut COLLATE "C" FROM unnest(ruts) AS given (rut) ORDER BY 1
    ON CONFLICT (rut) DO UPDATE SET balance = client.balance WHERE false;

    WITH given AS (
        SELECT rut, number, amount::numeric(20, 4) AS amount, issued_on, rut_received, batch_id, version, received_at, place
        FROM unnest(ruts, numbers, amounts, dates, ruts_received, batch_ids, versions, times_received) WITH ORDINALITY
            AS given (rut, number, amount, issued_on, rut_received, batch_id, version, received_at, place)
    ), judged AS MATERIALIZED (
        SELECT given.*, given.amount - coalesce(stands.amount, 0) AS delta,
            CASE
                WHEN stands.version IS NULL THEN 'n'
                WHEN stands.version = given.version AND stands.batch_id = given.batch_id THEN 'd'
                WHEN stands.version >= given.version THEN 'o'
                WHEN stands.amount = given.amount AND stands.issued_on = given.issued_on THEN 's'
                ELSE 'c'
            END AS verdict
        FROM given LEFT JOIN invoices AS stands
            ON stands.rut = given.rut COLLATE "C" AND stands.number = given.number COLLATE "C"
    ), made AS (
        INSERT INTO invoices (rut, number, amount, issued_on, rut_received, batch_id, version, received_at)
        SELECT rut, number, amount, issued_on, rut_received, batch_id, version, received_at
        FROM judged WHERE verdict = 'n' ORDER BY place
    ), changed AS (
        UPDATE invoices AS invoice
        SET amount = judged.amount, issued_on = judged.issued_on, rut_received = judged.rut_received,
            batch_id = judged.batch_id, version = judged.version, received_at = judged.received_at, updated_at = now()
        FROM judged WHERE judged.verdict = 'c'
            AND invoice.rut = judged.rut COLLATE "C" AND invoice.number = judged.number COLLATE "C"
    ), raised AS (
        UPDATE invoices AS invoice SET version = judged.version
        FROM judged WHERE judged.verdict = 's'
            AND invoice.rut = judged.rut COLLATE "C" AND invoice.number = judged.number COLLATE "C"
    ), moved AS (
        UPDATE clients AS client
        SET balance = client.balance + movement.delta, invoice_count = client.invoice_count + movement.made,
            updated_at = now()
        FROM (
            SELECT rut, sum(delta) AS delta, count(*) FILTER (WHERE verdict = 'n') AS made
            FROM judged WHERE verdict IN ('n', 'c') GROUP BY rut
        ) AS movement
        WHERE client.rut = movement.rut COLLATE "C" AND (movement.delta <> 0 OR movement.made > 0)
    )
    SELECT coalesce(string_agg(judged.verdict, '' ORDER BY judged.place), '') INTO verdicts FROM judged;
END
$$;
