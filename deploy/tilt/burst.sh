#!/bin/sh
# Posts 20 batches of 500 new invoices to the API at $1 (http://localhost:8000), so that workers are wanted.
set -eu
api=${1:-http://localhost:8000}
burst=$(date +%s)-$$
for batch in $(seq 20); do
    awk -v burst="$burst" -v batch="$batch" 'BEGIN {
        for (i = 1; i <= 500; i++)
            printf "%s{\"numero_factura\": \"B-%s-%d-%d\", \"rut_cliente\": \"11111111-1\", \"monto\": %d, \"fecha_emision\": \"2026-01-31\"}",
                (i == 1 ? "[" : ", "), burst, batch, i, i
        print "]"
    }' | curl --fail-with-body --silent --show-error --max-time 30 --header 'Content-Type: application/json' \
        --header "Idempotency-Key: burst-$burst-$batch" --data-binary @- "$api/facturas/"
    echo
done
