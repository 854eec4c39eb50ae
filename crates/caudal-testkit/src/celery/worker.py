"""The original service's worker: its task, its queue, its settings. Where that waits in place of its real work, so does this.

Run as a program it sends tasks: a JSON list of objects with the options of apply_async.
"""

import json
import os
import sys
import time

import redis
from celery import Celery
from celery.signals import worker_ready

BROKER = os.environ["REDIS_URL"]

app = Celery("worker", broker=BROKER)
app.conf.update(json.loads(os.environ.get("SETTINGS") or "{}"))


@app.task(bind=True, name="worker.procesar_lote_facturas")
def procesar_lote_facturas(self, facturas):
    """One second an invoice; one without an amount takes until it is told to end."""
    notes = redis.Redis.from_url(BROKER)
    notes.rpush("test:began", self.request.id)
    for factura in facturas:
        if factura["monto"] is None:
            notes.blpop("test:end")
        else:
            time.sleep(1)
    notes.rpush("test:finished", self.request.id)


@worker_ready.connect
def tell(sender, **_):
    """Says when the worker answers: its own "ready" comes before the first round of its loop, which subscribes to questions."""
    sender.hub.call_soon(lambda: sender.hub.call_soon(print, f"{sender.hostname} takes tasks and answers"))


if __name__ == "__main__":
    for options in json.loads(sys.argv[1]):
        print(procesar_lote_facturas.apply_async(**options).id)
