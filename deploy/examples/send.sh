#!/bin/sh
# Posts two invoices to the API at $CAUDAL_URL, repeats the request as if its answer had been lost, and follows the batch to its end.
set -eu
api=${CAUDAL_URL:-http://localhost:8000}
# The same key for every attempt at this batch, another one for the next batch.
key=example-$(date +%s)-$$

post() {
    curl --silent --show-error --include --max-time 30 "$api/facturas/" \
        --header 'Content-Type: application/json' \
        --header "Idempotency-Key: $key" \
        --data '[
            {"numero_factura": "F-001", "rut_cliente": "11111111-1", "monto": 1500.50, "fecha_emision": "2025-08-24"},
            {"numero_factura": "F-002", "rut_cliente": "22222222-2", "monto": "999.99", "fecha_emision": "2025-08-24"}
        ]' | tr -d '\r'
    echo
}

answer=$(post)
printf '%s\n\n' "$answer"
# 409: nothing is taken twice.
post
batch=$(printf '%s\n' "$answer" | sed -n 's/^[Ll]ocation: //p')

while :; do
    state=$(curl --silent --show-error --fail --max-time 30 "$api$batch")
    printf '%s\n' "$state"
    case $state in *'"estado":"procesado"'* | *'"estado":"con_errores"'*) break ;; esac
    sleep 1
done
