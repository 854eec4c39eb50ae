-- Keys are compared byte by byte: an order that no change of the system's locales can move.
-- A client's row is the lock of its invoices: whoever writes one of them holds the client's row first.
CREATE TABLE clients (
    rut text COLLATE "C" PRIMARY KEY,
    balance numeric NOT NULL DEFAULT 0,
    invoice_count bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

CREATE TABLE invoices (
    rut text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL,
    amount numeric(20, 4) NOT NULL,
    issued_on date NOT NULL,
    rut_received text NOT NULL,
    batch_id uuid NOT NULL,
    version bigint NOT NULL,
    received_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rut, number)
);

-- The oldest generation of the program that may still use these tables. A migration that only adds leaves it alone.
CREATE TABLE compatibility (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    oldest_program integer NOT NULL
);

INSERT INTO compatibility (oldest_program) VALUES (1);
