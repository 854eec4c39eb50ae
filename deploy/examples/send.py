"""Posts invoices to the API at $CAUDAL_URL until they are accepted, and follows the batch to its end. Nothing has to be installed."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

API = os.environ.get("CAUDAL_URL", "http://localhost:8000")
INVOICES = [
    {"numero_factura": "F-003", "rut_cliente": "33333333-3", "monto": 750.25, "fecha_emision": "2025-08-24"},
    {"numero_factura": "F-004", "rut_cliente": "33333333-3", "monto": "1243", "fecha_emision": "2025-08-25"},
]


def call(path, body=None, headers=None):
    """Returns the status, the headers and the JSON of the answer, whatever the status is."""
    request = urllib.request.Request(API + path, body, headers or {})
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, json.load(answer)


def send(invoices):
    """Posts the batch until it is accepted, and returns the address of its state.

    All attempts have one key, so a batch whose answer was lost is not taken twice: 202 and 409 both mean accepted.
    """
    body = json.dumps(invoices).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    while True:
        try:
            status, answer, content = call("/facturas/", body, headers)
        except (OSError, ValueError) as error:
            print(f"no answer, trying again: {error}")
            time.sleep(1)
            continue
        print(status, content["detail"])
        if status in (202, 409):
            return answer["Location"]
        if status not in (429, 503):
            raise SystemExit(1)
        time.sleep(int(answer.get("Retry-After", 1)))


def follow(place):
    """Waits until every invoice of the batch is recorded or rejected."""
    while True:
        _, _, batch = call(place)
        print(batch["estado"], batch["registradas"], "of", batch["recibidas"])
        if batch["estado"] in ("procesado", "con_errores"):
            return batch
        time.sleep(1)


if __name__ == "__main__":
    for rejected in follow(send(INVOICES))["rechazadas"]:
        print(rejected["numero_factura"], rejected["motivo"])
